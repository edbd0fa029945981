import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pino} from 'pino'
import {afterEach, beforeEach, expect, it, vi} from 'vitest'
import {KnownLeases} from '../../src/coordinator/known-leases.ts'
import {LastingReads} from '../../src/coordinator/lasting-reads.ts'
import {createOwnCommands} from '../../src/coordinator/own-commands.ts'
import {PresenceBoard} from '../../src/coordinator/presence.ts'
import {BlockedImages} from '../../src/coordinator/registry/blocked-images.ts'
import {Scheduler} from '../../src/coordinator/scheduler.ts'
import {coordinatorSettings} from '../../src/coordinator/settings.ts'
import {SignedTables} from '../../src/coordinator/tables.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {generateKeyPair, type KeyPair, loadKeyFile, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {makeNetwork, temporaryFolder} from './coordinator-world.ts'

const {signal} = new AbortController()
const ann = generateKeyPair()
const board = generateKeyPair()
const node = nodeIdOf(board.publicKey)
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let ledger: Ledger
let coordinatorKey: KeyPair
let account = ''
let nowMs = 0

beforeEach(async () => {
  folder = await temporaryFolder()
  await makeNetwork(folder.path)
  const genesisText = await readFile(join(folder.path, 'genesis.json'), 'utf8')
  nowMs = Date.now()
  ledger = await openLedger({directory: folder.path, genesisText, now: () => nowMs, signal})
  coordinatorKey = await loadKeyFile(join(folder.path, 'coordinator.key'))
  await submit('new', ann, {type: 'account.create', name: 'ann', keys: [{publicKey: ann.publicKey, roles: ['owner']}]})
  account = ledger.reads.account('ann')?.id ?? ''
  const token = {tokenHash: sha256Hex('a'), expiresAtMs: nowMs + 60_000}
  await submit(account, ann, {type: 'node.token', ...token})
  const {publicKey} = board
  const {tokenHash} = token
  await submit('new', board, {type: 'node.enroll', publicKey, tokenHash, owner: account, name: 'a board', architecture: 'amd64'})
})
afterEach(async () => {
  await ledger.close()
  await folder.remove()
})

async function submit(by: string, key: KeyPair, body: CommandBody): Promise<void> {
  const idempotencyKey = `${body.type}-${ledger.sequence}`
  const command = signCommand({network: ledger.networkId, account: by, key, idempotencyKey, notAfterMs: nowMs + 1000, body})
  const answer = await ledger.submit(command, signal)
  if (answer.status !== 'applied') throw new Error(`${body.type}: ${answer.message}`)
  await ledger.projected(answer.seq, signal)
}

function deploy(): Promise<void> {
  const limits = {memoryBytes: 2 ** 26, cpuMillis: 100, concurrency: 10, timeoutMs: 1000, scaleMin: 0, scaleMax: 2}
  const spec = {command: [], port: 8080, ...limits, env: {}, egress: [], rewards: []}
  const revisions = [{function: 'api', imageDigest: `sha256:${'a'.repeat(64)}`, spec}]
  return submit(account, ann, {type: 'revision.deploy', app: 'garden', revisions, routes: [{path: '/', function: 'api'}]})
}

it('reads the deployed functions once for many heartbeats of nodes without work, and anew after a deploy', async () => {
  const settings = coordinatorSettings('development')
  const commands = createOwnCommands({ledger, key: coordinatorKey})
  const leases = new KnownLeases(ledger)
  const tools = {
    ...settings,
    settings: settings.scheduling,
    ledger,
    leases,
    lasting: new LastingReads(ledger.reads),
    commands,
    blockedImages: new BlockedImages(ledger.reads, {read: () => Promise.reject(new Error('nothing is blocked'))}),
    presence: new PresenceBoard(),
    reputation: {poor: () => new Set<string>()},
    exchangeOrg: 'creometry',
    receiptGraceMs: 120_000
  }
  const scheduler = new Scheduler({...tools, nowMs: () => nowMs, log: pino({level: 'silent'})}, signal)
  const offer = {memoryBytes: 2 ** 30, cpuMillis: 1000, enforcesLimits: true, draining: false, instances: 0, earn: ['gutta']}
  const heartbeat = {node, architecture: 'amd64', runtime: 'memory', ...offer} as const
  const reason = () => scheduler.reasonFor({heartbeat, seenAtMs: nowMs, earnSinceMs: nowMs})
  const read = vi.spyOn(ledger.reads, 'currentRevisions')
  expect([reason(), reason(), reason()]).toEqual(Array(3).fill('No function is deployed in this network yet.'))
  expect(read).toHaveBeenCalledTimes(1)
  await deploy()
  expect(reason()).toBe('No deployed function pays what you selected (gutta).')
  await scheduler.close()
})

