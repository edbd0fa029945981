import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it, vi} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {CreoError} from '../../src/core/errors.ts'
import {keepClockMended} from '../../src/gateway/network-clock.ts'
import {createSteadyClock} from '../../src/gateway/steady-clock.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {startFakeCoordinator} from '../support/fake-coordinator.ts'
import {openGatewayWorld} from '../support/gateway-world.ts'

const log = createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}})
let stop: AbortController
beforeEach(() => {
  stop = new AbortController()
})
afterEach(() => {
  stop.abort()
  vi.useRealTimers()
})

it('a gateway whose clock is minutes off goes by the coordinator', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-clock-'))
  const coordinator = await startFakeCoordinator(directory)
  const now = (): number => Date.now() + 300_000
  const network = {coordinatorUrl: coordinator.url, networkId: coordinator.network, coordinatorKey: coordinator.key.publicKey}
  const client = createClient({...network, now, signal: stop.signal})
  await keepClockMended({mend: (signal) => client.mendClock(signal), aheadMs: () => 0, log, signal: stop.signal})
  expect(Math.abs(client.nowMs() - Date.now())).toBeLessThan(30_000)
  stop.abort()
  await client.close()
  await coordinator.stop()
  await rm(directory, {recursive: true})
})

it('the clock is compared again after a while, and sooner when that failed', async () => {
  vi.useFakeTimers()
  const mend = vi.fn(async () => 0)
  mend.mockRejectedValueOnce(new CreoError('unavailable', 'Nobody answers.'))
  await keepClockMended({mend, aheadMs: () => 0, log, signal: stop.signal})
  expect(mend).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(mend).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(599_000)
  expect(mend).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(1000)
  expect(mend).toHaveBeenCalledTimes(3)
})

it('the clock is compared at once when the machine slept or its clock was set, once for each time', async () => {
  vi.useFakeTimers()
  const mend = vi.fn(async () => 0)
  let aheadMs = 500
  await keepClockMended({mend, aheadMs: () => aheadMs, log, signal: stop.signal})
  aheadMs += 29_000
  await vi.advanceTimersByTimeAsync(30_000)
  expect(mend).toHaveBeenCalledTimes(1)
  for (const [count, stepMs] of [1000, 3_600_000, -86_400_000].entries()) {
    aheadMs += stepMs
    await vi.advanceTimersByTimeAsync(1000)
    expect(mend).toHaveBeenCalledTimes(2 + count)
    await vi.advanceTimersByTimeAsync(100_000)
    expect(mend).toHaveBeenCalledTimes(2 + count)
  }
})

it('a clock that a refused miner brings in doubt is compared at once, unless that was done a moment ago', async () => {
  vi.useFakeTimers()
  const mend = vi.fn(async () => 0)
  const clock = await keepClockMended({mend, aheadMs: () => 0, log, signal: stop.signal})
  clock.doubt()
  expect(mend).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(10_000)
  for (let count = 0; count < 5; count += 1) clock.doubt()
  expect(mend).toHaveBeenCalledTimes(2)
  stop.abort()
  await vi.advanceTimersByTimeAsync(3_600_000)
  clock.doubt()
  expect(mend).toHaveBeenCalledTimes(2)
})

it('a gateway whose clock stands behind finds it out by the first miner that it refuses', async () => {
  let behindMs = 0
  const mended = vi.fn(() => {
    behindMs = 0
  })
  const world = await openGatewayWorld({clock: {now: () => Date.now() - behindMs, onClockSkew: mended}})
  const miner = await world.addMiner({serve: (_request, response) => void response.end('hello')})
  behindMs = 600_000
  miner.drop()
  expect((await world.ask('/')).body).toBe('hello')
  expect(mended).toHaveBeenCalledTimes(1)
  await world.close()
})

it('a coordinator that is silent does not keep a gateway from starting', async () => {
  vi.useFakeTimers()
  const started = keepClockMended({mend: () => new Promise(() => undefined), aheadMs: () => 0, log, signal: stop.signal})
  await vi.advanceTimersByTimeAsync(3000)
  await started
})

it('a clock that is set by hours, forwards or back, is not followed', () => {
  let wallMs = 1_800_000_000_000
  let monotonicMs = 500.25
  const now = createSteadyClock(
    () => wallMs,
    () => monotonicMs
  )
  expect(now()).toBe(1_800_000_000_000)
  for (const stepMs of [7_200_000, -90_000_000, 3]) {
    wallMs += stepMs
    monotonicMs += 1000
  }
  expect(now()).toBe(1_800_000_003_000)
})
