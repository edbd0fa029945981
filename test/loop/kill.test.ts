import {beforeAll, expect, test} from 'vitest'
import {z} from 'zod'
import {balanceOf} from '../../src/compose/tour/balances.ts'
import {askForPrimes} from '../../src/compose/tour/load.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {everythingPaid} from '../../src/compose/tour/receipts-paid.ts'
import {shopUrl} from '../../src/compose/tour/steps-apps.ts'
import {LEAF, MINERS, ORGS, OWNERS} from '../../src/compose/tour/steps-network.ts'
import type {ReceiptView} from '../../src/core/protocol/api.ts'
import {containersOf} from './left-behind.ts'
import {LoopWorld} from './loop-world.ts'
import {OrderTaker} from './order-taker.ts'
import {addressesIn, privateKeysIn, readPublicJournal} from './public-journal.ts'

const ROUNDS = (process.env.CREO_TEST_TIER ?? 'short') !== 'short' ? 8 : 1
const SET_UP_TIMEOUT_MS = 180_000
const TIMEOUT_MS = 120_000 * ROUNDS
/** The gateway saves its counters every second; what lies between two saves is lost when it is killed. The rest is the time a save takes. */
const LOST_MAX_MS = 1500
/** Requests that run at a time, and may have been answered without the client hearing it. */
const IN_FLIGHT_MAX = 8
const ASKED_AFTER = 50

let world: LoopWorld
beforeAll(async () => {
  world = await LoopWorld.make()
  return () => world.close()
}, SET_UP_TIMEOUT_MS)

const rounds = Array.from({length: ROUNDS}, (_, index) => index + 1)

test.each(rounds)(
  'a killed gateway serves again, and loses at most a second of what it counted (round %i)',
  {timeout: TIMEOUT_MS},
  async () => {
    const before = await everythingPaid(world, ORGS.shop)
    const receiptsBefore = await world.receipts()
    const load = world.load()
    await load.warm
    await world.network.role('gateway').kill()
    const killedAtMs = performance.now()
    const answers = await load.stop()
    await world.network.startGateway()
    await world.servesAgain()
    const after = await askForPrimes(shopUrl(world), {count: ASKED_AFTER, signal: world.signal})
    expect(after).toMatchObject({answered: ASKED_AFTER, failures: []})

    const {paid, served} = await everythingPaid(world, ORGS.shop)
    expect(paid).toBe(served)
    const answered = answers.length + ASKED_AFTER + 1
    const unsaved = answers.filter((atMs) => atMs > killedAtMs - LOST_MAX_MS).length
    expect(paid - before.paid).toBeGreaterThanOrEqual(answered - unsaved)
    expect(paid - before.paid).toBeLessThanOrEqual(answered + IN_FLIGHT_MAX)
    await paidOnce()
    const windowsBefore = windowsOf(receiptsBefore, Math.max)
    const fresh = windowsOf(paidSince(receiptsBefore, await world.receipts()), Math.min)
    expect(fresh.size).toBeGreaterThan(0)
    for (const [series, window] of fresh) expect(window, series).toBeGreaterThan(windowsBefore.get(series) ?? -1)
  }
)

test.each(rounds)(
  'a killed miner owns every container again, serves, and its receipts are paid once (round %i)',
  {timeout: TIMEOUT_MS},
  async () => {
    await everythingPaid(world, ORGS.shop)
    const load = world.load()
    await load.warm
    await world.network.role(MINERS.leaf).kill()
    const answers = await load.stop()
    await world.network.startMiner({name: MINERS.leaf, earn: [LEAF]})
    await world.servesAgain()
    const after = await askForPrimes(shopUrl(world), {count: ASKED_AFTER, signal: world.signal})
    expect(after).toMatchObject({answered: ASKED_AFTER, failures: []})
    expect(answers.length).toBeGreaterThan(0)
    await everythingPaid(world, ORGS.shop)
    await paidOnce()
    await everyContainerOwned()
  }
)

test.each(rounds)(
  'receipts that wait in the outbox of a killed miner are paid once when the coordinator is back (round %i)',
  {timeout: TIMEOUT_MS},
  async () => {
    await everythingPaid(world, ORGS.shop)
    const paidBefore = await world.receipts()
    await world.network.role('coordinator').kill()
    const load = world.load()
    await load.warm
    const answers = await load.stop()
    await eventually('a receipt waits in the outbox', world.signal, async () =>
      (await minerStatus()).receiptsWaiting > 0 ? true : undefined
    )
    await world.network.role(MINERS.leaf).kill()
    await world.network.startMiner({name: MINERS.leaf, earn: [LEAF]})
    await world.network.startCoordinator()
    await world.servesAgain()
    await everythingPaid(world, ORGS.shop)
    const requests = paidSince(paidBefore, await world.receipts()).reduce((sum, receipt) => sum + receipt.requests, 0)
    expect(requests).toBeGreaterThanOrEqual(answers.length)
    await paidOnce()
  }
)

