import {randomBytes, randomInt} from 'node:crypto'
import {request} from 'undici'
import {CreoError} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import type {Genesis} from '../core/protocol/genesis.ts'
import {type NodeProbes, PROBED_TEXT_BYTES_MAX, type Probed, probedSchema, WORK_PROBES_PATH} from '../core/protocol/work-probes.ts'
import {signRequest} from '../identity/http-signatures.ts'
import type {KeyPair} from '../identity/keys.ts'
import {type SignedTime, verifyTime} from '../identity/time.ts'
import type {GatewayView, Ledger} from '../ledger/port.ts'
import type {Log} from '../telemetry/log.ts'
import type {ProbeRecord} from './probe-record.ts'

/** The exchange's app, and the function of it through which the network's time is read, as its page does when it is opened. */
const APP = 'exchange'
const READS = '/quotes'
/** Probes of an epoch on average, within these times: a page's first read now and then is what they look like, and what they cost. */
const PER_EPOCH = 10
const BETWEEN_MIN_MS = 60_000
const BETWEEN_MAX_MS = 600_000
/** Instances are started for it, as for anybody. */
const ANSWER_MAX_MS = 35_000
/** A text of control characters is six times as long in JSON: a host must not make its own answer one that is not taken. */
const ANSWER_BYTES_MAX = 6 * PROBED_TEXT_BYTES_MAX + 4096
/** What took longer, or says another time, is no good answer. */
const GOOD_MS = 15_000
const CLOCK_MAX_MS = 60_000
/** Revisions of the app, and leases of a node, that are looked at for whether a gateway may name it: the newest. */
const REVISIONS_LOOKED_AT = 200
const LEASES_LOOKED_AT = 300
/** After a lease's end, in which a gateway may still name its node: it was asked before, or its table is behind. */
const LEASE_OVER_MS = 3600_000
const NONCE_BYTES = 16
const OK = 200

export interface WorkProbesTools {
  readonly ledger: Pick<Ledger, 'reads' | 'nowMs'>
  readonly key: KeyPair
  readonly genesis: Genesis
  readonly record: ProbeRecord
  readonly log: Log
  /** Whole numbers below this one, by chance: a test has its own. */
  readonly draw?: (below: number) => number
}

/**
 * Asks the exchange's hosts for something that only the coordinator can sign, at times that nobody knows before and by way of gateways, so that to the host it is
 * one more visitor of the page. How each answered lately weighs the work that receipts count.
 */
export class WorkProbes {
  readonly #tools: WorkProbesTools
  readonly #draw: (below: number) => number
  #closing: {readonly epoch: number; readonly probes: readonly NodeProbes[]} | undefined
  #nextAtMs: number | undefined
  #asking: Promise<void> | undefined

  constructor(tools: WorkProbesTools) {
    this.#tools = tools
    this.#draw = tools.draw ?? ((below) => randomInt(below))
  }

