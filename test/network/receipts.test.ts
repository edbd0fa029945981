import {join} from 'node:path'
import Database from 'better-sqlite3'
import {beforeAll, expect, test} from 'vitest'
import {z} from 'zod'
import {receiptViewSchema} from '../../src/core/protocol/api.ts'
import {Load} from './load.ts'
import {NetworkWorld} from './network-world.ts'

const ROUNDS = (process.env.CREO_TEST_TIER ?? 'short') !== 'short' ? 10 : 1
const TIMEOUT_MS = 120_000
const WAIT = {timeout: 30_000, interval: 25}
const ASKED = 20
/** What all nodes together may earn of `poor` in a day; a lease has a quarter of it. */
const POOR_MINOR = 200
const WORKERS = 4

let world: NetworkWorld
/** What is known to have been served for nothing. */
let unpaid = 0
beforeAll(async () => {
  const functions = {site: {}, poor: {dailyBudget: POOR_MINOR}}
  world = await NetworkWorld.make({runtime: 'memory', gateways: ['gateway'], miners: ['miner'], functions})
  await world.answers('gateway', 'site')
  return () => world.close()
}, TIMEOUT_MS)

const rounds = Array.from({length: ROUNDS}, (_, index) => index + 1)

test.each(rounds)(
  'a gateway killed before it hears that its proposal was signed and paid proposes it again, and it is paid once (round %i)',
  async () => {
    await world.everythingPaid(unpaid)
    await served()
    signal('miner', 'SIGSTOP')
    await expect.poll(unsigned, WAIT).toBeGreaterThan(0)
    signal('gateway', 'SIGSTOP')
    const before = await world.paid()
    signal('miner', 'SIGCONT')
    await expect.poll(() => world.paid(), WAIT).toBeGreaterThan(before)
    await world.role('gateway').kill()
    await world.startGateway('gateway')
    await allPaidOnce()
  },
  TIMEOUT_MS
)

test.each(rounds)(
  'a miner killed between a proposal and its signature signs it when it is back, and is paid once (round %i)',
  async () => {
    await world.everythingPaid(unpaid)
    await served()
    signal('miner', 'SIGSTOP')
    await expect.poll(unsigned, WAIT).toBeGreaterThan(0)
    await world.role('miner').kill()
    await world.startMiner('miner')
    await allPaidOnce()
  },
  TIMEOUT_MS
)

test.each(rounds)(
  'a miner killed between handing a receipt in and hearing that it is paid hands it in again, and is paid once (round %i)',
  async () => {
    await world.everythingPaid(unpaid)
    signal('coordinator', 'SIGSTOP')
    await served()
    await expect.poll(waiting, WAIT).toBeGreaterThan(0)
    await world.role('miner').kill()
    signal('coordinator', 'SIGCONT')
    await world.startMiner('miner')
    await allPaidOnce()
  },
  TIMEOUT_MS
)

test(
  'with the coordinator there, what may be earned in a day is earned to the last unit, and then nobody works for nothing',
  async () => {
    await world.everythingPaid(unpaid)
    const paidBefore = await world.paid()
    const load = new Load(world, {gateway: 'gateway', function: 'poor', workers: WORKERS})
    await expect.poll(async () => (await world.paid()) - paidBefore, {timeout: 60_000}).toBe(POOR_MINOR)
    await expect.poll(() => load.failed, WAIT).toBeGreaterThan(2 * WORKERS)
    const {answered, failures} = await load.stop()
    expect(new Set(failures.map(({what}) => what))).toEqual(new Set(['503 reward_pool_empty']))
    // Beyond the budget of each lease is at most what was under way when it ran dry.
    const leases = new Set((await receipts()).filter(({paid}) => paid.length > 0).map(({lease}) => lease)).size
    expect(answered).toBeGreaterThanOrEqual(POOR_MINOR)
    expect(answered).toBeLessThanOrEqual(POOR_MINOR + leases * WORKERS)
    unpaid += answered - POOR_MINOR
    await world.everythingPaid(unpaid)
    const servedBefore = await world.served('poor')
    expect(await world.ask('gateway', 'poor')).toMatchObject({status: 503, code: 'reward_pool_empty'})
    expect(await world.served('poor')).toBe(servedBefore)
    expect((await world.status('gateway')).revisions.find((entry) => entry.function === 'poor')?.instances ?? 0).toBe(0)
    expect(await world.ask('gateway', 'site')).toMatchObject({status: 200})
  },
  TIMEOUT_MS
)

async function served(): Promise<void> {
  await world.answers('gateway', 'site')
  for (let count = 0; count < ASKED; count += 1) expect(await world.ask('gateway', 'site')).toMatchObject({status: 200})
}

function signal(role: string, name: 'SIGSTOP' | 'SIGCONT'): void {
  process.kill(world.role(role).pid, name)
}

/** Windows that wait for a signature, as the gateway says. */
async function unsigned(): Promise<number> {
  return z.looseObject({unsignedReceipts: z.int()}).parse(await world.status('gateway')).unsignedReceipts
}

/** Receipts that the miner has signed and knows of no answer to, as its own store says. */
function waiting(): number {
  const store = new Database(join(world.folder, 'miner', 'miner.sqlite'), {readonly: true})
  const row = store.prepare(`SELECT count(*) AS count FROM receipts WHERE status = 'pending'`).get()
  store.close()
  return z.object({count: z.int()}).parse(row).count
}

async function receipts() {
  return (await world.read('/v1/receipts?limit=1000', z.object({receipts: z.array(receiptViewSchema)}))).receipts
}

async function allPaidOnce(): Promise<void> {
  await world.answers('gateway', 'site')
  await world.everythingPaid(unpaid)
  await expect.poll(unsigned, WAIT).toBe(0)
  await expect.poll(waiting, WAIT).toBe(0)
  const ids = (await receipts()).map(({id}) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(await world.creo('ledger', 'verify', '--data', `${world.folder}/coordinator`)).toMatchObject({holds: true})
}
