import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect, it, onTestFinished, vi} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {CallQueue, type CallQueueOptions} from '../../src/gateway/async/call-queue.ts'
import {StoreThread} from '../../src/gateway/async/store-thread.ts'
import type {NewCall} from '../../src/gateway/async/stored-call.ts'
import {createLog} from '../../src/telemetry/log.ts'

const PATIENCE = {timeout: 60_000}
const DONE = {status: 200, headers: {}, truncated: false}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'creo-queue-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  return folder
}

function openQueue(folder: string, options: Pick<CallQueueOptions, 'deliver'> & Partial<CallQueueOptions>): Promise<CallQueue> {
  return CallQueue.open({
    path: join(folder, 'queue.sqlite'),
    now: Date.now,
    random: Math.random,
    log: createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}}),
    deliveriesMax: () => 1,
    onFatal: (error) => expect.unreachable(String(error)),
    ...options
  })
}

function newCall(id: string, bytes = 0, app = 'acme/shop'): NewCall {
  const request = {method: 'POST', host: 'h', target: '/', headers: [], address: '', secure: false}
  return {id, app, function: `${app}/site`, acceptedAtMs: Date.now(), request, body: Buffer.alloc(bytes, 1)}
}

it('a failed call is taken up again only where a new one would find room, and takes that room', async () => {
  let isBroken = true
  const gate = Promise.withResolvers<void>()
  const queue = await openQueue(await temporaryFolder(), {
    limits: {entriesMax: 3, bytesMax: 2 ** 20, appShare: 0.67},
    deliver: async () => {
      if (isBroken) return {attempted: {kind: 'refused', code: 'not_found'}, error: {code: 'not_found', message: 'gone'}}
      await gate.promise
      return {attempted: {kind: 'answered', status: 200}, answer: {result: DONE, body: Buffer.alloc(0)}}
    }
  })
  onTestFinished(() => queue.close())
  for (const id of ['one', 'two', 'three']) {
    await queue.post(newCall(id))
    await expect.poll(async () => (await queue.find(id))?.state, PATIENCE).toBe('failed')
  }
  isBroken = false
  expect(await queue.retry('one')).toBe(true)
  expect(await queue.retry('one')).toBe(false)
  expect(await queue.retry('two')).toBe(true)
  await expect(queue.retry('three')).rejects.toMatchObject({code: 'rate_limited'})
  await queue.post(newCall('other', 0, 'other/app'))
  await expect(queue.post(newCall('late', 0, 'third/app'))).rejects.toMatchObject({code: 'overloaded'})
  await expect(queue.retry('three')).rejects.toMatchObject({code: 'overloaded'})
  expect(await queue.find('three')).toMatchObject({state: 'failed'})
  gate.resolve()
  await expect.poll(() => queue.counts.waiting, PATIENCE).toBe(0)
  expect(await queue.retry('three')).toBe(true)
  await expect.poll(async () => (await queue.find('three'))?.state, PATIENCE).toBe('succeeded')
})

it.runIf(process.getuid?.() === 0)('on a full disk a call is refused, and none that was accepted is lost', {timeout: 120_000}, async () => {
  const folder = await temporaryFolder()
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'creo', folder])
  onTestFinished(async () => void (await execa('umount', ['-l', folder])))
  // Something else that takes half of the disk.
  const ballast = join(folder, 'ballast')
  await writeFile(ballast, Buffer.alloc(4 * 2 ** 20))
  let isOpen = false
  const delivered = new Set<string>()
  const options: Parameters<typeof openQueue>[1] = {
    disk: {freeBytesMin: 0},
    deliveriesMax: () => (isOpen ? 8 : 0),
    deliver: async ({id, body}) => {
      expect(body.length).toBe(30_000)
      delivered.add(id)
      return {attempted: {kind: 'answered', status: 200}, answer: {result: DONE, body: Buffer.from('done')}}
    }
  }
  const first = await openQueue(folder, options)
  const [accepted, refused]: [string[], string[]] = [[], []]
  for (let number = 0; refused.length < 20; number += 1) {
    const id = `call_${number}`
    await first.post(newCall(id, 30_000)).then(
      () => accepted.push(id),
      ({code}) => refused.push(code)
    )
  }
  expect(new Set(refused)).toEqual(new Set(['unavailable']))
  expect(accepted.length).toBeGreaterThan(20)
  expect(first.counts.waiting).toBe(accepted.length)
  await first.close()

  const second = await openQueue(folder, options)
  onTestFinished(() => second.close())
  expect(second.counts.waiting).toBe(accepted.length)
  isOpen = true
  await rm(ballast)
  await expect.poll(() => second.counts.waiting, PATIENCE).toBe(0)
  expect([...delivered].sort()).toEqual([...accepted].sort())
  expect(await second.post(newCall('call_after', 30_000))).toEqual({put: 'stored'})
})

it('a call whose result finds the disk full is not delivered again: its result waits', async () => {
  const delivered: number[] = []
  const queue = await openQueue(await temporaryFolder(), {
    deliver: async ({attempts}) => {
      delivered.push(attempts)
      const result = {status: 200, headers: {}, truncated: false}
      return {attempted: {kind: 'answered', status: 200}, answer: {result, body: Buffer.from('done')}}
    }
  })
  onTestFinished(() => queue.close())
  const {run} = StoreThread.prototype
  let refusals = 2
  vi.spyOn(StoreThread.prototype, 'run').mockImplementation(function (this: StoreThread, ...order) {
    if (order[0] !== 'end' || refusals === 0) return run.apply(this, order)
    refusals -= 1
    return Promise.reject(new CreoError('unavailable', 'The disk of this gateway is full.'))
  })
  const id = 'call_one'
  await queue.post(newCall(id))
  await expect.poll(async () => (await queue.find(id))?.state, PATIENCE).toBe('succeeded')
  expect([delivered, refusals]).toEqual([[1], 0])
})
