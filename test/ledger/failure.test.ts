import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest'
import type {CommandBody, CommandOf} from '../../src/core/protocol/commands.ts'
import {accountIdOf} from '../../src/identity/commands.ts'
import {QUEUE_BYTES_MAX, QUEUE_MAX} from '../../src/ledger/admission.ts'
import {bodyOfTold, GROUP_BYTES_MAX} from '../../src/ledger/group.ts'
import {JournalReader} from '../../src/ledger/journal.ts'
import {JournalThread} from '../../src/ledger/journal-thread.ts'
import {SqliteReads} from '../../src/ledger/reads.ts'
import {machineOf} from '../../src/ledger/replay.ts'
import {SNAPSHOT_FILE} from '../../src/ledger/snapshot.ts'
import {SnapshotWriter} from '../../src/ledger/snapshot-writer.ts'
import {LAG_GROUPS_MAX, SqliteLedger} from '../../src/ledger/sqlite-ledger.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {deployOf} from '../exchange/world.ts'
import {LedgerWorld} from './ledger-world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
let world: LedgerWorld

beforeEach(async () => {
  world = await LedgerWorld.make()
})

afterEach(async () => {
  await world.remove()
})

/** The ledger's parts put together around a machine that a test can get at. */
async function openParts(): Promise<{ledger: SqliteLedger; machine: ReturnType<typeof machineOf>; journal: JournalReader}> {
  const machine = machineOf(world.genesisText)
  const {networkId, genesis} = machine.state
  const [journalPath, projectionsPath] = ['journal.sqlite', 'ledger.sqlite'].map((file) => join(world.directory, file)) as [string, string]
  const {volumeBucketMs, volumeBuckets} = genesis
  const thread = await JournalThread.start({journalPath, projectionsPath, networkId, volumeBucketMs})
  await thread.project()
  const now = (): number => world.nowMs
  const reads = new SqliteReads(projectionsPath, {journal: new JournalReader(journalPath, networkId), now, volumeBucketMs, volumeBuckets})
  const snapshots = new SnapshotWriter({path: join(world.directory, SNAPSHOT_FILE), networkId, since: {groups: 0, lastSeq: 0}})
  return {ledger: new SqliteLedger({machine, thread, reads, now, snapshots}), machine, journal: new JournalReader(journalPath, networkId)}
}

function createAccount(name: string): CommandBody {
  return {type: 'account.create', name, keys: [{publicKey: world.key(name).publicKey, roles: ['owner']}]}
}

describe('a ledger that can not go on', () => {
  it('stops before it writes a group when a rule is broken, says so once, and refuses everything after', async () => {
    await world.close()
    const {ledger, machine, journal} = await openParts()
    const failures: string[] = []
    ledger.onFailed((error) => failures.push(error.message))
    machine.state.mintedMicroGutta = machine.state.genesis.emission.totalMicroGutta + 1
    const command = world.sign('ann', createAccount('ann'), {as: 'new'})
    await expect(ledger.submit(command, world.signal)).rejects.toMatchObject({code: 'unavailable'})
    await expect(ledger.submit(command, world.signal)).rejects.toMatchObject({code: 'unavailable'})
    await expect(ledger.projected(1, world.signal)).rejects.toMatchObject({code: 'unavailable'})
    expect(failures).toEqual(['more minted than the emission allows'])
    expect(journal.head()).toEqual({number: 0, lastSeq: 0, hash: world.network})
    journal.close()
    await ledger.close()
  })

  it('stops when a command breaks a rule while it is applied', async () => {
    await world.close()
    const {ledger, machine, journal} = await openParts()
    const command = world.sign('ann', createAccount('ann'), {as: 'new'})
    const taken = {index: 0, id: accountIdOf(command), name: 'other', keys: [], openOrders: 0, openTokens: 0, incentives: 0}
    machine.state.accountsById.set(taken.id, taken)
    await expect(ledger.submit(command, world.signal)).rejects.toMatchObject({code: 'internal'})
    await expect(ledger.submit(command, world.signal)).rejects.toMatchObject({code: 'unavailable'})
    expect(journal.head().number).toBe(0)
    journal.close()
    await ledger.close()
  })
})

describe('a group that can not be handed to the journal', () => {
  it('stops the ledger like any other failed write', async () => {
    const append = vi.spyOn(JournalThread.prototype, 'append').mockImplementation(() => {
      throw new RangeError('Invalid string length')
    })
    const command = world.sign('ann', createAccount('ann'), {as: 'new'})
    await expect(world.submit(command)).rejects.toMatchObject({code: 'unavailable'})
    append.mockRestore()
    await expect(world.submit(command)).rejects.toMatchObject({code: 'unavailable'})
    await world.close()
    await world.open()
    expect(await world.submit(command)).toMatchObject({status: 'applied', seq: 1})
  })
})

