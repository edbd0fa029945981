import {cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {decodeBody, groupHash, type JournalBody} from '../../src/ledger/group.ts'
import {JournalReader} from '../../src/ledger/journal.ts'
import {type OpenLedgerOptions, openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {machineOf} from '../../src/ledger/replay.ts'
import {findSnapshot, HEADER_BYTES, restoreSnapshot, SNAPSHOT_FILE, type SnapshotHeader} from '../../src/ledger/snapshot.ts'
import {SnapshotWriter} from '../../src/ledger/snapshot-writer.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'
import {packedBody} from './packed-bodies.ts'

const PACE = {everyGroups: 4, everyCommands: 1000, restPerPass: 0}
const copies: string[] = []
let world: LedgerWorld
/** What the log said of the last start. */
let said: {from?: number; groups?: number; fault?: string} = {}

const log = {
  info: ({fromGroup, groups}: {fromGroup: number; groups: number}) => Object.assign(said, {from: fromGroup, groups}),
  warn: ({fault}: {fault: string}) => Object.assign(said, {fault})
} as unknown as OpenLedgerOptions['log'] & object

beforeAll(async () => {
  world = await LedgerWorld.make()
  await reopen()
  await world.settle()
  const receipt = await world.serve()
  await trade(6)
  for (const window of [1, 2, 4]) await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(window, 10)})
})

afterAll(async () => {
  await world.remove()
  for (const copy of copies) rmSync(copy, {recursive: true, force: true})
})

async function trade(orders: number): Promise<void> {
  for (let number = 0; number < orders; number += 1) {
    await world.must(number % 2 === 0 ? 'ann' : 'bob', orderOf('buy', 1 + (number % 3), 100 + number))
    await world.must('acme', orderOf('sell', 2, 101 + number))
  }
}

async function reopen(): Promise<void> {
  await world.close()
  said = {}
  await world.open({log, digestPace: PACE})
}

/** A copy of what is on disk now; the world's ledger is closed. */
async function copyOf(): Promise<string> {
  await world.close()
  const copy = mkdtempSync(join(tmpdir(), 'creo-copy-'))
  copies.push(copy)
  cpSync(world.directory, copy, {recursive: true})
  return copy
}

function open(directory: string): Promise<Ledger> {
  said = {}
  return openLedger({directory, genesisText: world.genesisText, now: () => world.nowMs, signal: world.signal, log})
}

function verify(directory: string): ReturnType<typeof verifyLedger> {
  return verifyLedger({directory, signatures: true, signal: world.signal})
}

/** Writes groups anew around the triggers, each chained to the one before: as somebody with access to the disk could. */
function rewrite(directory: string, from: number, change: (body: JournalBody) => JournalBody): void {
  const path = join(directory, 'journal.sqlite')
  const journal = new JournalReader(path, world.network)
  const groups = [...journal.groups(1)]
  journal.close()
  const database = new Database(path)
  database.exec('DROP TRIGGER groups_are_not_changed')
  const update = database.prepare('UPDATE groups SET prev_hash = ?, hash = ?, body = ? WHERE number = ?')
  let prevHash = groups[from - 2]?.hash ?? world.network
  for (const group of groups.slice(from - 1)) {
    const decoded = decodeBody(group)
    const chained = {...group, prevHash, body: packedBody(group.number === from ? change(decoded) : decoded, group.firstSeq)}
    prevHash = groupHash(chained)
    update.run(chained.prevHash, prevHash, chained.body, group.number)
  }
  database.close()
}

function firstWithDigest(directory: string): number {
  const journal = new JournalReader(join(directory, 'journal.sqlite'), world.network)
  const number = [...journal.groups(1)].find((group) => decodeBody(group).state !== undefined)?.number
  journal.close()
  return number ?? 0
}

const flipped = (bytes: Buffer, at: number, bit: number): Buffer => {
  const other = Buffer.from(bytes)
  other[at] = (other[at] ?? 0) ^ (1 << bit)
  return other
}

