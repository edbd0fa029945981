import {lent, type OwnerTerms} from '../core/availability.ts'
import type {Heartbeat} from '../core/protocol/api.ts'
import type {MinerMessage} from '../core/protocol/tunnel.ts'
import type {RuntimeProbe} from '../runtime/port.ts'
import {describeStatus, type StatusParts} from './describe-status.ts'
import {type DrainReport, drain, finishWork} from './drain.ts'
import {GatewayLinks} from './gateway-links.ts'
import {GatewayRequests, type GatewayRequestsOptions} from './gateway-requests.ts'
import {greeting} from './greeting.ts'
import {countedHeartbeats, Heartbeats} from './heartbeats.ts'
import {createHostRules, type HostRules} from './host-rules.ts'
import {Housekeeping} from './housekeeping.ts'
import type {Instances, InstancesOptions} from './instances.ts'
import {KeptStatus} from './kept-status.ts'
import type {GatewayEntry, LeaseBook} from './lease-book.ts'
import {LogRing} from './log-ring.ts'
import {mendClock} from './mend-clock.ts'
import type {Miner, MinerOptions} from './miner-options.ts'
import {type MinerParts, openParts} from './miner-parts.ts'
import type {MinerStore} from './miner-store.ts'
import {createInstances} from './node-instances.ts'
import {ReceiptOutbox} from './receipt-outbox.ts'
import {ReceiptSigner, type ReceiptSignerOptions} from './receipt-signer.ts'
import type {Resting} from './resting.ts'
import type {MinerStatus} from './status-file.ts'
import {followTable} from './table-feed.ts'
import {refuseUnlimited, takesWork} from './unlimited-host.ts'
import {WorkMeter} from './work-meter.ts'

const PROBE_TIMEOUT_MS = 60_000
/** How long `start` waits for the first table and the first tunnels before it calls the miner ready anyway. */
const FIRST_CONTACT_MS = 15_000
const NOTHING: readonly never[] = []

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