describe('waiting for the ledger', () => {
  it('ends at the signal, while the command goes its way', async () => {
    const stop = new AbortController()
    const command = world.sign('ann', createAccount('ann'), {as: 'new'})
    const answer = world.ledger.submit(command, stop.signal)
    stop.abort()
    await expect(answer).rejects.toMatchObject({code: 'interrupted'})
    expect(await world.submit(command)).toMatchObject({status: 'applied', seq: 1})
    await expect(world.ledger.projected(99, stop.signal)).rejects.toMatchObject({code: 'interrupted'})
    await expect(world.ledger.submit(command, stop.signal)).rejects.toMatchObject({code: 'interrupted'})
  })

  it.runIf(IS_LONG)('is refused when too many commands wait for the disk', async () => {
    await world.settle()
    const commands = Array.from({length: QUEUE_MAX + 1}, () => world.sign('ann', {type: 'order.cancel', order: 'ord_1'}))
    const answers = await Promise.allSettled(commands.map((command) => world.submit(command)))
    expect(answers.at(-1)).toMatchObject({status: 'rejected', reason: {code: 'overloaded'}})
    expect(answers.slice(0, -1).filter((answer) => answer.status === 'rejected')).toEqual([])
  })

  it.runIf(IS_LONG)('is refused when too many bytes wait, but not to the network itself', async () => {
    await world.settle()
    const size = largeDeploy(0)
    const count = Math.ceil(QUEUE_BYTES_MAX / JSON.stringify(size).length) + 100
    const answers = Array.from({length: count}, (_, index) => world.submit(world.sign('acme', largeDeploy(index))))
    const advance = world.submit(world.sign('coordinator', {type: 'time.advance'}))
    const settled = await Promise.allSettled(answers)
    expect(settled.at(-1)).toMatchObject({status: 'rejected', reason: {code: 'overloaded'}})
    expect(await advance).toMatchObject({status: 'applied'})
  })
})

describe('projections that fall behind', () => {
  it('hold no answer up until they are behind by so many groups, show nothing half, and then show all of it', async () => {
    const other = new Database(join(world.directory, 'ledger.sqlite'))
    other.exec('BEGIN IMMEDIATE')
    for (let group = 1; group <= LAG_GROUPS_MAX; group += 1) {
      expect(await world.submit(world.sign(`org${group}`, createAccount(`org${group}`), {as: 'new'}))).toMatchObject({seq: group})
    }
    const [held, projected] = [world.submit(world.sign('ann', createAccount('ann'), {as: 'new'})), vi.fn()]
    const shown = world.ledger.projected(1, world.signal).then(projected)
    await new Promise((resolve) => setImmediate(resolve))
    expect(world.ledger).toMatchObject({sequence: LAG_GROUPS_MAX, queued: 1})
    expect(world.ledger.reads.accounts({limit: 1000})).toEqual([])
    expect(projected).not.toHaveBeenCalled()
    other.exec('ROLLBACK')
    other.close()
    expect(await held).toMatchObject({status: 'applied', seq: LAG_GROUPS_MAX + 1})
    await shown
    await world.ledger.projected(LAG_GROUPS_MAX + 1, world.signal)
    expect(world.ledger.reads.accounts({limit: 1000})).toHaveLength(LAG_GROUPS_MAX + 1)
  })

  it('stop the ledger when their thread fails, and have caught up when it starts again', async () => {
    const damage = new Database(join(world.directory, 'ledger.sqlite'))
    damage.exec('DROP TABLE account_keys')
    damage.close()
    const command = world.sign('ann', createAccount('ann'), {as: 'new'})
    const failed = new Promise<Error>((resolve) => world.ledger.onFailed(resolve))
    await world.submit(command).catch(() => undefined)
    expect((await failed).message).toContain("The projections can't be written")
    await expect(world.ledger.projected(1, world.signal)).rejects.toMatchObject({code: 'unavailable'})
    await world.close()
    await rm(join(world.directory, 'ledger.sqlite'))
    await world.open()
    expect(await world.submit(command)).toMatchObject({status: 'applied', seq: 1})
    expect(world.ledger.reads.account('ann')).toMatchObject({name: 'ann'})
    expect(await verifyLedger({directory: world.directory, signatures: true, signal: world.signal})).toMatchObject({holds: true})
  })
})

describe('groups', () => {
  it('close at a number of bytes too', async () => {
    await world.settle()
    const first = world.ledger.reads.journal({from: 1, limit: 1000}).length + 1
    const answers = await Promise.all(Array.from({length: 250}, (_, index) => world.submit(world.sign('acme', largeDeploy(index)))))
    expect(answers.map(({status}) => status)).not.toContain('rejected')
    await world.ledger.projected(world.ledger.sequence, world.signal)
    const groups = [first, first + 1, first + 2].flatMap((from) => world.ledger.reads.journal({from, limit: 1}))
    expect(groups.length).toBeGreaterThan(1)
    for (const group of groups) expect(bodyOfTold(group).length).toBeLessThanOrEqual(GROUP_BYTES_MAX + LARGE_BYTES)
  })
})

/** Of one of them, at most. */
const LARGE_BYTES = 80 * 1024

/** A deploy of about 32 KiB, and as much again in what it does. */
function largeDeploy(number: number): CommandOf<'revision.deploy'> {
  const body = deployOf([], {image: String(number)})
  const env = Object.fromEntries(Array.from({length: 4}, (_, index) => [`V${index}`, 'x'.repeat(8000)]))
  return {...body, revisions: body.revisions.map((revision) => ({...revision, spec: {...revision.spec, env}}))}
}