describe('a snapshot', () => {
  it('is not used when it became another one after it was looked at', async () => {
    await reopen()
    const copy = await copyOf()
    const path = join(copy, SNAPSHOT_FILE)
    const journal = new JournalReader(join(copy, 'journal.sqlite'), world.network)
    const found = await findSnapshot(path, journal, world.signal)
    journal.close()
    const restored = () => restoreSnapshot(machineOf(world.genesisText), path, found?.header as SnapshotHeader, world.signal)
    expect(await restored()).toBeUndefined()
    const text = readFileSync(path, 'latin1')
    const at = text.lastIndexOf('1')
    writeFileSync(path, `${text.slice(0, at)}2${text.slice(at + 1)}`, 'latin1')
    expect(await restored()).toMatch(/was changed|can't be taken back/)
  })

  it('is what a start goes on from: fewer groups than between two of them are replayed, and every digest made after it holds', async () => {
    for (let round = 0; round < 2; round += 1) {
      await reopen()
      expect(said.from).toBeGreaterThan(0)
      expect(said.groups).toBeLessThanOrEqual(2 * PACE.everyGroups)
      await trade(3)
    }
    await world.close()
    expect(await verify(world.directory)).toMatchObject({
      holds: true,
      snapshot: 'holds',
      digests: expect.toSatisfy((count: number) => count > 5)
    })
  })

  it('remembers what was answered: the same command gets its first answer, and is not carried out again', async () => {
    await reopen()
    const command = world.sign('ann', orderOf('buy', 1, 150))
    const answer = await world.submit(command)
    await trade(3)
    await reopen()
    expect(said.from).toBeGreaterThan(answer.seq)
    const {sequence} = world.ledger
    expect(await world.submit(command)).toEqual(answer)
    expect(world.ledger.sequence).toBe(sequence)
  })

  it('that is damaged, cut off or of another form is not used: the whole journal is replayed, and the log says so', async () => {
    const copy = await copyOf()
    const path = join(copy, SNAPSHOT_FILE)
    const good = readFileSync(path)
    const header = JSON.parse(good.subarray(0, HEADER_BYTES).toString()) as {number: number; form: number}
    const withHeader = (changes: object): Buffer =>
      Buffer.concat([Buffer.from(`${JSON.stringify({...header, ...changes}).padEnd(HEADER_BYTES - 1)}\n`), good.subarray(HEADER_BYTES)])
    writeFileSync(path, flipped(good, good.length - 1000, 5))
    expect(await verify(copy)).toMatchObject({holds: true, snapshot: 'unusable'})
    for (const [bytes, fault] of [
      [flipped(good, good.length - 40, 2), 'it is damaged'],
      [flipped(good, 20, 1), 'header is damaged'],
      [good.subarray(0, -1), 'cut off'],
      [Buffer.alloc(0), 'header is damaged'],
      [withHeader({form: header.form + 1}), 'another version'],
      [withHeader({network: 'ab'.repeat(32)}), 'another network'],
      [withHeader({number: header.number - 1}), 'is another one'],
      [withHeader({number: header.number + 99}), 'has no group']
    ] as const) {
      writeFileSync(path, bytes)
      const ledger = await open(copy)
      await ledger.close()
      expect(said).toMatchObject({fault: expect.stringContaining(fault), from: 0})
    }
    writeFileSync(path, good)
    await (await open(copy)).close()
    expect(said).toEqual({from: header.number, groups: expect.any(Number)})
  })

  it('that can not be written is none, and the ledger goes on', async () => {
    await world.close()
    rmSync(join(world.directory, SNAPSHOT_FILE))
    mkdirSync(join(world.directory, `${SNAPSHOT_FILE}.new`))
    await reopen()
    await trade(3)
    await world.close()
    expect(existsSync(join(world.directory, SNAPSHOT_FILE))).toBe(false)
    rmSync(join(world.directory, `${SNAPSHOT_FILE}.new`), {recursive: true})
    expect(await verify(world.directory)).toMatchObject({holds: true, snapshot: 'none'})
    await reopen()
    expect(said).toMatchObject({from: 0})
    await trade(3)
    await reopen()
    expect(said.from).toBeGreaterThan(0)
  })
})

describe('a snapshot that is being made', () => {
  it('is not begun anew before it is whole, however fast groups follow each other', async () => {
    const path = join(await copyOf(), 'own.snapshot')
    const machine = machineOf(world.genesisText)
    const pace = {everyGroups: 1, everyCommands: 1, restPerPass: 0}
    const writer = new SnapshotWriter({path, networkId: world.network, since: {groups: 0, lastSeq: 0}, pace})
    writer.beforeGroup(machine)
    expect(writer.takenAt).toBe(0)
    writer.beforeGroup(machine)
    writer.committed({number: 1, lastSeq: 0, hash: 'ab'})
    expect(writer.takenAt).toBeUndefined()
    writer.beforeGroup(machine)
    expect(writer.takenAt).toBeUndefined()
    await expect.poll(() => existsSync(path)).toBe(true)
    await expect
      .poll(() => {
        writer.beforeGroup(machine)
        return writer.takenAt
      })
      .toBe(0)
    await writer.close()
    expect(existsSync(`${path}.new`)).toBe(false)
    expect(readFileSync(path).length).toBeGreaterThan(HEADER_BYTES)
  })
})

describe('a digest in the journal', () => {
  it('that is not the one of the state names its group, in verify and at a start that replays it', async () => {
    const copy = await copyOf()
    const group = firstWithDigest(copy)
    rewrite(copy, group, ({commands, state}) => ({commands, state: {form: state?.form ?? 0, sha256: 'ab'.repeat(32)}}))
    for (const file of ['ledger.sqlite', SNAPSHOT_FILE]) rmSync(join(copy, file))
    const reason = 'led to another state than its digest says'
    expect(await verify(copy)).toMatchObject({holds: false, firstBad: {group, reason}})
    await expect(open(copy)).rejects.toMatchObject({code: 'verification_failed', message: `Group ${group} of the journal ${reason}.`})
  })

  it('of another form is not compared, as none in a journal of an earlier version is', async () => {
    const copy = await copyOf()
    const {digests} = await verify(copy)
    rewrite(copy, firstWithDigest(copy), ({commands, state}) => ({commands, state: {form: 0, sha256: state?.sha256 ?? ''}}))
    for (const file of ['ledger.sqlite', SNAPSHOT_FILE]) rmSync(join(copy, file))
    expect(await verify(copy)).toMatchObject({holds: true, digests: digests - 1})
  })
})

describe('a damaged group from before the snapshot', () => {
  it('is not handed out, nor projected again', async () => {
    const copy = await copyOf()
    const database = new Database(join(copy, 'journal.sqlite'))
    database.exec('DROP TRIGGER groups_are_not_changed')
    database.exec("UPDATE groups SET body = unhex(replace(hex(body), hex('creometry'), hex('creometrz'))) WHERE number = 1")
    database.close()
    const ledger = await open(copy)
    expect(said.from).toBeGreaterThan(1)
    expect(() => ledger.reads.journal({from: 1, limit: 1})).toThrow('Group 1 of the journal does not match its hash.')
    expect(ledger.reads.journal({from: 2, limit: 1})).toHaveLength(1)
    await ledger.close()
    expect(await verify(copy)).toMatchObject({holds: false, firstBad: {group: 1}})
    rmSync(join(copy, 'ledger.sqlite'))
    await expect(open(copy)).rejects.toMatchObject({code: 'verification_failed', message: expect.stringContaining('Group 1 ')})
  })
})
