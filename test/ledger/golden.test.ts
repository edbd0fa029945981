import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {z} from 'zod'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'

/**
 * Journals that earlier versions of creo wrote, one file each: the genesis, then a group a line, then every balance that came of it. They are never
 * written again: a version that reads one of them otherwise has changed what people own.
 */
const FOLDER = join(import.meta.dirname, 'golden')

const groupSchema = z.object({
  number: z.int(),
  firstSeq: z.int(),
  lastSeq: z.int(),
  ruleset: z.string(),
  prevHash: z.string(),
  hash: z.string(),
  body: z.string().transform((text) => new TextEncoder().encode(text))
})

test.each(readdirSync(FOLDER))('the journal %s of an earlier version replays, group by group, to the balances that it had', (name) => {
  const [first = '', ...lines] = readFileSync(join(FOLDER, name), 'utf8').trim().split('\n')
  const {genesis} = z.object({genesis: z.string()}).parse(JSON.parse(first))
  const {balances} = z.object({balances: z.array(z.string())}).parse(JSON.parse(lines.pop() ?? ''))
  const machine = machineOf(genesis)
  const start = {number: 0, lastSeq: 0, hash: machine.state.networkId}
  const groups = lines.map((line) => groupSchema.parse(JSON.parse(line)))
  const head = groups.reduce((before, group) => replayGroup(machine, before, group, {signatures: true}), start)
  expect(head.number).toBe(groups.length)
  const {state} = machine
  const rows = [...state.balances.all()]
  expect(rows.map((row) => `${state.accountName(row.account)} ${state.assetName(row.asset)} ${row.kind} ${row.balance}`).sort()).toEqual(
    balances
  )
})
