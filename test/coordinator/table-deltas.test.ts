import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import fc from 'fast-check'
import {expect, it} from 'vitest'
import {ChangingEntries} from '../../src/coordinator/changing-entries.ts'
import {KnownLeases} from '../../src/coordinator/known-leases.ts'
import {LastingReads} from '../../src/coordinator/lasting-reads.ts'
import {LeaseChanges} from '../../src/coordinator/lease-changes.ts'
import {ROUTES_DELTAS_MAX, SignedTables} from '../../src/coordinator/tables.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {
  nodeTableDeltaSchema,
  nodeTableSchema,
  routesTableDeltaSchema,
  routesTableSchema,
  type TableNews
} from '../../src/core/protocol/tables.ts'
import {appId, changedNodeTable, changedRoutesTable} from '../../src/core/table-deltas.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {generateKeyPair, type KeyPair, loadKeyFile, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {openTable, openTableDelta} from '../../src/identity/tables.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {makeNetwork, temporaryFolder} from './coordinator-world.ts'

const RUNS = process.env.CREO_TEST_TIER === 'long' ? 30 : 3
const {signal} = new AbortController()
const ann = generateKeyPair()
const boards = [generateKeyPair(), generateKeyPair(), generateKeyPair()]

class World {
  readonly ledger: Ledger
  readonly #keys: {readonly coordinator: KeyPair; readonly operator: KeyPair}
  account = ''
  #count = 0

  constructor(ledger: Ledger, keys: {readonly coordinator: KeyPair; readonly operator: KeyPair}) {
    this.ledger = ledger
    this.#keys = keys
  }

  async submit(by: string, key: KeyPair, body: CommandBody): Promise<void> {
    this.#count += 1
    const {ledger} = this
    const idempotencyKey = `test-${this.#count}`
    const command = signCommand({network: ledger.networkId, account: by, key, idempotencyKey, notAfterMs: ledger.nowMs() + 60_000, body})
    const answer = await ledger.submit(command, signal)
    await ledger.projected(answer.seq, signal)
  }

  network(body: CommandBody): Promise<void> {
    return this.submit('coordinator', this.#keys.coordinator, body)
  }

  admit(name: string): Promise<void> {
    const urls = {tunnelUrl: 'http://127.0.0.1:7800', publicUrl: 'http://localhost:7801'}
    return this.submit('operator', this.#keys.operator, {type: 'gateway.admit', publicKey: generateKeyPair().publicKey, name, ...urls})
  }

  deploy(app: string): Promise<void> {
    const limits = {memoryBytes: 2 ** 26, cpuMillis: 100, concurrency: 10, timeoutMs: 1000, scaleMin: 0, scaleMax: 2}
    const spec = {command: [], port: 8080, ...limits, env: {}, egress: [], rewards: []}
    const revisions = [{function: 'api', imageDigest: `sha256:${'a'.repeat(64)}`, spec}]
    return this.submit(this.account, ann, {type: 'revision.deploy', app, revisions, routes: [{path: '/', function: 'api'}]})
  }
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const folder = await temporaryFolder()
  await makeNetwork(folder.path)
  const operator = await loadKeyFile(join(folder.path, 'operator.key'))
  const genesisText = await readFile(join(folder.path, 'genesis.json'), 'utf8')
  const ledger = await openLedger({directory: folder.path, genesisText, now: Date.now, signal})
  try {
    const world = new World(ledger, {coordinator: await loadKeyFile(join(folder.path, 'coordinator.key')), operator})
    await world.submit('new', ann, {type: 'account.create', name: 'ann', keys: [{publicKey: ann.publicKey, roles: ['owner']}]})
    world.account = ledger.reads.account('ann')?.id ?? ''
    for (const [at, {publicKey}] of boards.entries()) {
      const token = {tokenHash: sha256Hex(`token ${at}`), expiresAtMs: Date.now() + 600_000}
      await world.submit(world.account, ann, {type: 'node.token', ...token})
      const enrolment = {publicKey, tokenHash: token.tokenHash, owner: world.account, name: `board ${at}`, architecture: 'amd64'} as const
      await world.submit('new', boards[at] as KeyPair, {type: 'node.enroll', ...enrolment})
    }
    await run(world)
  } finally {
    await ledger.close()
    await folder.remove()
  }
}

const act = fc.oneof(
  {weight: 6, arbitrary: fc.record({do: fc.constant('grant' as const), board: fc.nat(2), pick: fc.nat(50)})},
  {weight: 4, arbitrary: fc.record({do: fc.constant('end' as const), pick: fc.nat(50)})},
  {weight: 3, arbitrary: fc.record({do: fc.constant('deploy' as const), pick: fc.nat(2)})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('destroy' as const), pick: fc.nat(2)})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('admit' as const), pick: fc.nat(1000)})}
)
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never

