import {readFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'
import {pino} from 'pino'
import {type Client, createClient} from '../../src/client/client.ts'
import {type NodeTable, type NodeTableDelta, nodeTableDeltaSchema, nodeTableSchema, type TableNews} from '../../src/core/protocol/tables.ts'
import {nodeIdOf} from '../../src/identity/keys.ts'
import {openTable, openTableDelta} from '../../src/identity/tables.ts'
import {Heartbeats} from '../../src/miner/heartbeats.ts'
import {followTable} from '../../src/miner/table-feed.ts'
import {keyOf} from '../gateway/roles.ts'
import type {FleetAsked, FleetSetup, FromFleet} from './fleet-messages.ts'

/** Nodes begin one after the other, so many a second: a network does not come up at once. */
const STARTS_PER_SECOND = 400
const MEMORY_BYTES = 4 * 2 ** 30
const CPU_MILLIS = 4000

/**
 * Many nodes in one process: each with its own key, its own connection, and what a miner runs to talk to the coordinator (heartbeats and the feed of
 * its table). What is left out is what the coordinator never sees: containers, gateways, and the table's file.
 */
const setup = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as FleetSetup
const stopping = new AbortController()
const log = pino({level: 'silent'})
const totals = {leases: 0, heartbeats: 0, tables: 0, failures: 0}
const heldOfApp = new Map<string, number>()
/** How often nodes are heard when nothing is new; undefined: as often as the coordinator asks for. */
let everyMs: number | undefined
const nodes: {readonly heartbeats: Heartbeats; follow(): void}[] = []

/** What a node may run, as the newest table says; kept in memory, and of it what is counted. */
class Book {
  version = -1
  readonly #node: string
  readonly #appOfLease = new Map<string, string>()
  readonly #appOfRevision = new Map<string, string>()

  constructor(node: string) {
    this.#node = node
  }

  get leases(): number {
    return this.#appOfLease.size
  }

  get takesDeltas(): boolean {
    return this.version >= 0
  }

  accept(news: TableNews): Promise<'newer' | 'old'> {
    if (news.version <= this.version) return Promise.resolve('old')
    const trust = {network: setup.networkId, coordinatorKey: setup.coordinatorKey}
    if (news.v === 'creo-table-v1') this.#takeWhole(this.#own(openTable(news, nodeTableSchema, trust)))
    else if (news.since === this.version) this.#takeDelta(this.#own(openTableDelta(news, nodeTableDeltaSchema, trust)))
    else throw new Error(`a delta since ${news.since} came to ${this.#node}, which has ${this.version}`)
    this.version = news.version
    totals.tables += 1
    return Promise.resolve('newer')
  }

  #own<T extends {readonly node: string}>(table: T): T {
    if (table.node !== this.#node) throw new Error(`a table of ${table.node} came to ${this.#node}`)
    return table
  }

  #takeWhole({leases, revisions}: NodeTable): void {
    const held = new Set(leases.map(({id}) => id))
    const gone = [...this.#appOfLease.keys()].filter((id) => !held.has(id))
    this.#appOfRevision.clear()
    this.#change({set: leases, gone}, revisions)
  }

  #takeDelta({leases, revisions}: NodeTableDelta): void {
    this.#change(leases, revisions.set)
    for (const id of revisions.gone) this.#appOfRevision.delete(id)
  }

  #change({set, gone}: NodeTableDelta['leases'], revisions: NodeTable['revisions']): void {
    for (const {id, app} of revisions) this.#appOfRevision.set(id, app)
    for (const id of gone) {
      const app = this.#appOfLease.get(id)
      if (app !== undefined) change(app, -1)
      this.#appOfLease.delete(id)
    }
    for (const {id, revision} of set) {
      const app = this.#appOfRevision.get(revision)
      if (app === undefined) throw new Error(`${this.#node} was not told what ${revision} is`)
      if (!this.#appOfLease.has(id)) change(app, 1)
      this.#appOfLease.set(id, app)
    }
  }
}

function change(app: string, by: number): void {
  const leases = (heldOfApp.get(app) ?? 0) + by
  heldOfApp.set(app, leases)
  totals.leases += by
}

async function startNode({key: pkcs8, earn}: FleetSetup['nodes'][number]): Promise<void> {
  const key = keyOf(pkcs8)
  const node = nodeIdOf(key.publicKey)
  const {signal} = stopping
  const {coordinatorUrl, networkId, coordinatorKey} = setup
  const client: Client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key, signal})
  const book = new Book(node)
  const offer = {memoryBytes: MEMORY_BYTES, cpuMillis: CPU_MILLIS, enforcesLimits: true, draining: false, instances: 0, running: []}
  const heartbeats = new Heartbeats({
    client: {
      heartbeat: async (...said) => {
        totals.heartbeats += 1
        const answer = await client.heartbeat(...said)
        return {...answer, everyMs: everyMs ?? answer.everyMs}
      }
    },
    describe: () => ({node, earn: [...earn], architecture: 'amd64', runtime: 'podman', ...offer}),
    idleTable: () => (book.leases > 0 ? undefined : book.version),
    logs: {batch: () => [], sent: () => undefined},
    secrets: {noticed: () => undefined},
    now: Date.now,
    random: Math.random,
    log,
    onLook: () => Promise.resolve()
  })
  if (!(await heartbeats.beat(signal))) totals.failures += 1
  void heartbeats.run(signal)
  const first = Promise.withResolvers<void>()
  let following = new AbortController()
  const follow = (): void => {
    following.abort()
    following = new AbortController()
    const until = AbortSignal.any([signal, following.signal])
    void followTable({client, book, heartbeats, random: Math.random, log, onNewer: () => first.resolve()}, until)
  }
  follow()
  nodes.push({heartbeats, follow})
  await first.promise
}

/** One after the other, as they began: their waits for a table were made for another pace. */
async function pace(ms: number): Promise<void> {
  everyMs = ms
  for (const {heartbeats, follow} of nodes) {
    heartbeats.everyMs = ms
    follow()
    await delay(1000 / STARTS_PER_SECOND)
  }
  say({type: 'paced'})
}

function say(message: FromFleet): void {
  process.send?.(message)
}

process.on('message', (asked: FleetAsked) => {
  if (asked.type === 'pace') void pace(asked.everyMs)
  else if (asked.type === 'totals') say({type: 'totals', ...totals})
  else if (asked.type === 'stop') {
    stopping.abort()
    process.disconnect()
    // Thousands of connections are cut, not closed one by one.
    process.exit(0)
  }
})

/** The bench waits for a number of leases of one app: told as soon as they are held. */
process.on('message', (asked: FleetAsked) => {
  if (asked.type !== 'await') return
  const look = setInterval(() => {
    const leases = heldOfApp.get(asked.app) ?? 0
    if (leases < asked.leases) return
    clearInterval(look)
    say({type: 'held', app: asked.app, leases, atMs: performance.timeOrigin + performance.now()})
  }, 5)
})

const started: Promise<void>[] = []
for (const node of setup.nodes) {
  started.push(startNode(node))
  await delay(1000 / STARTS_PER_SECOND)
}
await Promise.all(started)
say({type: 'there', leases: totals.leases})
