import {lookup} from 'node:dns/promises'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {Client} from '../client/client.ts'
import {CreoError} from '../core/errors.ts'
import type {Heartbeat} from '../core/protocol/api.ts'
import {type KeyPair, nodeIdOf} from '../identity/keys.ts'
import type {ContainerRuntime, RuntimeProbe} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import {describeStatus} from './describe-status.ts'
import {type DrainReport, drain} from './drain.ts'
import {openEgressProxy} from './egress-proxy.ts'
import {GatewayLinks} from './gateway-links.ts'
import {GatewayRequests} from './gateway-requests.ts'
import {Heartbeats} from './heartbeats.ts'
import {Housekeeping} from './housekeeping.ts'
import {ImageCache} from './image-cache.ts'
import {type InstanceLimitsOfHost, Instances} from './instances.ts'
import {type GatewayEntry, LeaseBook} from './lease-book.ts'
import {LogRing} from './log-ring.ts'
import {MinerStore} from './miner-store.ts'
import {ReceiptOutbox} from './receipt-outbox.ts'
import {ReceiptSigner} from './receipt-signer.ts'
import {type MinerStatus, writeStatus} from './status-file.ts'
import {followTable} from './table-feed.ts'
import {WorkMeter} from './work-meter.ts'

/** Blobs of images that no lease needs are kept up to this much. */
const IMAGE_BYTES_MAX = 10 * 2 ** 30
const PROBE_TIMEOUT_MS = 60_000
const CLOCK_TIMEOUT_MS = 10_000
/** How long `start` waits for the first table and the first tunnels before it calls the miner ready anyway. */
const FIRST_CONTACT_MS = 15_000

export interface MinerOptions {
  /** This process' own; holds the store, the table, the image cache. */
  readonly dataDirectory: string
  readonly nodeKey: KeyPair
  readonly network: {readonly id: string; readonly coordinatorKey: string; readonly kind: 'production' | 'development'}
  readonly coordinatorUrl: string
  /** Signs with the node's key. */
  readonly client: Client
  /** The caller's to close, after `drain`. */
  readonly runtime: ContainerRuntime
  readonly earn: Heartbeat['earn']
  readonly limits: InstanceLimitsOfHost
  /** Work on a host that can't enforce limits; in a development network alone. */
  readonly allowUnlimited: boolean
  /** Wall clock, corrected by what the coordinator says. */
  readonly now: () => number
  /** Asks the coordinator for the time, so that `now` is right. */
  readonly mendClock: (signal: AbortSignal) => Promise<unknown>
  /** A clock that nobody sets. */
  readonly monotonicMs: () => number
  readonly random: () => number
  readonly log: Log
}

export interface Miner {
  readonly node: string
  readonly status: MinerStatus
  /** Resolves when the first heartbeat was accepted (or the coordinator is gone and a table is on disk) and each gateway was dialled. */
  start(signal: AbortSignal): Promise<void>
  /** Resolves with the error when something in here failed that can't be gone on from. */
  readonly crashed: Promise<unknown>
  /** Takes no new work, lets what is under way finish, stops every container, hands in the last receipts. */
  drain(): Promise<DrainReport>
}

/**
 * Opens a miner on its data directory and takes over what an earlier process left running.
 * @throws {CreoError} `not_a_host_of_limits`, `runtime_missing`, `data_dir_unwritable`.
 */
export async function createMiner(options: MinerOptions): Promise<Miner> {
  const lifetime = new AbortController()
  const probe = await options.runtime.probe(AbortSignal.any([lifetime.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]))
  refuseUnlimited(options, probe)
  return await MiningNode.open(options, probe, lifetime)
}

/** Limits are enforced, or this is a network for trying out whose user said that they need not be. */
function takesWork({allowUnlimited, network}: MinerOptions, probe: RuntimeProbe): boolean {
  return probe.enforcesLimits || (allowUnlimited && network.kind === 'development')
}

function refuseUnlimited(options: MinerOptions, probe: RuntimeProbe): void {
  const {network} = options
  if (takesWork(options, probe)) return
  throw new CreoError(
    'not_a_host_of_limits',
    `${probe.name} does not enforce limits here: ${probe.problems.join(' ') || 'no reason is known.'}`,
    {
      hint: network.kind === 'development' ? 'Run creo doctor, or add --allow-unlimited in this development network.' : 'Run creo doctor.'
    }
  )
}