async function carryOut(world: World, one: Act): Promise<void> {
  const {reads} = world.ledger
  if (one.do === 'deploy') return world.deploy(`app${one.pick}`)
  if (one.do === 'destroy') return world.submit(world.account, ann, {type: 'app.destroy', app: `app${one.pick}`})
  if (one.do === 'admit') return world.admit(`gateway${one.pick}`)
  if (one.do === 'end') {
    const active = reads.leases({status: 'active'})
    const lease = active[one.pick % Math.max(1, active.length)]
    return lease && world.network({type: 'lease.end', lease: lease.id})
  }
  const current = reads.currentRevisions()
  const revision = current[one.pick % Math.max(1, current.length)]
  const node = nodeIdOf(boards[one.board]?.publicKey ?? '')
  return revision && world.network({type: 'lease.grant', node, revision: revision.id, endsAtMs: Date.now() + 600_000, budgets: []})
}

/** Entries in an order of their own, since that of a table says nothing. */
function sorted<T extends object>(table: T): T {
  const key = (entry: object): string => ('app' in entry && 'routes' in entry ? appId(entry as never) : (entry as {id: string}).id)
  const lists = Object.entries(table).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)) : value
  ])
  return Object.fromEntries(lists) as T
}

it('tells a reader of any earlier version what makes its table the newest one', async () => {
  const steps = fc.array(fc.record({act, reads: fc.array(fc.boolean(), {minLength: 3, maxLength: 3})}), {minLength: 15, maxLength: 25})
  let deltas = 0
  await fc.assert(
    fc.asyncProperty(steps, (all) =>
      inWorld(async (world) => {
        await world.deploy('app0')
        const key = generateKeyPair()
        const trust = {network: world.ledger.networkId, coordinatorKey: key.publicKey}
        const tables = new SignedTables({
          ledger: world.ledger,
          leases: new KnownLeases(world.ledger),
          lasting: new LastingReads(world.ledger.reads),
          key
        })
        const node = nodeIdOf(boards[0]?.publicKey ?? '')
        const routes = () => openTable(tables.routes(), routesTableSchema, trust)
        const own = () => openTable(tables.node(node), nodeTableSchema, trust)
        // Each looks only at times, so that they fall behind each other.
        const readers = [0, 1, 2].map(() => ({
          routes: routes(),
          routesAt: tables.routes().version,
          own: own(),
          ownAt: tables.node(node).version
        }))
        const news = (of: 'routes' | {node: string}, after: number): Promise<TableNews | undefined> =>
          tables.newer(of, {after, waitMs: 0, deltas: true}, signal)
        for (const {act: one, reads} of all) {
          await carryOut(world, one)
          for (const [at, reader] of readers.entries()) {
            if (!reads[at]) continue
            const ofRoutes = await news('routes', reader.routesAt)
            if (ofRoutes !== undefined) {
              expect(ofRoutes).toMatchObject({v: 'creo-table-delta-v1', since: reader.routesAt})
              reader.routes = changedRoutesTable(reader.routes, openTableDelta(ofRoutes, routesTableDeltaSchema, trust))
              reader.routesAt = ofRoutes.version
              deltas += 1
            }
            const ofNode = await news({node}, reader.ownAt)
            if (ofNode !== undefined) {
              reader.own = changedNodeTable(reader.own, openTableDelta(ofNode, nodeTableDeltaSchema, trust))
              reader.ownAt = ofNode.version
            }
            expect(sorted(reader.routes)).toEqual(sorted(routes()))
            expect(sorted(reader.own)).toEqual(sorted(own()))
          }
        }
        tables.close()
      })
    ),
    {numRuns: RUNS}
  )
  expect(deltas).toBeGreaterThan(0)
})

