import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pino} from 'pino'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {Calendar} from '../../src/coordinator/calendar.ts'
import {FunctionLogs} from '../../src/coordinator/logs.ts'
import {createOwnCommands} from '../../src/coordinator/own-commands.ts'
import {Waiters} from '../../src/coordinator/waiters.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {type Genesis, genesisSchema} from '../../src/core/protocol/genesis.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {generateKeyPair, loadKeyFile} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {makeNetwork, temporaryFolder} from './coordinator-world.ts'

const EPOCH_MS = 60_000

function accountOf(publicKey: string): CommandBody {
  return {type: 'account.create', name: 'ann', keys: [{publicKey, roles: ['owner']}]}
}

const NO_FILE = {read: () => [], write: () => undefined}

describe('the calendar', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let ledger: Ledger
  let calendar: Calendar
  let genesis: Genesis
  let nowMs: number
  const {signal} = new AbortController()

  beforeEach(async () => {
    folder = await temporaryFolder()
    await makeNetwork(folder.path, EPOCH_MS)
    const genesisText = await readFile(join(folder.path, 'genesis.json'), 'utf8')
    genesis = genesisSchema.parse(JSON.parse(genesisText))
    nowMs = genesis.createdAtMs
    ledger = await openLedger({directory: folder.path, genesisText, now: () => nowMs, signal})
    const key = await loadKeyFile(join(folder.path, 'coordinator.key'))
    const commands = createOwnCommands({ledger, key})
    calendar = new Calendar({ledger, commands, genesis, log: pino({level: 'silent'})})
  })
  afterEach(async () => {
    await ledger.close()
    await folder.remove()
  })

  it('journals nothing while nothing is due', async () => {
    nowMs += EPOCH_MS - 1
    await calendar.tick(signal)
    expect(ledger.sequence).toBe(0)
  })

  it('closes an epoch at its end, once', async () => {
    nowMs += EPOCH_MS
    await calendar.tick(signal)
    await calendar.tick(signal)
    expect([ledger.reads.lastEpoch()?.epoch, ledger.sequence]).toEqual([0, 1])
  })

  it('advances time when something is due, and not before', async () => {
    const key = generateKeyPair()
    const submit = (account: string, body: CommandBody) =>
      ledger.submit(
        signCommand({network: ledger.networkId, account, key, idempotencyKey: body.type, notAfterMs: nowMs + 1000, body}),
        signal
      )
    const {seq} = await submit('new', accountOf(key.publicKey))
    await ledger.projected(seq, signal)
    const account = ledger.reads.account('ann')?.id ?? ''
    await submit(account, {type: 'node.token', tokenHash: 'a'.repeat(64), expiresAtMs: nowMs + 1000})
    nowMs += 999
    await calendar.tick(signal)
    expect(ledger.sequence).toBe(2)
    nowMs += 1
    await calendar.tick(signal)
    await calendar.tick(signal)
    expect([ledger.sequence, ledger.nextExpiryMs()]).toEqual([3, undefined])
  })

  it('goes on from the last command when the clock steps back', async () => {
    nowMs += 2 * EPOCH_MS
    await calendar.tick(signal)
    nowMs -= 2 * EPOCH_MS
    await calendar.tick(signal)
    expect([ledger.reads.lastEpoch()?.epoch, ledger.sequence]).toEqual([1, 2])
  })

  it('says once that an epoch is refused, since nothing is minted from then on', async () => {
    const said: string[] = []
    const log = pino({}, {write: (line) => said.push(line)})
    const refused = {status: 'rejected', seq: 1, code: 'conflict', message: 'Not that one.'} as const
    const stuck = new Calendar({ledger, commands: {submit: async () => refused}, genesis, log})
    nowMs += EPOCH_MS
    await stuck.tick(signal)
    await stuck.tick(signal)
    expect(said.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({level: 50, epoch: 0, code: 'conflict', msg: expect.stringContaining('Not that one.')})
    ])
  })

  it('closes the epochs of a long stop one after the other, a bounded number at a time', async () => {
    nowMs += 1005 * EPOCH_MS
    await calendar.tick(signal)
    expect(ledger.reads.lastEpoch()?.epoch).toBe(999)
    await calendar.tick(signal)
    expect(ledger.reads.lastEpoch()?.epoch).toBe(1004)
  })
})

describe('bounded things', () => {
  it('lets only so many wait, and forgets who gave up', async () => {
    const waiters = new Waiters(1)
    const gone = new AbortController()
    const first = waiters.wait('topic', 60_000, gone.signal)
    expect(() => waiters.wait('topic', 60_000, gone.signal)).toThrow(expect.objectContaining({code: 'overloaded'}))
    gone.abort()
    await first
    expect(waiters.count).toBe(0)
    const second = waiters.wait('topic', 60_000, new AbortController().signal)
    waiters.wake('topic')
    await second
  })

  it('keeps the newest lines of a function, numbered above those of an earlier process', () => {
    const logs = new FunctionLogs({file: NO_FILE, nowMs: 1_790_000_000_000, log: pino({level: 'silent'})})
    const lines = Array.from({length: 1500}, (_, index) => ({revision: 'rev_1', instance: 'i', atMs: index, line: String(index)}))
    logs.append('node', lines, () => true)
    const read = logs.read(['rev_1'], {after: -1})
    expect([read.lines.length, read.lines[0]?.line, read.next]).toEqual([1000, '500', 1_790_000_000_001_499])
    expect(logs.read(['rev_1'], {after: read.next})).toEqual({lines: [], next: read.next})
  })
  it('keeps the lines of many functions within a budget of bytes, those written last', () => {
    const logs = new FunctionLogs({file: NO_FILE, nowMs: 0, log: pino({level: 'silent'})})
    const line = 'x'.repeat(4096)
    for (let revision = 0; revision < 40; revision += 1) {
      const lines = Array.from({length: 1000}, () => ({revision: `rev_${revision}`, instance: 'i', atMs: 0, line}))
      logs.append('node', lines, () => true)
    }
    expect([logs.read(['rev_0'], {after: -1}).lines.length, logs.read(['rev_39'], {after: -1}).lines.length]).toEqual([0, 1000])
  })
})