  /** Begins a probe when its time has come. It does not wait for it. */
  tick(signal: AbortSignal): void {
    const nowMs = this.#tools.ledger.nowMs()
    this.#nextAtMs ??= nowMs + this.#pauseMs()
    if (nowMs < this.#nextAtMs || this.#asking !== undefined) return
    this.#nextAtMs = nowMs + this.#pauseMs()
    this.#asking = this.probe(signal)
      .catch((error: unknown) => this.#tools.log.info({err: error}, 'a probe of the exchange was not asked'))
      .finally(() => {
        this.#asking = undefined
      })
  }

  /** What an epoch is closed with: how each node has answered lately, the same each time that it is tried. */
  forEpoch(epoch: number): readonly NodeProbes[] {
    const {record, ledger} = this.#tools
    if (this.#closing?.epoch !== epoch) this.#closing = {epoch, probes: record.lately(ledger.nowMs())}
    return this.#closing.probes
  }

  /** Asks once, where there is something to ask. A gateway's own fault tells against nobody. */
  async probe(signal: AbortSignal): Promise<void> {
    const {ledger, genesis} = this.#tools
    const org = genesis.exchangeOrg
    const isThere = ledger.reads.app(org, APP)?.routes.some(({path}) => path === READS) ?? false
    const gateways = ledger.reads.gateways()
    const gateway = gateways[gateways.length === 0 ? 0 : this.#draw(gateways.length)]
    if (!isThere || gateway === undefined) return
    const nonce = randomBytes(NONCE_BYTES).toString('base64url')
    const probed = await this.#ask(gateway, {org, path: `${READS}/v1/time?nonce=${nonce}`}, signal)
    const last = probed.nodes.at(-1)
    const revisions = new Set(ledger.reads.revisions({org, app: APP, limit: REVISIONS_LOOKED_AT}).map(({id}) => id))
    // Once each, however often a gateway names it.
    for (const node of new Set(probed.nodes)) {
      if (this.#isHost(node, revisions)) this.#count(node, node === last && this.#isGood(probed, nonce))
      else this.#tools.log.info({node, gateway: gateway.name}, 'a gateway named a node for a probe that has no lease of the exchange')
    }
    await this.#save()
  }

  /** Call it once the signal of the ticks has fired. */
  async close(): Promise<void> {
    await this.#asking
  }

  #pauseMs(): number {
    const parts = 2 ** 32
    return pauseOf(this.#tools.genesis.emission.epochMs, (1 + this.#draw(parts)) / parts)
  }

  /** A gateway's word counts for those alone that hold, or held lately, a lease of the app: who it makes up pushes nobody out. */
  #isHost(node: string, revisions: ReadonlySet<string>): boolean {
    const {ledger} = this.#tools
    const sinceMs = ledger.nowMs() - LEASE_OVER_MS
    return ledger.reads
      .leases({node, limit: LEASES_LOOKED_AT})
      .some(({revision, endsAtMs}) => revisions.has(revision) && endsAtMs > sinceMs)
  }

  #count(node: string, isGood: boolean): void {
    const {record, ledger, log} = this.#tools
    record.count(node, isGood, ledger.nowMs())
    if (!isGood) log.info({node}, 'a host of the exchange did not answer a probe as it should')
  }

  async #save(): Promise<void> {
    const {record, log} = this.#tools
    await record.save().catch((error: unknown) => log.warn({err: error}, 'what a probe found is not on disk: a start now would forget it'))
  }

  #isGood({status, text, ms}: Probed, nonce: string): boolean {
    const {ledger, key} = this.#tools
    if (status !== OK || ms > GOOD_MS) return false
    try {
      const time = JSON.parse(text) as SignedTime
      return verifyTime(time, {nonce, coordinatorKey: key.publicKey}) && Math.abs(time.atMs - ledger.nowMs()) <= CLOCK_MAX_MS
    } catch {
      return false
    }
  }

  async #ask(
    {publicUrl, name}: GatewayView,
    {org, path}: {readonly org: string; readonly path: string},
    signal: AbortSignal
  ): Promise<Probed> {
    const {key, ledger} = this.#tools
    const at = new URL(publicUrl)
    const label = `${APP}--${org}`
    const asked = isLoopback(at.hostname) ? {host: at.host, path: `/@${label}${path}`} : {host: `${label}.${at.host}`, path}
    const body = JSON.stringify({...asked, address: this.#address()})
    const url = new URL(WORK_PROBES_PATH, publicUrl).href
    const headers = {...signRequest({method: 'POST', url, key, nowMs: ledger.nowMs(), body}), 'content-type': 'application/json'}
    const ending = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MAX_MS)])
    const {statusCode, body: answer} = await request(url, {method: 'POST', headers, body, signal: ending})
    let text = ''
    for await (const piece of answer) {
      text += String(piece)
      if (text.length > ANSWER_BYTES_MAX) throw new CreoError('bad_gateway', `The gateway ${name} answers too much.`)
    }
    if (statusCode !== OK) throw new CreoError('bad_gateway', `The gateway ${name} answered ${statusCode}.`)
    return probedSchema.parse(JSON.parse(text))
  }

  /** Of a household somewhere: what is kept for private and special use is left out by its first byte. */
  #address(): string {
    const first = [24, 31, 41, 62, 77, 80, 86, 90, 105, 154, 176, 188, 197][this.#draw(13)] ?? 41
    return [first, this.#draw(256), this.#draw(256), 1 + this.#draw(254)].join('.')
  }
}

/** Until the next probe, ms: exponential, so that the time since the last one says nothing of it. @param chance above 0, at most 1. */
export function pauseOf(epochMs: number, chance: number): number {
  const mean = Math.min(BETWEEN_MAX_MS, Math.max(BETWEEN_MIN_MS, Math.floor(epochMs / PER_EPOCH)))
  return Math.ceil(-mean * Math.log(chance))
}
