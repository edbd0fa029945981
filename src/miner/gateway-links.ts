import type {Duplex} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import type {ReceiptProposal} from '../core/protocol/receipts.ts'
import {type GatewayMessage, type MinerMessage, TUNNEL_REACH_BIND} from '../core/protocol/tunnel.ts'
import {shareIdle} from '../core/share-idle.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Log} from '../telemetry/log.ts'
import {keepTunnel, type TunnelSession} from '../tunnel/dial.ts'
import type {UpgradedSocket} from '../tunnel/dial-upgrade.ts'
import {pause} from './backoff.ts'
import type {ContainerCaller} from './held-container.ts'
import type {GatewayEntry} from './lease-book.ts'
import type {MinerStore} from './miner-store.ts'
import {echoLine, NEVER_TESTED, type Reach, reachAfter} from './reach.ts'
import {UNSIGNED_TIMES, type UnsignedTimes, UnsignedWindows} from './unsigned-windows.ts'
import type {WorkMeter} from './work-meter.ts'

export interface GatewayLinksOptions {
  readonly network: string
  readonly nodeKey: KeyPair
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly log: Log
  /** A gateway says that this machine's clock is wrong. */
  readonly onClockSkew: () => void
  /** Gateways know nodes by their leases. Always true when left out. */
  readonly isLeased?: () => boolean
  /** What a gateway is told first on each session. */
  readonly greet: (gateway: GatewayEntry) => readonly MinerMessage[]
  readonly onMessage: (gateway: GatewayEntry, message: GatewayMessage) => void
  readonly onBind: (gateway: GatewayEntry, instance: string, socket: Duplex, head: Buffer) => void
  readonly unsigned: {
    readonly meter: Pick<WorkMeter, 'movedBytes'>
    /** While this node itself can sign nothing no gateway is to blame. */
    readonly store: Pick<MinerStore, 'hasRoom'>
    /** A gateway is left, and what it started here is nobody's. */
    readonly onLeft: (gateway: string) => void
    readonly times?: UnsignedTimes | undefined
  }
}

interface GatewayReach extends Reach {
  readonly id: string
  readonly name: string
  readonly connected: boolean
  /** How long it took to answer the last ping through the tunnel; null before it has. */
  readonly roundTripMs: number | null
  /** When a gateway is tried again that had nothing signed; null for one that was not left. */
  readonly leftUntilMs: number | null
}

interface LeftGateway {
  readonly entry: GatewayEntry
  /** By the monotonic clock, and by the wall's. */
  readonly untilMs: number
  readonly untilAtMs: number
}

interface Link {
  readonly entry: GatewayEntry
  readonly stop: AbortController
  /** Resolves after the first attempt, however it went. */
  readonly tried: Promise<void>
  readonly ended: Promise<void>
  session: TunnelSession | undefined
  lostSinceMs: number | undefined
  /** When a connection was last bound, by the monotonic clock. */
  usedAtMs: number | undefined
  /** What the gateway said of the way from its public address. */
  reach: Reach
  /** Idle data connections that it may keep. */
  idle: number
  /** Ends the wait for the next try; does nothing while a try is under way. */
  retryNow: () => void
}

/** Idle connections are shared anew for what gateways use at most so often: a connection that is moved costs a handshake. */
const SHARE_EVERY_MS = 60_000
/** After so long without traffic each gateway keeps one idle connection at most: it costs data to keep one alive, and a gateway asks for more when it needs them. */
const QUIET_AFTER_MS = 600_000
const QUIET_IDLE_MAX = 1
/** How long a node without a lease waits at most, and half of it at least, after a gateway said that it does not know it: the table with its first lease ends the wait. */
const UNLEASED_RETRY_MS = 3_600_000
/** Two uses within this are traffic; a single one is a probe. */
const TRAFFIC_GAP_MS = 60_000

/** One tunnel to each gateway of the table, dialled again for as long as the gateway is in it. */
export class GatewayLinks {
  readonly #options: GatewayLinksOptions
  readonly #links = new Map<string, Link>()
  #sharedAtMs = Number.NEGATIVE_INFINITY
  #usedAtMs = Number.NEGATIVE_INFINITY
  #trafficAtMs: number
  #isQuiet = false
  readonly #left = new Map<string, LeftGateway>()
  readonly #times: UnsignedTimes
  readonly #unsigned: UnsignedWindows
  #listed: readonly GatewayEntry[] = []