class MiningNode implements Miner {
  readonly node: string
  readonly #parts: MinerParts
  readonly #options: MinerOptions
  readonly #lifetime: AbortController
  readonly #store: MinerStore
  readonly #book: LeaseBook
  readonly #instances: Instances
  readonly #resting: Resting
  readonly #rules: HostRules
  readonly #meter: WorkMeter
  readonly #logs: LogRing
  readonly #keptStatus: KeptStatus
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
    let rules: HostRules | undefined
    const onSecretsChanged = (revision: string): void => miner.#resting.dropFrozen(revision)
    const miner = new MiningNode(await openParts({options, probe, lifetime}, {rules: () => rules, onSecretsChanged}))
    rules = miner.#rules
    await rules.look()
    await miner.#housekeeping.adopt(lifetime.signal)
    return miner
  }

  private constructor(parts: MinerParts) {
    const {options, lifetime, node, book, images, secrets, store, data} = parts
    const {now, random, log, client, nodeKey, monotonicMs, runtime} = options
    this.node = node
    this.#options = options
    this.#lifetime = lifetime
    this.#book = book
    this.#store = store
    this.#startedAtMs = now()
    this.#keptStatus = new KeptStatus(options)
    this.#meter = new WorkMeter(monotonicMs)
    this.#outbox = new ReceiptOutbox({store, client, random, log})
    this.#parts = parts
    this.#logs = new LogRing((container, bytes) => parts.positions.set(container, bytes))
    ;({instances: this.#instances, resting: this.#resting} = this.#createInstances())
    this.#rules = createHostRules(options, {
      instances: this.#instances,
      data,
      onRest: ({ends}) => void this.#rest(ends),
      onWork: () => this.#goOn()
    })
    const shared = {book, store, images, secrets, instances: this.#instances, now, monotonicMs, log, signal: lifetime.signal}
    this.#requests = this.#createRequests(shared)
    this.#links = new GatewayLinks({
      network: options.network.id,
      nodeKey,
      now,
      monotonicMs,
      log,
      onClockSkew: () => void mendClock(options, lifetime.signal),
      isLeased: () => book.current(now()).length > 0,
      greet: (gateway) => this.#greeting(gateway),
      onMessage: (gateway, message) => this.#requests.handle(gateway, message),
      onBind: (gateway, instance, socket, head) => this.#requests.bind(gateway, instance, socket, head),
      unsigned: {meter: this.#meter, store, onLeft: (id) => this.#housekeeping.gatewaysGone([id]), times: options.unsigned}
    })
    this.#housekeeping = new Housekeeping({
      ...shared,
      resting: this.#resting,
      names: parts.names,
      positions: parts.positions,
      tellResting: (waiting) => this.#links.broadcast({type: 'resting', waiting: [...waiting]}),
      runtime,
      meter: this.#meter,
      random,
      lostSinceMs: (gateway) => this.#links.lostSinceMs(gateway),
      isBudgetEmpty: this.#requests.isBudgetEmpty
    })
    const counted = countedHeartbeats({client, logs: this.#logs, data})
    const told = {...counted, describe: () => this.#heartbeat(), idleTable: () => book.idleVersion(now()), secrets}
    this.#heartbeats = new Heartbeats({...told, now, random, log, onLook: () => this.#saveStatus()})
  }

  #createRequests(
    shared: Omit<GatewayRequestsOptions, 'signer' | 'isDraining' | 'hasData' | 'onFailure' | 'send' | 'onCrash'>
  ): GatewayRequests {
    const {network, nodeKey, now, log} = this.#options
    return new GatewayRequests({
      ...shared,
      signer: new ReceiptSigner({network: network.id, nodeKey, store: this.#store, meter: this.#meter, now, log, onSigned: this.#signed}),
      isDraining: () => this.#takesNoWork,
      hasData: () => this.#rules.hasData,
      onFailure: this.#failed,
      send: (gateway, message) => this.#links.send(gateway, message),
      onCrash: this.#crash.resolve
    })
  }

  async start(signal: AbortSignal): Promise<void> {
    const life = this.#lifetime.signal
    const {client, random, log} = this.#options
    const accepted = await this.#heartbeats.beat(AbortSignal.any([signal, life]))
    if (!accepted) log.warn({table: this.#book.version}, 'the coordinator does not answer; going on with the table on disk')
    this.#tableChanged()
    const feed = {client, book: this.#book, heartbeats: this.#heartbeats, random, log, onNewer: () => this.#tableChanged()}
    const loops = [
      followTable(feed, life),
      this.#outbox.run(life),
      this.#heartbeats.run(life),
      this.#housekeeping.run(life),
      this.#rules.run(life),
      this.#links.run(life)
    ]
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
    await Promise.all([...this.#loops, this.#parts.images.settled(), this.#parts.secrets.settled()])
    await Promise.all([this.#rules.save(), this.#parts.names.saved, this.#parts.positions.saved])
    await this.#saveStatus()
    this.#store.close()
    return report
  }

  async apply(terms: OwnerTerms): Promise<void> {
    await this.#rules.apply(terms)
    await this.#resting.fit()
    await this.#heartbeats.beat(this.#lifetime.signal).catch(() => false)
    await this.#saveStatus()
  }

  get crashed(): Promise<unknown> {
    return this.#crash.promise
  }

  get status(): MinerStatus {
    return describeStatus(this.#statusParts)
  }

  get #statusParts(): StatusParts {
    return {
      ...this.#parts,
      node: this.node,
      nowMs: this.#options.now(),
      startedAtMs: this.#startedAtMs,
      isDraining: this.#draining,
      heartbeats: this.#heartbeats,
      links: this.#links,
      instances: this.#instances,
      resting: this.#resting,
      logs: this.#logs,
      rules: this.#rules
    }
  }

  #createInstances(): ReturnType<typeof createInstances> {
    const {probe, images, names, positions, secrets, lifetime} = this.#parts
    return createInstances(this.#options, {
      probe,
      images,
      names,
      positions,
      secrets,
      meter: this.#meter,
      logs: this.#logs,
      rules: () => this.#rules,
      dialCalls: (caller, signal) => this.#links.openCalls(caller, signal),
      wanted: () => (this.#takesNoWork ? NOTHING : this.#book.revisions(this.#options.now(), this.#store.emptyLeases)),
      onEnded: ({instance, gateway}, exit) => this.#links.send(gateway, {type: 'ended', instance, ...exit}),
      onFailure: this.#failed,
      signal: lifetime.signal
    })
  }

  /** The owner lets the machine rest: gateways send nothing new, and what runs comes to its end. */
  async #rest(ends: 'finish' | 'at-once'): Promise<void> {
    this.#links.broadcast({type: 'draining'})
    if (ends === 'at-once') await this.#instances.endAll(0)
    else await finishWork(this.#instances, this.#options.monotonicMs)
    await this.#saveStatus()
  }

  /** A gateway takes a node that said it drains for one that works when it meets it anew. */
  #goOn(): void {
    if (this.#draining) return
    this.#links.sync([])
    this.#links.sync(this.#book.gateways)
    this.#housekeeping.tableChanged()
  }

  get #takesNoWork(): boolean {
    return this.#draining || this.#rules.isResting
  }

  #heartbeat(): Omit<Heartbeat, 'logs'> {
    const {architecture, name: runtime} = this.#parts.probe
    const enforcesLimits = takesWork(this.#options, this.#parts.probe)
    const {version} = this.#options
    const machine = {architecture, runtime, enforcesLimits, ...(version !== undefined && {version})}
    return {node: this.node, ...lent(this.#rules.terms), ...machine, draining: this.#takesNoWork, ...this.#instances.described}
  }

  #greeting(gateway: GatewayEntry): readonly MinerMessage[] {
    const {isBudgetEmpty} = this.#requests
    const held = {instances: this.#instances, resting: this.#resting, book: this.#book}
    return greeting(gateway, {...held, isBudgetEmpty, nowMs: this.#options.now(), takesNoWork: this.#takesNoWork})
  }

  /** The org hears of it among what its function printed. */
  readonly #failed: InstancesOptions['onFailure'] = ({instance, revision}, failure, words) => {
    this.#logs.add({revision, instance, atMs: this.#options.now(), line: words, failure})
    this.#heartbeats.hurry()
  }

  readonly #signed: ReceiptSignerOptions['onSigned'] = ({id}, proposal) => {
    this.#links.signed(proposal)
    this.#outbox.added()
    if (this.#requests.isBudgetEmpty(id)) this.#links.broadcast({type: 'budget_empty', lease: id})
  }

  #tableChanged(): void {
    if (this.#book.version >= 0) this.#firstTable.resolve()
    this.#housekeeping.tableChanged()
    this.#housekeeping.gatewaysGone(this.#links.sync(this.#book.gateways))
  }

  async #saveStatus(): Promise<void> {
    await this.#keptStatus.save(this.#statusParts)
  }
}
