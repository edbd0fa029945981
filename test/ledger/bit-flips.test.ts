import {createHash} from 'node:crypto'
import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const FLIPS = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? 9 : 200
const FOUND_SHARE_MIN = 0.95
const ORDERS = 600
const FILES = ['journal.sqlite', 'ledger.sqlite', 'ledger.snapshot'] as const
const SEED = 20_261_123

let world: LedgerWorld
let truth: unknown
/** Damaged groups that were named. */
let rightlyNamed = 0

beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.close()
  await world.open({digestPace: {everyGroups: 3, everyCommands: 200, restPerPass: 0}})
  await world.settle()
  const receipt = await world.serve()
  for (const window of [1, 2, 4]) await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(window, 10)})
  for (let first = 0; first < ORDERS; first += 100) {
    const numbers = Array.from({length: 100}, (_, index) => first + index)
    await Promise.all(numbers.map((number) => world.submit(world.sign(number % 2 === 0 ? 'ann' : 'acme', orderNumber(number)))))
  }
  await world.ledger.projected(world.ledger.sequence, world.signal)
  truth = served(world.ledger)
  await world.close()
})

afterAll(async () => {
  await world.remove()
})

function orderNumber(number: number): ReturnType<typeof orderOf> {
  return orderOf(number % 2 === 0 ? 'buy' : 'sell', 1 + (number % 3), 100 + (number % 7))
}

/** What people would see. */
function served({reads}: Ledger): unknown {
  const page = {limit: 1000}
  const account = world.accounts.get('ann') ?? ''
  return [
    reads.balances({}),
    reads.accounts(page),
    reads.orders(page),
    reads.trades('acme/LEAF', page),
    reads.entries({account, ...page}),
    reads.receipts(page),
    reads.leases(page),
    reads.book('acme/LEAF'),
    reads.journal({from: 1, limit: 1000})
  ]
}

/** mulberry32: the same flips each time. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function isFound(directory: string): Promise<boolean> {
  const {signal, genesisText} = world
  const {holds, snapshot, firstBad} = await verifyLedger({directory, signatures: false, signal})
  if (!holds) expectFirstBad(directory, firstBad?.group)
  if (!holds || snapshot !== 'holds') return true
  let warnings = 0
  const warn = (): void => {
    warnings += 1
  }
  const log = {info: () => undefined, warn} as never
  const ledger = await openLedger({directory, genesisText, now: () => world.nowMs, signal, log}).catch(() => undefined)
  if (ledger === undefined) return true
  try {
    expect(served(ledger)).toEqual(truth)
  } finally {
    await ledger.close()
  }
  return warnings > 0
}

/** Where a group of the journal is not what it was, the first such is the one that is named. */
function expectFirstBad(directory: string, named: number | undefined): void {
  expect(named).toBeGreaterThan(0)
  const [groups, before] = [groupsIn(directory), groupsIn(world.directory)]
  const changed = groups === undefined ? undefined : before?.find((row, index) => row !== groups[index])
  if (changed === undefined) return
  expect(named).toBe((before?.indexOf(changed) ?? 0) + 1)
  rightlyNamed += 1
}

/** Undefined where SQLite can't read them all. */
function groupsIn(directory: string): string[] | undefined {
  const journal = new Database(join(directory, 'journal.sqlite'), {readonly: true})
  try {
    return journal
      .prepare('SELECT * FROM groups ORDER BY number')
      .raw()
      .all()
      .map((row) => createHash('sha256').update(JSON.stringify(row)).digest('hex'))
  } catch {
    return undefined
  } finally {
    journal.close()
  }
}

/** Every row that SQLite itself finds in the two databases: the same after a flip in bytes that hold nothing, of which pages are never quite full. */
function rowsIn(directory: string): string {
  return FILES.slice(0, 2)
    .map((file) => {
      const database = new Database(join(directory, file))
      const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all() as string[]
      const digest = createHash('sha256')
      for (const table of tables)
        for (const row of database.prepare(`SELECT * FROM ${table}`).raw().iterate()) digest.update(JSON.stringify(row))
      database.close()
      return digest.digest('hex')
    })
    .join(' ')
}

it('finds bits that flipped in journal, projections or snapshot, and serves nothing that is not true where a byte held nothing', async () => {
  const rows = rowsIn(world.directory)
  const numbers = random(SEED)
  const next = (below: number): number => Math.floor(numbers.next().value * below)
  const missed: string[] = []
  let found = 0
  for (let flip = 0; flip < FLIPS; flip += 1) {
    const copy = mkdtempSync(join(tmpdir(), 'creo-copy-'))
    cpSync(world.directory, copy, {recursive: true})
    const file = FILES[flip % FILES.length] ?? FILES[0]
    const bytes = readFileSync(join(copy, file))
    const [at, bit] = [next(bytes.length), next(8)]
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
    writeFileSync(join(copy, file), bytes)
    if (await isFound(copy)) found += 1
    else if (rowsIn(copy) !== rows) missed.push(`${file} byte ${at} of ${bytes.length}, bit ${bit}`)
    rmSync(copy, {recursive: true, force: true})
  }
  expect(found).toBeGreaterThan(FLIPS / 2)
  expect(rightlyNamed).toBeGreaterThan(0)
  expect(found / (found + missed.length), missed.join('\n')).toBeGreaterThanOrEqual(FOUND_SHARE_MIN)
})
