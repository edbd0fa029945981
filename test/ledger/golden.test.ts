import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {expect, test} from 'vitest'
import {z} from 'zod'
import type {JournalGroup} from '../../src/ledger/group.ts'
import {createProjectionTables} from '../../src/ledger/projection-schema.ts'
import {Projector} from '../../src/ledger/projector.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {toldGroupSchema} from './told-groups.ts'

/**
 * Journals that earlier versions of creo wrote, one file each: the genesis, then a group a line, then every balance that came of it. They are never
 * written again: a version that reads one of them otherwise has changed what people own.
 */
const FOLDER = join(import.meta.dirname, 'golden')

interface Golden {
  readonly genesis: string
  readonly groups: readonly JournalGroup[]
  readonly balances: readonly string[]
}

function read(name: string): Golden {
  const [first = '', ...lines] = readFileSync(join(FOLDER, name), 'utf8').trim().split('\n')
  const {genesis} = z.object({genesis: z.string()}).parse(JSON.parse(first))
  const {balances} = z.object({balances: z.array(z.string())}).parse(JSON.parse(lines.pop() ?? ''))
  return {genesis, groups: lines.map((line) => toldGroupSchema.parse(JSON.parse(line))), balances}
}

/** Every row of every table, after these transactions of groups. */
function projected(genesis: string, transactions: readonly (readonly JournalGroup[])[]): Record<string, unknown[]> {
  const {networkId, genesis: terms} = machineOf(genesis).state
  const database = new Database('')
  createProjectionTables(database, networkId)
  const projector = new Projector(database, {volumeBucketMs: terms.volumeBucketMs})
  for (const groups of transactions) projector.project(groups)
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all() as string[]
  return Object.fromEntries(tables.map((table) => [table, database.prepare(`SELECT * FROM ${table}`).all()]))
}

test.each(readdirSync(FOLDER))('the journal %s of an earlier version replays, group by group, to the balances that it had', (name) => {
  const {genesis, groups, balances} = read(name)
  const machine = machineOf(genesis)
  const start = {number: 0, lastSeq: 0, hash: machine.state.networkId}
  const head = groups.reduce((before, group) => replayGroup(machine, before, group, {signatures: true}), start)
  expect(head.number).toBe(groups.length)
  const {state} = machine
  const rows = [...state.balances.all()]
  expect(rows.map((row) => `${state.accountName(row.account)} ${state.assetName(row.asset)} ${row.kind} ${row.balance}`).sort()).toEqual(
    balances
  )
})

test.each(readdirSync(FOLDER))(
  'the journal %s is shown with the balances that it had, and the same by many transactions as by one',
  (name) => {
    const {genesis, groups, balances} = read(name)
    const shown = projected(genesis, [groups])
    const rows = z.array(z.object({account: z.string(), asset: z.string(), kind: z.string(), amount_minor: z.int()})).parse(shown.balances)
    const held = rows.filter((row) => row.amount_minor !== 0)
    expect(held.map((row) => `${row.account} ${row.asset} ${row.kind} ${row.amount_minor}`).sort()).toEqual(balances)
    expect(
      projected(
        genesis,
        groups.map((group) => [group])
      )
    ).toEqual(shown)
  }
)
