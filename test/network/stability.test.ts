import {beforeAll, describe, expect, test} from 'vitest'
import {z} from 'zod'
import {containersOf} from '../loop/left-behind.ts'
import {openRelay} from '../support/relay.ts'
import {Load, type LoadReport, pause} from './load.ts'
import {NetworkWorld} from './network-world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const GONE_MS = IS_LONG ? 60_000 : 6000
/** What one node's lease of `poor` can pay: a quarter of its day. */
const POOR_MINOR = 100
const MINERS = ['miner-a', 'miner-b']
const WORKERS = 8
/** Two seconds until a gateway asks, eight until it gives up, and some. */
const ASLEEP_MS = IS_LONG ? 30_000 : 12_000
const TIMEOUT_MS = 180_000
/** A killed gateway loses what it counted since its last save; that is asked for every second and takes its time. */
const LOST_MAX_MS = 2000

describe.each(IS_LONG ? (['memory', 'podman'] as const) : (['memory'] as const))('a network of %s', (runtime) => {
  let world: NetworkWorld
  /** What is known to have been served for nothing. */
  let unpaid = 0
  beforeAll(async () => {
    const poor = {dailyBudget: 4 * POOR_MINOR}
    const functions = {site: {scale: {min: 2, max: 4}}, cold: {}, colder: {}, poor}
    world = await NetworkWorld.make({runtime, gateways: ['gateway-a', 'gateway-b'], miners: MINERS, functions})
    await Promise.all([world.answers('gateway-a', 'site'), world.answers('gateway-b', 'site')])
    return () => world.close()
  }, TIMEOUT_MS)

  const site = (gateway: string): Load => new Load(world, {gateway, function: 'site', workers: WORKERS, postEvery: 5, pauseMs: 10})

  test(
    'with the coordinator killed no request fails, functions start from nothing, an empty budget ends work, and all is paid once afterwards',
    async () => {
      const before = await world.everythingPaid()
      const load = site('gateway-a')
      await world.role('coordinator').kill()
      const goneUntilMs = performance.now() + GONE_MS
      // Its image was fetched, and it was never started.
      expect(await world.ask('gateway-a', 'cold')).toMatchObject({status: 200})
      const dry = await drained('poor')
      expect(dry.failures[0]?.what).toBe('503 reward_pool_empty')
      // Just the budget is paid. Beyond that of each lease is at most what the other workers had under way when one earned the last of it.
      const budgetMinor = MINERS.length * POOR_MINOR
      expect(dry.answered).toBeGreaterThanOrEqual(budgetMinor)
      expect(dry.answered).toBeLessThanOrEqual(budgetMinor + MINERS.length * (WORKERS - 1))
      unpaid = dry.answered - budgetMinor
      await pause(goneUntilMs - performance.now())
      expect(await world.ask('gateway-b', 'colder')).toMatchObject({status: 200})
      expect(await world.ask('gateway-a', 'poor')).toMatchObject({status: 503, code: 'reward_pool_empty'})

      await world.startCoordinator()
      const {answered, failures} = await load.stop()
      expect(failures).toEqual([])
      expect(answered).toBeGreaterThan(100)
      expect(await world.everythingPaid(unpaid)).toBe(before + answered + 2 + dry.answered)
    },
    TIMEOUT_MS + GONE_MS
  )

  test(
    'with a miner killed idempotent requests all succeed, others fail at most once, and what ran is adopted or removed when it is back',
    async () => {
      await world.everythingPaid(unpaid)
      const victim = await busiest()
      const load = site('gateway-a')
      await pause(1000)
      await world.role(victim).kill()
      await pause(2000)
      const meanwhile = load.answered
      await world.startMiner(victim)
      await pause(1000)
      const {answered, failures, failedTwice} = await load.stop()
      expect(failures.filter(({method}) => method === 'GET')).toEqual([])
      expect(failedTwice).toBe(0)
      expect(answered).toBeGreaterThan(meanwhile)
      await expect.poll(async () => (await world.status('gateway-a')).miners.length).toBe(2)
      if (runtime === 'podman') await containersAreKnown()
    },
    TIMEOUT_MS
  )

  test(
    'a miner that sleeps for longer than its gateways wait costs no idempotent request, and works again within seconds of waking',
    async () => {
      await world.everythingPaid(unpaid)
      const load = site('gateway-a')
      await pause(1000)
      const {pid} = world.role(await busiest())
      process.kill(pid, 'SIGSTOP')
      await pause(ASLEEP_MS)
      process.kill(pid, 'SIGCONT')
      await expect.poll(async () => (await world.status('gateway-a')).miners.length, {timeout: 45_000}).toBe(2)
      const {failures, failedTwice} = await load.stop()
      expect(failures.filter(({method}) => method === 'GET')).toEqual([])
      expect(failedTwice).toBe(0)
      await world.everythingPaid(unpaid)
    },
    TIMEOUT_MS
  )

  test(
    'a gateway that is killed harms no other, and its miners are back as soon as it is; its counters survive and nothing is paid twice',
    async () => {
      const before = await world.served()
      const [loadA, loadB] = [site('gateway-a'), site('gateway-b')]
      await pause(1500)
      await world.role('gateway-b').kill()
      const killedAtMs = performance.now()
      await pause(1000)
      const b = await loadB.stop()
      await world.startGateway('gateway-b')
      await expect.poll(async () => (await world.status('gateway-b')).miners.length, {timeout: 45_000}).toBe(2)
      await world.answers('gateway-b', 'site')
      const a = await loadA.stop()
      expect(a.failures).toEqual([])
      expectCleanEnds(b)
      const served = await world.everythingPaid(unpaid)
      const answered = before + a.answered + b.answered
      const lost = b.answeredAtMs.filter((atMs) => atMs > killedAtMs - LOST_MAX_MS).length
      expect(served).toBeGreaterThanOrEqual(answered - lost)
      expect(served).toBeLessThanOrEqual(answered + WORKERS + OTHER_REQUESTS)
    },
    TIMEOUT_MS
  )

  test(
    'a gateway that is stopped answers what is under way, and every request that it answered is paid',
    async () => {
      const before = await world.everythingPaid(unpaid)
      const load = site('gateway-b')
      await pause(1500)
      expect(await world.role('gateway-b').stop()).toBe('by_itself')
      const report = await load.stop()
      expectCleanEnds(report)
      await world.startGateway('gateway-b')
      const served = await world.everythingPaid(unpaid)
      expect(served - before).toBeGreaterThanOrEqual(report.answered)
      expect(served - before).toBeLessThanOrEqual(report.answered + WORKERS)
      expect(await world.creo('ledger', 'verify', '--data', `${world.folder}/coordinator`)).toMatchObject({holds: true})
    },
    TIMEOUT_MS
  )

  test(
    'a miner shares its few idle connections among its gateways, earns through each of them, and follows the table when one comes, moves or goes',
    async () => {
      const idle = async (gateways: readonly string[]): Promise<readonly (readonly number[])[]> => {
        const statuses = await Promise.all(gateways.map((gateway) => world.status(gateway)))
        return statuses.map(({miners}) => miners.map(({dataConnections}) => dataConnections))
      }
      const each = (count: number): readonly number[] => MINERS.map(() => count)
      const quiet = {timeout: 40_000, interval: 500}
      await expect.poll(() => idle(['gateway-a', 'gateway-b']), quiet).toEqual([each(2), each(2)])

      await world.startGateway('gateway-c')
      await world.answers('gateway-c', 'site')
      await expect.poll(() => idle(['gateway-a', 'gateway-b', 'gateway-c']), quiet).toEqual([each(1), each(1), each(1)])

      const relay = await openRelay(world.gateway('gateway-c').urls.tunnel)
      await world.admit('gateway-c', relay.url)
      await expect.poll(() => relay.opened, {timeout: 45_000}).toBeGreaterThanOrEqual(2 * MINERS.length)
      await world.answers('gateway-c', 'site')
      await world.everythingPaid(unpaid)

      await world.revoke('gateway-c')
      await expect.poll(async () => (await world.status('gateway-c')).miners, {timeout: 45_000}).toEqual([])
      expect(await world.ask('gateway-c', 'site')).toMatchObject({status: 503, code: 'unavailable'})
      await expect.poll(() => idle(['gateway-a', 'gateway-b']), quiet).toEqual([each(2), each(2)])
      const before = await world.served()
      const loads = [site('gateway-a'), site('gateway-b')]
      await pause(1000)
      const reports = await Promise.all(loads.map((load) => load.stop()))
      expect(reports.flatMap(({failures}) => failures)).toEqual([])
      const answered = reports.reduce((sum, report) => sum + report.answered, 0)
      expect(await world.everythingPaid(unpaid)).toBe(before + answered)
    },
    TIMEOUT_MS
  )

  /** Asks until both leases have nothing left, and then the workers that are under way hear it. */
  async function drained(name: string): Promise<LoadReport> {
    const load = new Load(world, {gateway: 'gateway-a', function: name, workers: WORKERS})
    await expect.poll(() => load.failed, {timeout: 60_000}).toBeGreaterThan(WORKERS)
    return await load.stop()
  }

  /** The miner that most of what gateway-a asks for runs on. */
  async function busiest(): Promise<string> {
    const {miners} = await world.status('gateway-a')
    const [first] = miners.toSorted((a, b) => b.instances - a.instances)
    return MINERS.find((miner) => world.node(miner) === first?.node) ?? 'nobody'
  }

  /** As many containers run as the miners say that they have, those included that rest. */
  async function containersAreKnown(): Promise<void> {
    const unknown = async (miner: string): Promise<number> => {
      const inits = (await containersOf(`${world.folder}/${miner}`)).filter(({command}) => command.startsWith('/run/creo/init'))
      const {instances, resting} = heldSchema.parse(await world.creo('mine', 'status', '--data', `${world.folder}/${miner}`))
      return inits.length - instances.length - resting.frozen
    }
    await expect.poll(() => Promise.all(MINERS.map(unknown)), {timeout: 30_000}).toEqual([0, 0])
  }
})

const heldSchema = z.looseObject({instances: z.array(z.unknown()), resting: z.looseObject({frozen: z.int()})})

/** Requests that `answers` and deploys make beside the load. */
const OTHER_REQUESTS = 3
const CLEAN = [/^502 bad_gateway$/, /^503 (no_instance|unavailable)$/, /^ECONNREFUSED$/, /^ECONNRESET$/, /^UND_ERR_SOCKET$/]

/** Each failure is the gateway's own answer with a code, or a connection that is refused or cut: no hang, no half answer taken for a whole. */
function expectCleanEnds({failures, slowestMs}: LoadReport): void {
  expect(failures.filter(({what}) => !CLEAN.some((clean) => clean.test(what)))).toEqual([])
  expect(slowestMs).toBeLessThan(30_000)
}
