import {setTimeout as wait} from 'node:timers/promises'
import {CreoError, isCreoError} from '../core/errors.ts'
import {
  type Caller,
  type GatewayMessage,
  gatewayMessageSchema,
  type MinerMessage,
  minerMessageSchema,
  TUNNEL_BUSY_PING_MS
} from '../core/protocol/tunnel.ts'
import {backoffMs, failuresAfter} from './backoff.ts'
import {openControlChannel} from './control-channel.ts'
import {DataConnections, type OnBind} from './data-connections.ts'
import {dialUpgrade, randomToken, type TunnelDial, type UpgradedSocket} from './dial-upgrade.ts'

/** Instances that one line of `ready` tells, with the longest ids within TUNNEL_LINE_MAX. */
const READY_INSTANCES_PER_LINE = 400

export interface TunnelSession {
  send(message: MinerMessage): void
  /**
   * Opens a connection for what an instance calls; it lives on when the session ends.
   * @throws {CreoError} what the gateway refused with; `unavailable`, `timeout`, `interrupted` by the signal.
   */
  openCalls(caller: Pick<Caller, 'instance' | 'lease'>, signal: AbortSignal): Promise<UpgradedSocket>
  /** Keeps so many idle data connections to this gateway from now on. */
  keepIdle(count: number): void
  close(): void
  /** Resolves with why it ended; connections that are bound live on until their own end, unless the gateway was silent for too long. */
  readonly closed: Promise<CreoError>
  /** Idle and bound data connections. */
  readonly dataConnections: number
  /** How long the gateway took to answer the last ping; undefined before it has answered one. */
  readonly roundTripMs: number | undefined
}

export interface ConnectTunnelOptions extends TunnelDial {
  /** Everything but `dial`, `ping` and `pong`. */
  onMessage(message: GatewayMessage): void
  readonly onBind: OnBind
  /** Idle data connections to begin with; `TUNNEL_IDLE_MAX` when left out. Asked once the session stands. */
  readonly idle?: () => number
  readonly pingMs?: number
  readonly silenceMaxMs?: number
}

/**
 * The miner's end of the tunnel to one gateway: dials the control connection and keeps data connections ready behind it.
 * @throws {CreoError} what the gateway refused with; `unavailable` or `timeout` when it does not answer.
 */
export async function connectTunnel(options: ConnectTunnelOptions): Promise<TunnelSession> {
  const {socket, head} = await dialUpgrade(options, {kind: 'control'})
  const ended = new AbortController()
  const data = new DataConnections({...options, signal: ended.signal}, options.onBind)
  const channel = openControlChannel({
    socket,
    head,
    schema: gatewayMessageSchema,
    outgoing: minerMessageSchema,
    onMessage: (message) => (message.type === 'dial' ? data.open(message.count) : options.onMessage(message)),
    bytesElsewhere: () => data.bytesRead,
    busyPingMs: options.pingMs ?? TUNNEL_BUSY_PING_MS,
    ...(options.pingMs !== undefined && {pingMs: options.pingMs}),
    ...(options.silenceMaxMs !== undefined && {silenceMaxMs: options.silenceMaxMs})
  })
  const close = (): void => channel.close()
  options.signal.addEventListener('abort', close, {once: true})
  if (options.signal.aborted) close()
  const closed = channel.closed.then((reason) => {
    options.signal.removeEventListener('abort', close)
    ended.abort()
    if (reason.code === 'timeout') data.cut()
    return reason
  })
  const keepIdle = (count: number): void => {
    channel.send({type: 'idle', max: count})
    data.keepIdle(count)
  }
  if (options.idle === undefined) data.refill()
  else keepIdle(options.idle())
  channel.ping()
  return {
    send: (message) => {
      for (const line of linesOf(message)) channel.send(line)
    },
    openCalls: (caller, signal) => dialUpgrade({...options, signal: AbortSignal.any([signal, ended.signal])}, {kind: 'calls', caller}),
    keepIdle,
    close,
    closed,
    get dataConnections() {
      return data.total
    },
    get roundTripMs() {
      return channel.roundTripMs
    }
  }
}

/** A gateway adds up what several `ready` tell. */
function linesOf(message: MinerMessage): readonly MinerMessage[] {
  if (message.type !== 'ready' || message.instances.length <= READY_INSTANCES_PER_LINE) return [message]
  const lines: MinerMessage[] = []
  for (let from = 0; from < message.instances.length; from += READY_INSTANCES_PER_LINE) {
    lines.push({...message, instances: message.instances.slice(from, from + READY_INSTANCES_PER_LINE)})
  }
  return lines
}

export interface KeepTunnelOptions extends Omit<ConnectTunnelOptions, 'session' | 'onMessage' | 'onHeld'> {
  /** A new session stands; send `ready` first. */
  onSession(session: TunnelSession): void
  onMessage(message: GatewayMessage, session: TunnelSession): void
  /** Why a session ended or could not be had; it is tried again after `retryMs`, or being waited for where that is 0. `retryNow` ends the wait. */
  onLost(reason: CreoError, retryMs: number, retryNow: () => void): void
  /** How long to wait at least after such an end; nothing when left out. */
  readonly retryLeastMs?: (reason: CreoError) => number
}

/** Keeps one session to a gateway until the signal fires, waiting 0.1 s to 30 s longer after each failure. */
export async function keepTunnel(options: KeepTunnelOptions): Promise<void> {
  const {signal} = options
  let failures = 0
  while (!signal.aborted) {
    const {reason, lastedMs} = await runSession(options)
    failures = failuresAfter(failures, lastedMs)
    if (signal.aborted) return
    const retryMs = Math.round(Math.max(backoffMs(failures, Math.random()), options.retryLeastMs?.(reason) ?? 0))
    const hurried = new AbortController()
    options.onLost(reason, retryMs, () => hurried.abort())
    await wait(retryMs, undefined, {signal: AbortSignal.any([signal, hurried.signal])}).catch(() => undefined)
  }
}

async function runSession(options: KeepTunnelOptions): Promise<{readonly reason: CreoError; readonly lastedMs: number}> {
  try {
    let session: TunnelSession | undefined
    const early: GatewayMessage[] = []
    session = await connectTunnel({
      ...options,
      session: randomToken(),
      onHeld: () => {
        const reason = new CreoError('unauthorized', 'The gateway does not know this node yet; it answers when it does.')
        options.onLost(reason, 0, () => undefined)
      },
      onMessage: (message) => {
        if (session === undefined) early.push(message)
        else options.onMessage(message, session)
      }
    })
    const stoodAt = performance.now()
    options.onSession(session)
    for (const message of early) options.onMessage(message, session)
    const reason = await session.closed
    return {reason, lastedMs: performance.now() - stoodAt}
  } catch (error) {
    const reason = isCreoError(error) ? error : new CreoError('internal', 'The tunnel could not be dialled.', {cause: error})
    return {reason, lastedMs: 0}
  }
}