class MiningNode implements Miner {
  readonly node: string
  readonly #options: MinerOptions
  readonly #probe: RuntimeProbe
  readonly #lifetime: AbortController
  readonly #store: MinerStore
  readonly #book: LeaseBook
  readonly #images: ImageCache
  readonly #instances: Instances
  readonly #meter: WorkMeter
  readonly #logs = new LogRing()
  readonly #links: GatewayLinks
  readonly #requests: GatewayRequests
  readonly #outbox: ReceiptOutbox
  readonly #heartbeats: Heartbeats
  readonly #housekeeping: Housekeeping
  readonly #loops: Promise<void>[] = []
  readonly #startedAtMs: number
  readonly #crash = Promise.withResolvers<unknown>()
  readonly #firstTable = Promise.withResolvers<void>()
  #draining = false

  static async open(options: MinerOptions, probe: RuntimeProbe, lifetime: AbortController): Promise<MiningNode> {
    const node = nodeIdOf(options.nodeKey.publicKey)
    const file = (name: string): string => join(options.dataDirectory, name)
    await mkdir(file('images'), {recursive: true})
    const book = await LeaseBook.open({
      path: file('table.json'),
      network: options.network.id,
      coordinatorKey: options.network.coordinatorKey,
      node
    })
    const images = await ImageCache.open({
      directory: file('images'),
      registryUrl: options.coordinatorUrl,
      authorize: options.client.authorizeRegistry,
      runtime: options.runtime,
      architecture: probe.architecture,
      bytesMax: IMAGE_BYTES_MAX
    })
    const store = MinerStore.open(file('miner.sqlite'))
    const miner = new MiningNode({options, probe, lifetime, node, book, images, store})
    await miner.#housekeeping.adopt(lifetime.signal)
    return miner
  }