test.each(rounds)('a coordinator killed while it trades has lost nothing that it answered (round %i)', {timeout: TIMEOUT_MS}, async () => {
  const taker = await OrderTaker.open(world, ORGS.shop)
  const trading = taker.trade()
  await taker.warm
  await world.network.role('coordinator').kill()
  await trading
  await world.network.startCoordinator()
  await taker.checkAcknowledged()
  await taker.repeatUnanswered()
  await taker.checkHeld()
  await taker.close()
  await ledgerHolds()
})

test('the public journal of all this is replayed by a stranger to the same head, and says nothing private', {
  timeout: TIMEOUT_MS
}, async () => {
  const {token} = await world.creo(['node', 'token', '--as', OWNERS.leaf], z.looseObject({token: z.string()}))
  const journal = await readPublicJournal(world)
  const {groups} = await world.read(
    `/v1/journal?from=${journal.head.number}&limit=1`,
    z.object({groups: z.array(z.looseObject({hash: z.string()}))})
  )
  expect(groups[0]?.hash).toBe(journal.head.hash)
  for (const type of ['account.create', 'node.enroll', 'lease.grant', 'receipt.pay', 'order.place'])
    expect(journal.commands.has(type), type).toBe(true)
  const keys = await privateKeysIn(world.folder)
  expect(keys.size).toBeGreaterThan(5)
  for (const [path, key] of keys) expect(journal.text.includes(key), path).toBe(false)
  for (const part of [token, token.split('.').at(-1) ?? token]) expect(journal.text.includes(part)).toBe(false)
  expect(addressesIn(journal)).toEqual([])
})

/** Receipt ids are used once, and ana, who earned nothing else and spent nothing, has what they pay. */
async function paidOnce(): Promise<void> {
  await eventually('ana has exactly what the receipts pay', world.signal, async () => {
    const receipts = await world.receipts()
    expect(new Set(receipts.map(({id}) => id)).size).toBe(receipts.length)
    const earned = receipts.flatMap(({paid}) => paid).filter(({incentive}) => incentive === LEAF)
    const sum = earned.reduce((total, {amountMinor}) => total + amountMinor, 0)
    return sum === (await balanceOf(world, OWNERS.leaf, LEAF)) ? true : undefined
  })
  await ledgerHolds()
}

async function ledgerHolds(): Promise<void> {
  const report = z.looseObject({holds: z.boolean(), signaturesChecked: z.int()})
  const {holds, signaturesChecked} = await world.creo(['ledger', 'verify', '--data', world.network.coordinatorDirectory], report)
  expect(holds).toBe(true)
  expect(signaturesChecked).toBeGreaterThan(0)
}

function paidSince(before: readonly ReceiptView[], now: readonly ReceiptView[]): readonly ReceiptView[] {
  const known = new Set(before.map(({id}) => id))
  return now.filter(({id}) => !known.has(id))
}

/** The newest, or by `Math.min` the oldest, window of each gateway, node and revision: a receipt's id is gateway/node/revision/window. */
function windowsOf(receipts: readonly ReceiptView[], pick: (a: number, b: number) => number): ReadonlyMap<string, number> {
  const windows = new Map<string, number>()
  for (const {id} of receipts) {
    const [gateway, node, revision, window] = id.split('/')
    const series = `${gateway}/${node}/${revision}`
    windows.set(series, pick(windows.get(series) ?? Number(window), Number(window)))
  }
  return windows
}

const minerStatusSchema = z.looseObject({
  instances: z.array(z.unknown()),
  resting: z.looseObject({frozen: z.int()}),
  receiptsWaiting: z.int()
})

async function minerStatus(): Promise<z.output<typeof minerStatusSchema>> {
  return await world.creo(['mine', 'status', '--data', `${world.folder}/${MINERS.leaf}`], minerStatusSchema)
}

/** As many containers have processes below the miner's folder as the miner says that it has, running and frozen ones. */
async function everyContainerOwned(): Promise<void> {
  await eventually('each container is one of the miner', world.signal, async () => {
    const inits = (await containersOf(`${world.folder}/${MINERS.leaf}`)).filter(({command}) => command.startsWith('/run/creo/init'))
    const {instances, resting} = await minerStatus()
    return inits.length === instances.length + resting.frozen ? true : undefined
  })
}
