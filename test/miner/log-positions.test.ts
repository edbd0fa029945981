import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {openLogPositions} from '../../src/miner/log-positions.ts'
import {LogRing} from '../../src/miner/log-ring.ts'
import {createMemoryRuntime, type MemoryProcess} from '../../src/runtime/memory-runtime.ts'
import {instancesWorld} from './instances-world.ts'
import {finished, quietLog, revisionEntry, temporaryDirectory} from './worlds.ts'

const DIGEST = `sha256:${'7'.repeat(64)}`
const ORIGIN = {instance: 'i-1', gateway: 'gw_1', lease: 'lea_9', revision: 'rev_7'}
const PATIENCE = {timeout: 30_000}
const signal = new AbortController().signal

/** One function that prints what it is told to, and miners that each know of the one before only what is on disk. */
async function world() {
  const directory = await temporaryDirectory()
  const path = join(directory, 'printed.json')
  const started = Promise.withResolvers<MemoryProcess>()
  const images = new Map([
    [
      DIGEST,
      (process: MemoryProcess) => {
        started.resolve(process)
        return () => undefined
      }
    ]
  ])
  const runtime = createMemoryRuntime({directory, images})
  await runtime.prepare({layoutDirectory: directory, manifestDigest: DIGEST}, signal)
  const miner = async () => {
    const positions = await openLogPositions(path, quietLog)
    const logs = new LogRing((container, bytes) => positions.set(container, bytes))
    const {instances} = await finished(instancesWorld(directory, runtime, {logs, positions}))
    const texts = (): string[] => logs.batch().map(({line}) => line)
    return {instances, logs, positions, texts}
  }
  const first = await miner()
  expect(await first.instances.start(ORIGIN, revisionEntry(DIGEST), DIGEST)).toMatchObject({status: 'started'})
  const adopting = async () => {
    const next = await miner()
    const [found] = await runtime.list(signal)
    if (found === undefined) throw new Error('nothing is left')
    expect(await next.instances.adopt(found, ORIGIN, revisionEntry(DIGEST))).toBe('adopted')
    onTestFinished(() => next.instances.endAll(0))
    return next
  }
  return {path, first, adopting, process: await started.promise}
}

test('what a killed miner had not told yet is told by the next one, and nothing twice', async () => {
  const {first, adopting, process} = await world()
  process.log('one\ntwo')
  await expect.poll(first.texts, PATIENCE).toEqual(['one', 'two'])
  const batch = first.logs.batch()
  process.log('three')
  await expect.poll(first.texts, PATIENCE).toEqual(['one', 'two', 'three'])
  first.logs.sent(batch)
  await first.positions.saved
  process.log('four')

  const second = await adopting()
  await expect.poll(second.texts, PATIENCE).toEqual(['three', 'four'])
  second.logs.sent(second.logs.batch())
  await second.positions.saved
  process.log('five')
  const third = await adopting()
  await expect.poll(third.texts, PATIENCE).toEqual(['five'])
})

test('of a container whose runtime has dropped what was told, all that is left is told', async () => {
  const {path, adopting, process} = await world()
  process.log('one')
  await writeFile(path, '{"i-1": 1000000}')
  const second = await adopting()
  await expect.poll(second.texts, PATIENCE).toEqual(['one'])
})

test('a file that cannot be read says nothing, and containers that are gone are forgotten', async () => {
  const path = join(await temporaryDirectory(), 'printed.json')
  await writeFile(path, '{"i-1": "much"}')
  const broken = await openLogPositions(path, quietLog)
  expect(broken.get('i-1')).toBeUndefined()
  broken.set('i-2', 7)
  broken.set('i-3', 9)
  broken.keepOnly(new Set(['i-3']))
  await broken.saved
  const next = await openLogPositions(path, quietLog)
  expect([next.get('i-2'), next.get('i-3')]).toEqual([undefined, 9])
})
