import {cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {signCommands} from '../../src/identity/commands.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const {signal} = new AbortController()
let world: LedgerWorld
const copies: string[] = []

beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  const receipt = await world.serve()
  for (let window = 1; window <= 3; window += 1) await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(window, 10)})
  for (let price = 100; price < 110; price += 1) await world.must('ann', orderOf('buy', 2, price))
  await world.must('acme', orderOf('sell', 5, 100))
  const terms = {network: world.network, account: world.accounts.get('bob') ?? '', key: world.key('bob'), notAfterMs: world.nowMs + 60_000}
  const batch = signCommands(
    terms,
    [1, 2, 3].map((lots) => ({idempotencyKey: `batch-${lots}`, body: orderOf('buy', lots, 90)}))
  )
  for (const answer of await Promise.all(batch.map((command) => world.submit(command)))) expect(answer.status).toBe('applied')
  await world.close()
})

afterAll(async () => {
  await world.remove()
  for (const copy of copies) rmSync(copy, {recursive: true, force: true})
})

function copyOf(): string {
  const copy = mkdtempSync(join(tmpdir(), 'creo-copy-'))
  copies.push(copy)
  cpSync(world.directory, copy, {recursive: true})
  return copy
}

function verify(directory: string): ReturnType<typeof verifyLedger> {
  return verifyLedger({directory, signatures: true, signal})
}

/** Changes a file by SQL as someone with access to the disk could, around the triggers. */
function tamper(directory: string, file: string, ...statements: string[]): void {
  const database = new Database(join(directory, file))
  for (const statement of statements) database.exec(statement)
  database.close()
}

const UNLOCK = 'DROP TRIGGER IF EXISTS groups_are_not_changed; DROP TRIGGER IF EXISTS groups_are_not_deleted'

function open(directory: string): Promise<unknown> {
  return openLedger({directory, genesisText: world.genesisText, now: () => world.nowMs, signal})
}

describe('verifying a ledger', () => {
  it('reproduces every balance and checks every signature of a copied directory', async () => {
    const result = await verify(copyOf())
    expect(result).toMatchObject({holds: true, networkId: world.network, accounts: 4})
    expect(result.signaturesChecked).toBe(result.commands + 2 * 3)
    expect(result.balances).toBeGreaterThan(8)
    expect(result).not.toHaveProperty('firstBad')
  })

  it('reports each group as it goes', async () => {
    const seen: number[] = []
    const result = await verifyLedger({directory: copyOf(), signatures: false, signal, onProgress: ({groups}) => seen.push(groups)})
    expect(seen).toEqual(Array.from({length: result.groups}, (_, index) => index + 1))
    expect(result.signaturesChecked).toBe(0)
  })

  it('refuses UPDATE and DELETE in the journal', () => {
    const database = new Database(join(copyOf(), 'journal.sqlite'))
    expect(() => database.exec('UPDATE groups SET last_seq = 1')).toThrow('append-only')
    expect(() => database.exec('DELETE FROM groups')).toThrow('append-only')
    database.close()
  })

  it.each([
    [
      'a flipped byte of a body',
      `UPDATE groups SET body = unhex(replace(hex(body), hex('"lots":"2"'), hex('"lots":"3"'))) WHERE number = 17`,
      17
    ],
    ['a changed hash', "UPDATE groups SET hash = 'x' || substr(hash, 2) WHERE number = 5", 5],
    ['a group that is gone', 'DELETE FROM groups WHERE number = 9', 9],
    ['groups cut off at the end', 'DELETE FROM groups WHERE number > 12', 13],
    ['a changed ruleset', "UPDATE groups SET ruleset = '2' WHERE number = 3", 3]
  ])('names the first bad group: %s', async (_title, sql, group) => {
    const copy = copyOf()
    tamper(copy, 'journal.sqlite', UNLOCK, sql)
    const result = await verify(copy)
    expect(result).toMatchObject({holds: false, firstBad: {group}})
    await expect(open(copy)).rejects.toMatchObject({
      code: 'verification_failed',
      message: expect.stringContaining(`roup ${group === 13 ? '' : group}`)
    })
  })

  it('finds a byte flipped in the file itself', async () => {
    const copy = copyOf()
    tamper(copy, 'journal.sqlite', 'PRAGMA wal_checkpoint(TRUNCATE)')
    const path = join(copy, 'journal.sqlite')
    const bytes = readFileSync(path)
    const word = '"name":"creometry"'
    for (let at = bytes.indexOf(word); at !== -1; at = bytes.indexOf(word, at + 1)) bytes[at + 12] = (bytes[at + 12] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const result = await verify(copy)
    expect(result.holds).toBe(false)
    expect(result.firstBad).toEqual({group: 1, reason: 'does not match its hash'})
    await expect(open(copy)).rejects.toMatchObject({code: 'verification_failed'})
  })

  it.each([
    ['a balance', "UPDATE balances SET amount_minor = amount_minor + 1 WHERE kind = 'available'"],
    ['a row too many', "INSERT INTO balances VALUES (NULL, 'acc_x', 'gutta', 'available', 5)"],
    ['an order', "UPDATE orders SET remaining = remaining + 1 WHERE status = 'open'"],
    ['a trade that is gone', 'DELETE FROM trades'],
    [
      'a line of a statement',
      'UPDATE statements SET lines = substr(lines, 1, length(lines) - 1) WHERE number = (SELECT max(number) FROM statements)'
    ]
  ])('finds what the projections show falsely: %s', async (_title, sql) => {
    const copy = copyOf()
    tamper(copy, 'ledger.sqlite', sql)
    expect(await verify(copy)).toMatchObject({holds: false, firstBad: {reason: expect.stringContaining('projections')}})
  })

  it('rebuilds projections of an older version instead of trusting them', async () => {
    const copy = copyOf()
    tamper(copy, 'ledger.sqlite', 'UPDATE balances SET amount_minor = 1', 'PRAGMA user_version = 0')
    const ledger = (await open(copy)) as {close(): Promise<void>}
    await ledger.close()
    expect(await verify(copy)).toMatchObject({holds: true})
  })

  it('says so when there is no ledger', async () => {
    await expect(verify(join(tmpdir(), 'nothing-here'))).rejects.toMatchObject({code: 'not_found'})
    const copy = copyOf()
    rmSync(join(copy, 'genesis.json'))
    await expect(verify(copy)).rejects.toMatchObject({code: 'not_found'})
    expect(existsSync(join(copy, 'journal.sqlite'))).toBe(true)
  })
})