  private constructor(parts: {
    readonly options: MinerOptions
    readonly probe: RuntimeProbe
    readonly lifetime: AbortController
    readonly node: string
    readonly book: LeaseBook
    readonly images: ImageCache
    readonly store: MinerStore
  }) {
    const {options, probe, lifetime, node, book, images, store} = parts
    const {now, random, log, client, nodeKey, monotonicMs, runtime} = options
    this.node = node
    this.#options = options
    this.#probe = probe
    this.#lifetime = lifetime
    this.#book = book
    this.#images = images
    this.#store = store
    this.#startedAtMs = now()
    this.#meter = new WorkMeter(monotonicMs)
    const meter = this.#meter
    this.#outbox = new ReceiptOutbox({store, client, random, log})
    this.#instances = this.#createInstances()
    const signer = new ReceiptSigner({
      network: options.network.id,
      nodeKey,
      store,
      meter,
      now,
      log,
      onSigned: (lease) => this.#signed(lease.id)
    })
    const send = (gateway: string, message: Parameters<GatewayLinks['send']>[1]): void => this.#links.send(gateway, message)
    const shared = {book, store, images, instances: this.#instances, now, monotonicMs, log, signal: lifetime.signal}
    this.#requests = new GatewayRequests({...shared, signer, isDraining: () => this.#draining, send, onCrash: this.#crash.resolve})
    this.#links = new GatewayLinks({
      network: options.network.id,
      nodeKey,
      now,
      monotonicMs,
      log,
      onClockSkew: () => void this.#mendClock(),
      greet: (gateway) => this.#greeting(gateway),
      onMessage: (gateway, message) => this.#requests.handle(gateway, message),
      onBind: (gateway, instance, socket, head) => this.#requests.bind(gateway, instance, socket, head)
    })
    this.#housekeeping = new Housekeeping({
      ...shared,
      runtime,
      meter,
      random,
      lostSinceMs: (gateway) => this.#links.lostSinceMs(gateway),
      isBudgetEmpty: (lease) => this.#requests.isBudgetEmpty(lease)
    })
    this.#heartbeats = new Heartbeats({
      client,
      describe: () => this.#heartbeat(),
      logs: this.#logs,
      now,
      random,
      log,
      onBeat: () => this.#saveStatus()
    })
  }

  async start(signal: AbortSignal): Promise<void> {
    const life = this.#lifetime.signal
    const {client, random, log} = this.#options
    const accepted = await this.#heartbeats.beat(AbortSignal.any([signal, life]))
    if (!accepted) log.warn({table: this.#book.version}, 'the coordinator does not answer; going on with the table on disk')
    this.#tableChanged()
    const feed = {client, book: this.#book, random, log, onNewer: () => this.#tableChanged()}
    const loops = [followTable(feed, life), this.#outbox.run(life), this.#heartbeats.run(life), this.#housekeeping.run(life)]
    this.#loops.push(...loops.map((loop) => loop.catch((error: unknown) => this.#crash.resolve(error))))
    const enough = AbortSignal.any([signal, AbortSignal.timeout(FIRST_CONTACT_MS)])
    const {promise: timeUp, resolve} = Promise.withResolvers<void>()
    enough.addEventListener('abort', () => resolve(), {once: true})
    await Promise.race([timeUp, this.#firstTable.promise.then(() => this.#firstTunnels())])
    signal.throwIfAborted()
    await this.#saveStatus()
  }

  /** Gateways know a node by its leases: without one there is no tunnel to wait for. */
  async #firstTunnels(): Promise<void> {
    if (this.#book.current(this.#options.now()).length > 0) await this.#links.tried()
  }

  async drain(): Promise<DrainReport> {
    this.#draining = true
    this.#links.broadcast({type: 'draining'})
    this.#requests.callOffWaiting()
    const report = await drain({
      instances: this.#instances,
      meter: this.#meter,
      store: this.#store,
      outbox: this.#outbox,
      sendLastHeartbeat: (signal) => this.#heartbeats.beat(signal),
      monotonicMs: this.#options.monotonicMs
    })
    this.#lifetime.abort()
    await this.#links.close()
    await Promise.all(this.#loops)
    await this.#saveStatus()
    this.#store.close()
    return report
  }

  get crashed(): Promise<unknown> {
    return this.#crash.promise
  }

  get status(): MinerStatus {
    return describeStatus({
      node: this.node,
      nowMs: this.#options.now(),
      startedAtMs: this.#startedAtMs,
      isDraining: this.#draining,
      heartbeats: this.#heartbeats,
      book: this.#book,
      links: this.#links,
      images: this.#images,
      instances: this.#instances,
      store: this.#store,
      logs: this.#logs
    })
  }

  #createInstances(): Instances {
    const {dataDirectory, coordinatorUrl, runtime, limits, now, log} = this.#options
    return new Instances({
      runtime,
      meter: this.#meter,
      logs: this.#logs,
      limits,
      openEgress: (socketPath, allowedHosts) => openEgressProxy({socketPath, allowedHosts, coordinatorUrl, resolve: addressesOf}),
      egressDirectory: join(dataDirectory, 'egress'),
      now,
      log,
      onEnded: ({instance, gateway}, exit) => this.#links.send(gateway, {type: 'ended', instance, ...exit}),
      signal: this.#lifetime.signal
    })
  }

  #heartbeat(): Omit<Heartbeat, 'logs'> {
    const {earn, limits} = this.#options
    const {architecture, name: runtime} = this.#probe
    const enforcesLimits = takesWork(this.#options, this.#probe)
    const instances = this.#instances.all.length
    return {node: this.node, earn, architecture, runtime, enforcesLimits, ...limits, draining: this.#draining, instances}
  }

  #greeting(gateway: GatewayEntry): readonly Parameters<GatewayLinks['broadcast']>[0][] {
    const own = this.#instances.all.filter((held) => held.gateway === gateway.id)
    const instances = own.map(({instance, revision, lease}) => ({instance, revision, lease}))
    const empty = this.#book.current(this.#options.now()).filter(({lease}) => this.#requests.isBudgetEmpty(lease.id))
    return [
      {type: 'ready', instances},
      ...empty.map(({lease}) => ({type: 'budget_empty', lease: lease.id}) as const),
      ...(this.#draining ? [{type: 'draining'} as const] : [])
    ]
  }

  #signed(lease: string): void {
    this.#outbox.added()
    if (this.#requests.isBudgetEmpty(lease)) this.#links.broadcast({type: 'budget_empty', lease})
  }

  /** Boards without a battery wake in the wrong year: the tunnel's clock must be nearer than what the coordinator lets pass. */
  async #mendClock(): Promise<void> {
    const {mendClock, log} = this.#options
    try {
      await mendClock(AbortSignal.any([this.#lifetime.signal, AbortSignal.timeout(CLOCK_TIMEOUT_MS)]))
    } catch (error) {
      log.warn({error: String(error)}, "this machine's clock is wrong, and the coordinator does not tell the time")
    }
  }

  #tableChanged(): void {
    if (this.#book.version >= 0) this.#firstTable.resolve()
    this.#housekeeping.tableChanged()
    const gone = this.#links.sync(this.#book.gateways)
    if (gone.length > 0) this.#housekeeping.gatewaysGone(gone)
  }

  async #saveStatus(): Promise<void> {
    const {dataDirectory, log} = this.#options
    // A status that is old is no reason to end work that goes on.
    await writeStatus(dataDirectory, this.status).catch((error: unknown) =>
      log.warn({error: String(error)}, 'the status could not be written')
    )
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, {all: true})).map(({address}) => address)
}
