import {join} from 'node:path'
import Database from 'better-sqlite3'
import {beforeAll, expect, test} from 'vitest'
import {z} from 'zod'
import {leaseViewSchema} from '../../src/core/protocol/api.ts'
import {receiptSchema} from '../../src/core/protocol/receipts.ts'
import {openReceipt} from '../../src/identity/receipts.ts'
import {Load} from './load.ts'
import {NetworkWorld} from './network-world.ts'

const TIMEOUT_MS = 180_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WAIT = {timeout: 60_000, interval: 50}
const ROLES = ['coordinator', 'gateway', 'miner']

let world: NetworkWorld
beforeAll(async () => {
  world = await NetworkWorld.make({runtime: 'memory', gateways: ['gateway'], miners: ['miner'], functions: {site: {}}, clocks: true})
  await world.answers('gateway', 'site')
  return () => world.close()
}, TIMEOUT_MS)

test(
  "a gateway's clock that is set by an hour or a day, forwards and back, in the middle of a window fails no request and is paid once",
  async () => {
    const load = new Load(world, {gateway: 'gateway', function: 'site', workers: 2, pauseMs: 10})
    for (const aheadMs of [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS, 0]) {
      const before = {paid: await world.paid(), answered: load.answered}
      await world.setClock('gateway', aheadMs)
      await expect.poll(() => load.answered, WAIT).toBeGreaterThan(before.answered + 50)
      await expect.poll(() => world.paid(), WAIT).toBeGreaterThan(before.paid + 50)
    }
    const {failures} = await load.stop()
    expect(failures).toEqual([])
    await allPaidInOrder()
  },
  TIMEOUT_MS
)

test(
  'machines that slept for an hour serve as soon as they wake, to a miner that dials anew, and no lease is lost',
  async () => {
    const [before, paid] = [await leases(), await world.paid()]
    await world.role('miner').kill()
    for (const role of ROLES) await world.setClock(role, HOUR_MS)
    await world.startMiner('miner')
    await world.answers('gateway', 'site')
    const load = new Load(world, {gateway: 'gateway', function: 'site', workers: 2, pauseMs: 10})
    await expect.poll(() => world.paid(), WAIT).toBeGreaterThan(paid + 50)
    expect((await load.stop()).failures).toEqual([])
    await allPaidInOrder()
    expect(await leases()).toEqual(before)
  },
  TIMEOUT_MS
)

async function leases(): Promise<readonly string[]> {
  return (await world.read('/v1/leases?status=active', z.object({leases: z.array(leaseViewSchema)}))).leases.map(({id}) => id).sort()
}

function receipts(): {receipt: string; status: string}[] {
  const store = new Database(join(world.folder, 'miner', 'miner.sqlite'), {readonly: true})
  const rows = store.prepare('SELECT receipt, status FROM receipts ORDER BY number').all()
  store.close()
  return z.array(z.object({receipt: z.string(), status: z.string()})).parse(rows)
}

/** Every receipt is paid, and what a gateway numbered later began later. */
async function allPaidInOrder(): Promise<void> {
  await world.everythingPaid()
  // The ledger knows that a receipt is paid before the miner is told.
  await expect.poll(() => new Set(receipts().map(({status}) => status)), {timeout: 60_000}).toEqual(new Set(['paid']))
  const windows = receipts().map(({receipt}) => openReceipt(receiptSchema.parse(JSON.parse(receipt))).proposal)
  for (const {revision} of windows) {
    const begun = windows.filter((window) => window.revision === revision).sort((a, b) => a.window - b.window)
    expect(begun.map(({windowStartMs}) => windowStartMs)).toEqual(begun.map(({windowStartMs}) => windowStartMs).sort((a, b) => a - b))
  }
  expect(await world.creo('ledger', 'verify', '--data', `${world.folder}/coordinator`)).toMatchObject({holds: true})
}