  constructor(options: GatewayLinksOptions) {
    const {monotonicMs, unsigned} = options
    const {meter, times = UNSIGNED_TIMES} = unsigned
    this.#options = options
    this.#times = times
    this.#trafficAtMs = monotonicMs()
    this.#unsigned = new UnsignedWindows({times, monotonicMs, bytesOf: (gateway) => meter.movedBytes(gateway)})
  }

  get all(): readonly GatewayReach[] {
    const held = [...this.#links.values()].map(({entry, session, reach}) => {
      const roundTripMs = session?.roundTripMs === undefined ? null : Math.round(session.roundTripMs)
      return {id: entry.id, name: entry.name, connected: session !== undefined, roundTripMs, leftUntilMs: null, ...reach}
    })
    const left = [...this.#left.values()].map(({entry: {id, name}, untilAtMs}) => {
      return {id, name, connected: false, roundTripMs: null, leftUntilMs: untilAtMs, ...NEVER_TESTED}
    })
    return [...held, ...left]
  }

  /**
   * Dials new gateways, leaves those that are gone, dials anew where the address has changed. A gateway that could not be reached or did not
   * know this node is not waited for any longer: a newer table is why it may now. Answers who is gone.
   */
  sync(gateways: readonly GatewayEntry[]): readonly string[] {
    this.#listed = gateways
    const gone: string[] = []
    const lost = new Map([...this.#links].map(([id, link]) => [id, link.lostSinceMs]))
    for (const [id, link] of this.#links) {
      const entry = gateways.find((gateway) => gateway.id === id)
      const isSame = entry?.tunnelUrl === link.entry.tunnelUrl && entry.publicKey === link.entry.publicKey
      if (isSame) {
        link.retryNow()
        continue
      }
      link.stop.abort()
      this.#links.delete(id)
      if (entry === undefined) gone.push(id)
    }
    const wanted = gateways.filter(({id}) => !this.#links.has(id) && !this.#left.has(id))
    for (const entry of wanted) this.#links.set(entry.id, this.#dial(entry, lost.get(entry.id)))
    this.#share()
    return gone
  }

  #share(): void {
    this.#sharedAtMs = this.#options.monotonicMs()
    const links = [...this.#links.values()]
    for (const [at, share] of shareIdle(links.map(({usedAtMs}) => usedAtMs)).entries()) {
      const link = links[at]
      const idle = this.#isQuiet ? Math.min(share, QUIET_IDLE_MAX) : share
      if (link === undefined || link.idle === idle) continue
      link.idle = idle
      link.session?.keepIdle(idle)
    }
  }

  #used(link: Link): void {
    const nowMs = this.#options.monotonicMs()
    if (nowMs - this.#usedAtMs < TRAFFIC_GAP_MS) this.#trafficAtMs = nowMs
    link.usedAtMs = nowMs
    this.#usedAtMs = nowMs
    const isAwoken = this.#isQuiet && this.#trafficAtMs === nowMs
    if (isAwoken) this.#isQuiet = false
    if (isAwoken || (link.idle === 0 && nowMs - this.#sharedAtMs >= SHARE_EVERY_MS)) this.#share()
  }

  #lookForQuiet(nowMs: number): void {
    if (this.#isQuiet || nowMs - this.#trafficAtMs < QUIET_AFTER_MS) return
    this.#isQuiet = true
    this.#share()
  }

  /** A gateway has had work of this node signed; what claims nothing pays nothing. */
  signed({gateway, requests, mibMs}: Pick<ReceiptProposal, 'gateway' | 'requests' | 'mibMs'>): void {
    if (requests + mibMs > 0) this.#unsigned.signed(gateway)
  }

  /** Leaves gateways that have nothing signed, and tries them again after a while; gives up idle connections that nobody uses. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#times.lookMs, signal)
      if (signal.aborted) return
      const connected = [...this.#links.values()].filter(({session}) => session !== undefined)
      const late = this.#unsigned.look(connected.map(({entry}) => entry.id))
      if (this.#options.unsigned.store.hasRoom())
        for (const {entry, stop} of connected) if (late.includes(entry.id)) this.#leave(entry, stop)
      const nowMs = this.#options.monotonicMs()
      this.#lookForQuiet(nowMs)
      const due = [...this.#left.values()].filter(({untilMs}) => untilMs <= nowMs)
      for (const {entry} of due) this.#left.delete(entry.id)
      if (due.length > 0) this.sync(this.#listed)
    }
  }

  #leave(entry: GatewayEntry, stop: AbortController): void {
    const {log, now, monotonicMs, unsigned} = this.#options
    const {leftForMs} = this.#times
    stop.abort()
    this.#links.delete(entry.id)
    this.#unsigned.forget(entry.id)
    this.#left.set(entry.id, {entry, untilMs: monotonicMs() + leftForMs, untilAtMs: now() + leftForMs})
    log.warn(
      {gateway: entry.id, retryMs: leftForMs},
      'a gateway is left for now: functions here worked for it, and it had no receipt of that signed'
    )
    unsigned.onLeft(entry.id)
  }

  /** Does nothing when that gateway is not connected: it is greeted with what holds when it comes back. */
  send(gateway: string, message: MinerMessage): void {
    this.#links.get(gateway)?.session?.send(message)
  }

  broadcast(message: MinerMessage): void {
    for (const link of this.#links.values()) link.session?.send(message)
  }

  /**
   * Opens a connection for what an instance calls, to its own gateway or, when that is not connected or refuses, to another one.
   * @throws {CreoError} what the last gateway said; `unavailable` when none is connected.
   */
  async openCalls({gateway, ...caller}: ContainerCaller, signal: AbortSignal): Promise<UpgradedSocket> {
    const own = this.#links.get(gateway)
    let refused: unknown = new CreoError('unavailable', 'This node reaches no gateway now.', {hint: 'Try again in a moment.'})
    for (const link of new Set([...(own === undefined ? [] : [own]), ...this.#links.values()])) {
      if (link.session === undefined) continue
      try {
        return await link.session.openCalls(caller, signal)
      } catch (error) {
        if (signal.aborted) throw error
        refused = error
      }
    }
    throw refused
  }

  /** Since when this gateway can't be reached, by the monotonic clock; for ever when nobody tries to. */
  lostSinceMs(gateway: string): number | undefined {
    const link = this.#links.get(gateway)
    return link === undefined ? Number.NEGATIVE_INFINITY : link.lostSinceMs
  }

  /** Resolves when each gateway was dialled once. */
  async tried(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.tried))
  }

  async close(): Promise<void> {
    const links = [...this.#links.values()]
    for (const link of links) link.stop.abort()
    await Promise.all(links.map((link) => link.ended))
    this.#links.clear()
  }

  #dial(entry: GatewayEntry, lostSinceMs: number | undefined): Link {
    const {network, nodeKey, now, monotonicMs, log, onClockSkew, greet, onMessage, onBind, isLeased = () => true} = this.#options
    const stop = new AbortController()
    const first = Promise.withResolvers<void>()
    const ended = keepTunnel({
      gateway: entry,
      network,
      nodeKey,
      now,
      signal: stop.signal,
      idle: () => link.idle,
      retryLeastMs: ({code}) => (code === 'unauthorized' && !isLeased() ? UNLEASED_RETRY_MS * (0.5 + Math.random() / 2) : 0),
      onSession: (session) => {
        link.session = session
        link.lostSinceMs = undefined
        for (const message of greet(entry)) session.send(message)
        log.info({gateway: entry.id}, 'tunnel stands')
        first.resolve()
      },
      onLost: (reason, retryMs, retryNow) => {
        link.session = undefined
        link.retryNow = retryNow
        link.lostSinceMs ??= monotonicMs()
        if (link.reach.reachedAtMs !== null) link.reach = reachAfter(link.reach, null, now())
        if (reason.code === 'clock_skew') onClockSkew()
        log.info({gateway: entry.id, code: reason.code, retryMs}, 'no tunnel')
        first.resolve()
      },
      onMessage: (message) => {
        if (message.type === 'reach') link.reach = reachAfter(link.reach, message.ms, now())
        else onMessage(entry, message)
      },
      onBind: (instance, socket, head) => {
        if (instance === TUNNEL_REACH_BIND) return echoLine(socket, head)
        this.#used(link)
        onBind(entry, instance, socket, head)
      }
    })
    void ended.then(() => first.resolve())
    const session = {session: undefined, lostSinceMs, usedAtMs: undefined, reach: NEVER_TESTED, idle: 0, retryNow: () => undefined}
    const link: Link = {entry, stop, tried: first.promise, ended, ...session}
    return link
  }
}
