import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, it, onTestFinished, vi} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {CallQueue} from '../../src/gateway/async/call-queue.ts'
import {StoreThread} from '../../src/gateway/async/store-thread.ts'
import {createLog} from '../../src/telemetry/log.ts'

it('a call whose result finds the disk full is not delivered again: its result waits', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'creo-queue-'))
  const delivered: number[] = []
  const queue = await CallQueue.open({
    path: join(folder, 'queue.sqlite'),
    now: Date.now,
    random: Math.random,
    log: createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}}),
    deliveriesMax: () => 1,
    deliver: async ({attempts}) => {
      delivered.push(attempts)
      const result = {status: 200, headers: {}, truncated: false}
      return {attempted: {kind: 'answered', status: 200}, answer: {result, body: Buffer.from('done')}}
    },
    onFatal: (error) => expect.unreachable(String(error))
  })
  onTestFinished(async () => {
    await queue.close()
    await rm(folder, {recursive: true})
  })
  const {run} = StoreThread.prototype
  let refusals = 2
  vi.spyOn(StoreThread.prototype, 'run').mockImplementation(function (this: StoreThread, ...order) {
    if (order[0] !== 'end' || refusals === 0) return run.apply(this, order)
    refusals -= 1
    return Promise.reject(new CreoError('unavailable', 'The disk of this gateway is full.'))
  })
  const request = {method: 'POST', host: 'h', target: '/', headers: [], address: '', secure: false}
  const id = 'call_one'
  await queue.post({id, app: 'acme/shop', function: 'acme/shop/site', acceptedAtMs: Date.now(), request, body: Buffer.alloc(0)})
  await expect.poll(async () => (await queue.find(id))?.state, {timeout: 10_000}).toBe('succeeded')
  expect([delivered, refusals]).toEqual([[1], 0])
})