it('builds no table anew because something other than a lease came due', async () => {
  const tables = new SignedTables({ledger, leases: new KnownLeases(ledger), lasting: new LastingReads(ledger.reads), key: coordinatorKey})
  const {version} = tables.routes()
  const read = vi.spyOn(ledger.reads, 'appRoutes')
  await submit(account, ann, {type: 'node.token', tokenHash: sha256Hex('b'), expiresAtMs: nowMs + 100})
  nowMs += 200
  await submit('coordinator', coordinatorKey, {type: 'time.advance'})
  expect([tables.routes().version, read.mock.calls.length]).toEqual([version, 0])
  tables.close()
})

it('builds a table anew when a lease came due', async () => {
  await deploy()
  const revision = ledger.reads.currentRevisions()[0]?.id ?? ''
  await submit('coordinator', coordinatorKey, {type: 'lease.grant', node, revision, endsAtMs: nowMs + 60_000, budgets: []})
  const tables = new SignedTables({ledger, leases: new KnownLeases(ledger), lasting: new LastingReads(ledger.reads), key: coordinatorKey})
  const {version} = tables.node(node)
  nowMs = ledger.nextExpiryMs() ?? 0
  await submit('coordinator', coordinatorKey, {type: 'time.advance'})
  expect(tables.node(node).version).toBeGreaterThan(version)
  tables.close()
})

it('knows leases in memory as the projections show them, whatever happened to them', async () => {
  await deploy()
  const revision = ledger.reads.currentRevisions()[0]?.id ?? ''
  const known = new KnownLeases(ledger)
  const grant = (): Promise<void> =>
    submit('coordinator', coordinatorKey, {type: 'lease.grant', node, revision, endsAtMs: nowMs + 60_000, budgets: []})
  await grant()
  await grant()
  const [first] = ledger.reads.leases({status: 'active'})
  await submit('coordinator', coordinatorKey, {type: 'lease.end', lease: first?.id ?? ''})
  for (const each of [known, new KnownLeases(ledger)]) {
    expect([...each.active()]).toEqual(ledger.reads.leases({status: 'active'}))
    expect(each.ofNode(node)).toEqual(ledger.reads.leases({node, status: 'active'}))
    expect([...each.endedToday(nowMs)]).toEqual(ledger.reads.leases({status: 'ended'}))
    expect([...each.endedToday(nowMs + 24 * 3_600_000)]).toEqual([])
    expect([...each.revisions()]).toEqual([revision])
    each.close()
  }
})

it("changes a node's table with its own leases alone", async () => {
  await deploy()
  const revision = ledger.reads.currentRevisions()[0]?.id ?? ''
  const other = generateKeyPair()
  const token = {tokenHash: sha256Hex('c'), expiresAtMs: nowMs + 60_000}
  await submit(account, ann, {type: 'node.token', ...token})
  const enrolment = {
    publicKey: other.publicKey,
    tokenHash: token.tokenHash,
    owner: account,
    name: 'another',
    architecture: 'amd64'
  } as const
  await submit('new', other, {type: 'node.enroll', ...enrolment})
  const tables = new SignedTables({ledger, leases: new KnownLeases(ledger), lasting: new LastingReads(ledger.reads), key: coordinatorKey})
  const before = tables.node(node).version
  const news = tables.newer({node}, {after: before, waitMs: 5000}, signal)
  await submit('coordinator', coordinatorKey, {type: 'lease.grant', node, revision, endsAtMs: nowMs + 60_000, budgets: []})
  expect((await news)?.version).toBe(ledger.sequence)
  expect(tables.node(nodeIdOf(other.publicKey)).version).toBe(before)
  tables.close()
})
