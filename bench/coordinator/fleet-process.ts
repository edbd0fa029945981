import {readFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'
import {pino} from 'pino'
import {type Client, createClient} from '../../src/client/client.ts'
import type {NodeTable, SignedTable} from '../../src/core/protocol/tables.ts'
import {nodeIdOf} from '../../src/identity/keys.ts'
import {Heartbeats} from '../../src/miner/heartbeats.ts'
import {followTable} from '../../src/miner/table-feed.ts'
import {keyOf} from '../gateway/roles.ts'
import type {FleetAsked, FleetSetup, FromFleet} from './fleet-messages.ts'

/** Nodes begin one after the other, so many a second: a network does not come up at once. */
const STARTS_PER_SECOND = 400
/** A production network asks for one every quarter of an hour, a development network as often as this. */
const EVERY_MS = 15_000
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

/** Tables as the client has opened them. A miner opens each once more when it goes to disk. */
const opened = new WeakMap<SignedTable, NodeTable>()

/** What a node may run, as the newest table says; kept in memory. */
class Book {
  version = -1
  readonly #node: string
  #apps = new Map<string, string>()

  constructor(node: string) {
    this.#node = node
  }

  accept(signed: SignedTable): Promise<'newer' | 'old'> {
    if (signed.version <= this.version) return Promise.resolve('old')
    const table = opened.get(signed)
    if (table?.node !== this.#node) throw new Error(`a table of ${table?.node} came to ${this.#node}`)
    const {leases, revisions} = table
    const appOf = new Map(revisions.map(({id, app}) => [id, app]))
    const held = new Map(leases.map(({id, revision}) => [id, appOf.get(revision) ?? '']))
    for (const [id, app] of held) if (!this.#apps.has(id)) change(app, 1)
    for (const [id, app] of this.#apps) if (!held.has(id)) change(app, -1)
    this.#apps = held
    this.version = signed.version
    totals.tables += 1
    return Promise.resolve('newer')
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
        return {...(await client.heartbeat(...said)), everyMs: EVERY_MS}
      }
    },
    describe: () => ({node, earn: [...earn], architecture: 'amd64', runtime: 'podman', ...offer}),
    tableVersion: () => book.version,
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
  const nodeTable: Client['nodeTable'] = async (...asked) => {
    const received = await client.nodeTable(...asked)
    if (received !== undefined) opened.set(received.signed, received.table)
    return received
  }
  void followTable({client: {nodeTable}, book, heartbeats, random: Math.random, log, onNewer: () => first.resolve()}, signal)
  await first.promise
}

function say(message: FromFleet): void {
  process.send?.(message)
}

process.on('message', (asked: FleetAsked) => {
  if (asked.type === 'totals') say({type: 'totals', ...totals})
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
