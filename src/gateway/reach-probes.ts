import type {Duplex} from 'node:stream'
import {AgentOnly, undiciParts} from '../client/undici-parts.ts'
import {CreoError} from '../core/errors.ts'
import {bindLine, TUNNEL_REACH_BIND, TUNNEL_REACH_EVERY_MS, TUNNEL_REACH_LINE_MAX} from '../core/protocol/tunnel.ts'
import type {Log} from '../telemetry/log.ts'
import {randomToken} from '../tunnel/dial-upgrade.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import {answerError, badGateway} from './answer-error.ts'
import {answerJson} from './async/answer-json.ts'
import type {ClientCall} from './http/client-call.ts'

const REACH_PATH = '/.creo/reach/'
const FIRST_MS = 5000
/** After a test that moved nothing over the miner's line. */
const RETRY_MS = 600_000
/** The whole way there and back, both connections opened on a bad line. */
const ANSWER_MAX_MS = 15_000
const ANSWER_BYTES_MAX = 1024
const OK = 200

/** How long after its session begins a miner is probed first, how long after a probe, and after one that did not come as far as the tunnel; a test has its own. */
export interface ReachTimes {
  readonly firstMs: number
  readonly everyMs: number
  readonly retryMs: number
}

const REACH_TIMES: ReachTimes = {firstMs: FIRST_MS, everyMs: TUNNEL_REACH_EVERY_MS, retryMs: RETRY_MS}

export interface ReachProbesOptions {
  readonly links: ReadonlyMap<string, MinerLink>
  /** Where the public asks this gateway, by its table; undefined while it is not admitted. */
  readonly publicUrl: () => string | undefined
  readonly monotonicMs: () => number
  readonly log: Log
  readonly times?: ReachTimes | undefined
}

/**
 * Asks itself at its public address, now and then, for each miner: over the listener of all clients, through the tunnel, to an echo in the miner
 * and back. Tells the miner what came of it. One at a time: a name that does not resolve holds one thread of the process, and no more.
 */
export class ReachProbes {
  readonly #options: ReachProbesOptions
  readonly #times: ReachTimes
  readonly #agent = new AgentOnly({connections: 1, maxResponseSize: ANSWER_BYTES_MAX, keepAliveTimeout: 1, keepAliveMaxTimeout: 1})
  readonly #stop = new AbortController()
  readonly #dueMs = new WeakMap<MinerLink, number>()
  /** What miners that know the message were told last. */
  readonly #told = new WeakMap<MinerLink, number | null>()
  #asked: {readonly target: string; readonly token: string; readonly link: MinerLink; usedTunnel: boolean} | undefined

  constructor(options: ReachProbesOptions) {
    this.#options = options
    this.#times = options.times ?? REACH_TIMES
  }

  /** Probes a miner whose time has come, unless one is being probed. Called every second. */
  look(): void {
    const publicUrl = this.#options.publicUrl()
    if (this.#asked !== undefined || publicUrl === undefined || this.#stop.signal.aborted) return
    const nowMs = this.#options.monotonicMs()
    for (const link of this.#options.links.values()) {
      const dueMs = this.#dueMs.get(link)
      if (dueMs === undefined) this.#dueMs.set(link, nowMs + this.#times.firstMs)
      else if (dueMs <= nowMs) {
        void this.#probe(link, publicUrl)
        return
      }
    }
  }

  /** Answers a request that is a probe of ours, whose address nobody else knows. False for any other. */
  answer(call: ClientCall): boolean {
    const asked = this.#asked
    if (asked === undefined || call.head.target !== asked.target || call.head.method !== 'GET') return false
    const failed = (): void => answerError(call, badGateway('The miner did not answer.'))
    this.#echo(asked.link, asked.token).then(() => answerJson(call, OK, {token: asked.token}), failed)
    return true
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#agent.destroy()
  }

  async #probe(link: MinerLink, publicUrl: string): Promise<void> {
    const {monotonicMs, log} = this.#options
    const token = randomToken()
    const asked = {target: `${REACH_PATH}${token}`, token, link, usedTunnel: false}
    this.#asked = asked
    const beganMs = monotonicMs()
    try {
      await this.#ask(new URL(asked.target, publicUrl), token)
      this.#tell(link, Math.round(monotonicMs() - beganMs))
    } catch (error) {
      if (this.#stop.signal.aborted) return
      log.info({node: link.node, error: String(error)}, 'a miner is not reached from the public address')
      // Only a miner that knows the echo knows the message.
      if (this.#told.has(link) || (await this.#knowsEcho(link, token))) this.#tell(link, null)
    } finally {
      this.#dueMs.set(link, monotonicMs() + (asked.usedTunnel ? this.#times.everyMs : this.#times.retryMs))
      this.#asked = undefined
    }
  }

  #tell(link: MinerLink, ms: number | null): void {
    if (ms !== null || this.#told.get(link) !== null) link.send({type: 'reach', ms})
    this.#told.set(link, ms)
  }

  #knowsEcho(link: MinerLink, token: string): Promise<boolean> {
    return this.#echo(link, token).then(
      () => true,
      () => false
    )
  }

  async #ask(url: URL, token: string): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MAX_MS)])
    const {statusCode, body} = await undiciParts.request(url, {dispatcher: this.#agent, signal})
    const text = await body.text()
    if (statusCode !== OK || text !== JSON.stringify({token})) throw new CreoError('bad_gateway', `It answered ${statusCode}.`)
  }

  /** Resolves when the miner has said the token back. */
  async #echo(link: MinerLink, token: string): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MAX_MS)])
    if (this.#asked !== undefined) this.#asked.usedTunnel = true
    const socket = await link.takeDataSocket(signal)
    const cut = (): void => void socket.destroy()
    signal.addEventListener('abort', cut, {once: true})
    try {
      socket.write(`${bindLine(TUNNEL_REACH_BIND)}${token}\n`)
      if ((await lineOf(socket)) !== token) throw badGateway('The miner answered something else.')
    } finally {
      signal.removeEventListener('abort', cut)
      socket.destroy()
    }
  }
}

/** What comes before the end of a line, the connection, or the little that is read. */
async function lineOf(socket: Duplex): Promise<string> {
  let text = ''
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1')
    if (text.includes('\n') || text.length > TUNNEL_REACH_LINE_MAX) break
  }
  return text.split('\n', 1)[0] ?? ''
}
