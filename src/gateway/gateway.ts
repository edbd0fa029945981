import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import type {RoutesTable} from '../core/protocol/tables.ts'
import type {MinerMessage} from '../core/protocol/tunnel.ts'
import {hostName, indexRoutes, type RoutingIndex} from '../core/routing.ts'
import {gatewayIdOf} from '../identity/keys.ts'
import {createTunnelServer, type TunnelServer} from '../tunnel/accept.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import {selfSignedCertificate} from '../tunnel/self-signed.ts'
import {createAdminServer, type GatewayStatus} from './admin-server.ts'
import {PageAssets} from './assets/page-assets.ts'
import {AsyncCalls} from './async/async-calls.ts'
import {NodeConduct} from './conduct.ts'
import {ConductReports} from './conduct-reports.ts'
import {everyUnlessBusy} from './every.ts'
import {Fleet} from './fleet.ts'
import type {GatewayOptions} from './gateway-options.ts'
import type {HttpServer} from './http/http-server.ts'
import type {LeaseBudgets} from './lease-budgets.ts'
import {type Listening, listenOn} from './listen.ts'
import type {Meter, Work, WorkOf} from './meter.ts'
import {type OpenedMeter, openMeter} from './open-meter.ts'
import {createPublicServer} from './public-server.ts'
import {ReachProbes} from './reach-probes.ts'
import {ReceiptDesk} from './receipts.ts'
import {RequestLimits} from './request-limits.ts'
import {RoutesStore} from './routes-store.ts'
import type {ServeOptions} from './serve-request.ts'
import {DEFAULT_SETTINGS, type GatewaySettings} from './settings.ts'
import {StandbyWatch} from './standby-watch.ts'
import {TableIndex} from './table-index.ts'
import {TrafficMetrics} from './traffic-metrics.ts'

/** Length of a receipt's window. */
export const WINDOW_MS = 10_000
const SAVE_MS = 1000
/** Miners get this long to sign the last window of a gateway that stops. */
const LAST_SIGNATURES_MS = 2000

export interface Gateway {
  readonly id: string
  readonly publicUrl: string
  readonly tunnelUrl: string
  status(): GatewayStatus
  /** Takes up other settings for all requests from now on. @throws {CreoError} `conflict` when TLS would begin or end. */
  useSettings(settings: GatewaySettings): void
  close(): Promise<void>
}

