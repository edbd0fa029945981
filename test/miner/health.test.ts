import type {RequestListener} from 'node:http'
import {expect, it} from 'vitest'
import type {Instances} from '../../src/miner/instances.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import {instancesWorld} from './instances-world.ts'
import {finished, revisionEntry, temporaryDirectory} from './worlds.ts'

const DIGEST = `sha256:${'7'.repeat(64)}`
const ORIGIN = {instance: 'i-1', gateway: 'gw_1', lease: 'lea_9', revision: 'rev_7'}
const REVISION = revisionEntry(DIGEST, {health: '/ready?deep=1'})

interface World {
  readonly instances: Instances
  /** What was asked so far. */
  readonly asked: string[]
  /** Resolves when so many have been. */
  readonly askedOften: (times: number) => Promise<void>
}

/** A node with one image whose function answers by the number of the request. */
async function worldOf(
  answer: (nth: number, exit: (code: number) => void) => number,
  signal = new AbortController().signal
): Promise<World> {
  const directory = await temporaryDirectory()
  const asked: string[] = []
  const waiting: {times: number; resolve: () => void}[] = []
  const body: MemoryFunction = ({exit}) => {
    const listener: RequestListener = (request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.writeHead(answer(asked.length, exit)).end('x'.repeat(5000))
      for (const {times, resolve} of waiting) if (asked.length >= times) resolve()
    }
    return listener
  }
  const runtime = createMemoryRuntime({directory, images: new Map([[DIGEST, body]])})
  await runtime.prepare({layoutDirectory: directory, manifestDigest: DIGEST}, signal)
  const {instances} = await finished(instancesWorld(directory, runtime, {signal}))
  const askedOften = (times: number): Promise<void> => new Promise((resolve) => waiting.push({times, resolve}))
  return {instances, asked, askedOften}
}

it('waits until the health path of a function is answered 2xx, and only then says that it is started', async () => {
  const {instances, asked} = await worldOf((nth) => [503, 404, 204][nth - 1] ?? 500)
  expect(await instances.start(ORIGIN, REVISION, DIGEST)).toEqual({status: 'started', from: 'pulled'})
  expect(asked).toEqual(Array(3).fill('GET /ready?deep=1'))
})

it('asks nothing of a function without a health path', async () => {
  const {instances, asked} = await worldOf(() => 500)
  expect(await instances.start(ORIGIN, revisionEntry(DIGEST), DIGEST)).toMatchObject({status: 'started'})
  expect(asked).toEqual([])
})

it('says what was answered when it is never 2xx, and leaves nothing', async () => {
  const time = new AbortController()
  const {instances, askedOften} = await worldOf(() => 500, time.signal)
  const started = instances.start(ORIGIN, REVISION, DIGEST)
  await askedOften(2)
  time.abort()
  expect(await started).toEqual({
    status: 'failed',
    code: 'unhealthy',
    message: 'It listens, but GET /ready?deep=1 was answered 500, and not 2xx.'
  })
  expect(instances.count).toBe(0)
})

it('calls it a crash when the function ends before', async () => {
  const {instances} = await worldOf((nth, exit) => {
    if (nth === 2) exit(3)
    return 503
  })
  expect(await instances.start(ORIGIN, REVISION, DIGEST)).toEqual({
    status: 'failed',
    code: 'crash',
    message: 'The function ended with exit code 3 before GET /ready?deep=1 was answered 2xx.'
  })
})