it('sends the whole table to who does not ask for changes, and to who has a version from before it looked', async () => {
  await inWorld(async (world) => {
    await world.deploy('app0')
    const key = generateKeyPair()
    const tables = new SignedTables({
      ledger: world.ledger,
      leases: new KnownLeases(world.ledger),
      lasting: new LastingReads(world.ledger.reads),
      key
    })
    const {version} = tables.routes()
    await world.admit('gateway')
    const kinds = async (after: number, deltas: boolean) => {
      const node = nodeIdOf(boards[0]?.publicKey ?? '')
      const both = [
        await tables.newer('routes', {after, waitMs: 0, deltas}, signal),
        await tables.newer({node}, {after, waitMs: 0, deltas}, signal)
      ]
      return both.map((news) => news?.v)
    }
    expect(await kinds(version, true)).toEqual(['creo-table-delta-v1', 'creo-table-delta-v1'])
    expect(await kinds(version, false)).toEqual(['creo-table-v1', 'creo-table-v1'])
    expect(await kinds(version - 1, true)).toEqual(['creo-table-v1', 'creo-table-v1'])
    tables.close()
  })
})

it('makes no delta for a version that nobody was told, and so many for each table, whatever anybody asks after', async () => {
  await inWorld(async (world) => {
    const key = generateKeyPair()
    const {ledger} = world
    const tables = new SignedTables({ledger, leases: new KnownLeases(ledger), lasting: new LastingReads(ledger.reads), key})
    const told = [tables.routes().version]
    for (let round = 0; round < ROUTES_DELTAS_MAX + 2; round += 1) {
      // The version between these two is one that nobody asks for.
      await world.admit(`a${round}`)
      await world.admit(`b${round}`)
      told.push(tables.routes().version)
    }
    const newest = told.pop() ?? 0
    const made: number[] = []
    for (let after = told[0] ?? 0; after < newest; after += 1) {
      const news = await tables.newer('routes', {after, waitMs: 0, deltas: true}, signal)
      if (news?.v === 'creo-table-delta-v1') made.push(after)
      else expect(news).toBe(tables.routes())
    }
    expect(made).toEqual(told.slice(0, ROUTES_DELTAS_MAX))
    const [first = 0] = told
    const again = () => tables.newer('routes', {after: first, waitMs: 0, deltas: true}, signal)
    expect(await again()).toBe(await again())
    tables.close()
  })
})

it('forgets the oldest changes first, and says since when it knows all', () => {
  const changes = new LeaseChanges(10, 2)
  for (const [lease, seq] of [
    ['lea_1', 11],
    ['lea_2', 12],
    ['lea_1', 13]
  ] as const)
    changes.note({lease, node: 'a', revision: 'r', seq})
  expect([changes.knownSince, changes.since(10).map(({lease}) => lease)]).toEqual([10, ['lea_2', 'lea_1']])
  changes.note({lease: 'lea_3', node: 'b', revision: 'r', seq: 14})
  expect([changes.knownSince, changes.ofNodeSince('a', 10).map(({lease}) => lease)]).toEqual([12, ['lea_1']])

  const entries = new ChangingEntries<number>(1)
  entries.update(new Map(Object.entries({a: 1, b: 2})), 1)
  expect(entries.update(new Map(Object.entries({a: 1, b: 2})), 2)).toBe(false)
  entries.update(new Map(Object.entries({b: 3})), 3)
  expect([entries.since(1), entries.since(3), entries.knownSince]).toEqual([{set: [3], gone: ['a']}, {set: [], gone: []}, -1])
  entries.update(new Map(), 4)
  expect([entries.since(3), entries.knownSince]).toEqual([{set: [], gone: ['b']}, 3])
})