/**
 * Starts a gateway from what is on its disk. It needs the coordinator only to learn of changes.
 * @throws {CreoError} `port_taken`, `failed` when its files are damaged.
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  await mkdir(options.dataDirectory, {recursive: true, mode: 0o700})
  const running = new RunningGateway(options, await openMeter(options))
  await running.start()
  return running
}

class RunningGateway implements Gateway {
  readonly id: string
  readonly #options: GatewayOptions
  readonly #meter: Meter
  readonly #budgets: LeaseBudgets
  readonly #fleet: Fleet
  readonly #tunnel: TunnelServer
  readonly #routes: RoutesStore
  readonly #desk: ReceiptDesk
  readonly #standby: StandbyWatch
  readonly #reach: ReachProbes
  readonly #metrics = new TrafficMetrics()
  readonly #conduct = new NodeConduct()
  #reports: ConductReports | undefined
  readonly #stop = new AbortController()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #limits: RequestLimits
  readonly #calls: AsyncCalls
  readonly #assets: PageAssets
  #settings: GatewaySettings
  #keys = new Map<string, string>()
  /** Where the public asks, as the table says. */
  #address: string | undefined
  #routing: RoutingIndex | undefined
  #following: Promise<void> = Promise.resolve()
  /** Serves the public, and functions that call each other. */
  #http: HttpServer | undefined
  #public: Listening | undefined
  #admin: Listening | undefined

  constructor(options: GatewayOptions, {meter, budgets}: OpenedMeter) {
    const {key, network, log, now, coordinatorKey} = options
    this.id = gatewayIdOf(key.publicKey)
    this.#options = options
    this.#meter = meter
    this.#budgets = budgets
    this.#settings = options.settings ?? DEFAULT_SETTINGS
    this.#limits = new RequestLimits(() => this.#settings.limits)
    const publicKeyOf = (node: string): string | undefined => this.#keys.get(node)
    this.#tunnel = createTunnelServer({
      network,
      gatewayId: this.id,
      publicKeyOf,
      now,
      onClockSkew: () => options.onClockSkew?.(),
      calls: {
        isKnown: (caller) => this.#fleet.callerOf(caller) !== undefined,
        onCalls: (caller, socket) => this.#http?.serve(socket, {address: caller.instance, secure: false, caller})
      },
      onLink: (link) => this.#linked(link),
      onMessage: (link, message) => this.#message(link, message)
    })
    const {links} = this.#tunnel
    this.#desk = new ReceiptDesk({meter, gatewayKey: key.publicKey, publicKeyOf, links, log})
    this.#standby = this.#watchStandby(links)
    this.#reach = new ReachProbes({...options, links, publicUrl: () => this.#address, times: options.reach})
    this.#fleet = new Fleet({
      ...options,
      budgets,
      links,
      standby: this.#standby,
      conduct: this.#conduct,
      onWork: this.#onWork,
      onColdStart: ({org, app, function: name}, start) => this.#metrics.coldStart(`${org}/${app}/${name}`, start),
      onDrained: () => this.#guard(this.#closeWindow())
    })
    this.#assets = new PageAssets({fleet: this.#fleet, conduct: this.#conduct, onWork: this.#onWork, log})
    this.#calls = new AsyncCalls({
      ...options,
      choices: options.async,
      fleet: this.#fleet,
      routing: () => this.#routing,
      serve: (socket, client) => this.#http?.serve(socket, client)
    })
    const path = join(options.dataDirectory, 'routes.json')
    this.#routes = new RoutesStore({path, network, coordinatorKey, log, onTable: (table) => this.#useTable(table)})
  }

  get publicUrl(): string {
    return this.#public?.url ?? ''
  }

  get tunnelUrl(): string {
    return this.#admin?.url ?? ''
  }

  async start(): Promise<void> {
    const {listen, tunnelListen, source, windowMs, key} = this.#options
    try {
      await this.#routes.load()
      this.#http = createPublicServer(this.#serving())
      const admin = createAdminServer({
        tunnel: this.#tunnel,
        ...(!isLoopback(tunnelListen.host) && {tls: selfSignedCertificate(key, this.id)}),
        status: () => this.status(),
        standing: () => this.#standing(),
        metrics: () => this.#metricsText()
      })
      this.#admin = await listenOn(admin, tunnelListen)
      this.#public = await listenOn(this.#http, listen)
      await this.#calls.load()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#timers.push(everyUnlessBusy(SAVE_MS, () => this.#save(), this.#options.onFatal))
    this.#timers.push(everyUnlessBusy(windowMs ?? WINDOW_MS, () => this.#closeWindow(), this.#options.onFatal))
    this.#reports = this.#reportConduct()
    this.#following = this.#routes.follow(source, this.#stop.signal)
    this.#guard(this.#following)
  }

  status(): GatewayStatus {
    const pools = [...this.#fleet.pools]
    return {
      id: this.id,
      ...this.#standing(),
      requests: this.#metrics.requestsInAll,
      unsignedReceipts: this.#meter.pendingCount,
      revisions: this.#fleet.served.map(({entry, pool}) => ({
        revision: entry.id,
        org: entry.org,
        app: entry.app,
        function: entry.function,
        requests: this.#meter.totalRequests(entry.id),
        instances: pool?.instances.size ?? 0,
        starting: pool?.starting ?? 0,
        inFlight: pool?.inFlight ?? 0,
        waiting: pool?.waiting ?? 0
      })),
      miners: [...this.#tunnel.links.values()].map((link) => ({
        node: link.node,
        instances: pools.reduce((sum, pool) => sum + [...pool.instances].filter((instance) => instance.link === link).length, 0),
        dataConnections: link.openDataSockets,
        resting: this.#fleet.resting.counts([link])
      }))
    }
  }

  #standing(): Pick<GatewayStatus, 'admitted' | 'tableVersion'> {
    return {admitted: this.#routing !== undefined, tableVersion: this.#routes.version}
  }

  useSettings(settings: GatewaySettings): void {
    if ((settings.tls === undefined) !== (this.#settings.tls === undefined)) {
      throw new CreoError('conflict', 'TLS begins or ends only when the gateway is started anew.', {hint: 'Restart it.'})
    }
    this.#settings = settings
    this.#public?.useLimits({connections: settings.limits.connections, tls: settings.tls})
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all([this.#reach.close(), this.#reports?.close()])
    await Promise.all([this.#calls.close(), this.#public?.close()])
    this.#fleet.close()
    try {
      await this.#closeWindow()
      await this.#untilSigned()
    } finally {
      // Also when the disk is full: a process that cannot count must end.
      this.#tunnel.close()
      await this.#admin?.close()
    }
    // Its failure went to `onFatal` already.
    await this.#following.catch(() => undefined)
    await this.#meter.save()
  }

  #serving(): ServeOptions {
    const {monotonicMs, random, log} = this.#options
    return {
      fleet: this.#fleet,
      routing: () => this.#routing,
      onWork: this.#onWork,
      metrics: this.#metrics,
      conduct: this.#conduct,
      calls: this.#calls.endpoint,
      assets: this.#assets,
      reach: this.#reach,
      limits: this.#limits,
      settings: () => this.#settings,
      monotonicMs,
      random,
      log
    }
  }

  readonly #onWork = (of: WorkOf, work: Work): void => {
    this.#meter.count(of, work)
    // Nobody works for nothing: no further request begins, what is under way comes to its end.
    if (this.#budgets.takeRanDry()) this.#fleet.endUnleased()
    const {bytesIn = 0, bytesOut = 0} = work
    if (bytesIn + bytesOut > 0) this.#metrics.moved({in: bytesIn, out: bytesOut})
  }

  #useTable(table: RoutesTable): void {
    const own = table.gateways.find((gateway) => gateway.id === this.id)
    this.#keys = new Map(table.nodes.map((node) => [node.id, node.publicKey]))
    this.#address = own?.publicUrl
    this.#routing = own === undefined ? undefined : indexRoutes(table, [hostName(new URL(own.publicUrl).host)], this.#settings.localApp)
    const index = new TableIndex(table)
    this.#budgets.update(index)
    this.#standby.update(table)
    this.#fleet.update(index)
    this.#calls.useTable(index)
    this.#tunnel.nodesChanged()
    for (const link of this.#tunnel.links.values()) if (!this.#keys.has(link.node)) link.close()
  }

  #watchStandby(links: ReadonlyMap<string, MinerLink>): StandbyWatch {
    const {now, monotonicMs, log, probes: times} = this.#options
    return new StandbyWatch({
      gateway: this.id,
      fleet: () => this.#fleet,
      links,
      now,
      monotonicMs,
      log,
      times,
      propose: (of, stood) => this.#guard(this.#meter.proposeStandby(of, stood).then((proposals) => this.#desk.propose(proposals)))
    })
  }

  #reportConduct(): ConductReports | undefined {
    const {conductSink: sink, conductEveryMs: everyMs, now, log} = this.#options
    return sink && new ConductReports({gateway: this.id, conduct: this.#conduct, sink, now, log, everyMs})
  }

  #linked(link: MinerLink): void {
    this.#options.log.info({node: link.node}, 'miner connected')
    this.#desk.proposeAgain(link)
    void link.closed.then((reason) => {
      this.#options.log.info({node: link.node, code: reason.code}, 'miner disconnected')
      this.#fleet.lose(link)
    })
  }

  #message(link: MinerLink, message: MinerMessage): void {
    this.#fleet.handleMessage(link, message)
    this.#guard(this.#desk.handle(link, message))
  }

  async #save(): Promise<void> {
    this.#fleet.accrue()
    await this.#meter.save()
    this.#fleet.endUnleased()
    this.#standby.look()
    this.#reach.look()
  }

  async #closeWindow(): Promise<void> {
    await this.#save()
    this.#desk.propose(await this.#meter.closeWindow())
  }

  /** Waits for the signatures of connected miners, as long as that makes sense. */
  async #untilSigned(): Promise<void> {
    const connected = [...this.#tunnel.links.values()]
    const deadline = AbortSignal.timeout(LAST_SIGNATURES_MS)
    while (!deadline.aborted && connected.some((link) => this.#meter.pendingOf(link.node).length > 0)) await this.#meter.settled(deadline)
  }

  #metricsText(): string {
    const {links} = this.#tunnel
    const {pools, resting} = this.#fleet
    const facts = {miners: links.size, unsigned: this.#meter.pendingCount, calls: this.#calls.counts}
    return this.#metrics.text({pools, resting: resting.counts(links.values()), ...facts})
  }

  /** Work that cannot be counted or stored must not go on unpaid and unnoticed. */
  #guard(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.onFatal(error))
  }
}
