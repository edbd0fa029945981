import type {Duplex} from 'node:stream'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {GatewayMessage, MinerMessage} from '../core/protocol/tunnel.ts'
import type {Log} from '../telemetry/log.ts'
import type {ImageCache} from './image-cache.ts'
import type {Instances, InstancesOptions} from './instances.ts'
import type {GatewayEntry, LeaseBook} from './lease-book.ts'
import type {MinerStore} from './miner-store.ts'
import type {ReceiptSigner} from './receipt-signer.ts'
import type {SecretBook} from './secret-book.ts'

/** A start waits this long for an image that is not there yet. */
const IMAGE_WAIT_MAX_MS = 170_000
/** Gateway and node learn of a lease at about the same moment: a start waits so long for the table that names it, while no more than so many do. */
const LEASE_WAIT_MAX_MS = 1000
const LEASE_WAITS_MAX = 256
const MESSAGE_MAX = 2000

type Start = Extract<GatewayMessage, {type: 'start'}>
type Stop = Extract<GatewayMessage, {type: 'stop'}>
type StartAnswer = Extract<MinerMessage, {type: 'started' | 'start_failed'}>

export interface GatewayRequestsOptions {
  readonly book: LeaseBook
  readonly store: MinerStore
  readonly images: ImageCache
  readonly secrets: Pick<SecretBook, 'ready'>
  readonly instances: Instances
  readonly signer: ReceiptSigner
  readonly now: () => number
  readonly monotonicMs: () => number
  /** Takes no new work, for good or for now. */
  readonly isDraining: () => boolean
  /** The owner's line has data left this month. */
  readonly hasData: () => boolean
  readonly onFailure: InstancesOptions['onFailure']
  readonly send: (gateway: string, message: MinerMessage) => void
  /** Something failed that a further try does not mend: the store, say. */
  readonly onCrash: (error: unknown) => void
  readonly log: Log
  readonly signal: AbortSignal
}

/** Does what gateways ask, as far as the leases go. */
export class GatewayRequests {
  readonly #options: GatewayRequestsOptions
  /** Starts that wait for their lease or image; a `stop` calls them off. */
  readonly #waiting = new Map<string, AbortController>()

  constructor(options: GatewayRequestsOptions) {
    this.#options = options
  }

  handle(gateway: GatewayEntry, message: GatewayMessage): void {
    const {log, onCrash} = this.#options
    this.#handle(gateway, message).catch((error: unknown) => {
      log.error({gateway: gateway.id, type: message.type, error: String(error)}, 'a request failed')
      if (!isCreoError(error)) onCrash(error)
    })
  }

  async #handle(gateway: GatewayEntry, message: GatewayMessage): Promise<void> {
    const {send, signer} = this.#options
    if (message.type === 'propose_receipt') send(gateway.id, signer.answer(message, gateway))
    else if (message.type === 'start') await this.#start(gateway, message)
    else if (message.type === 'stop') await this.#stop(gateway, message)
  }

  /** Joins a bound connection to the gateway's own instance, or cuts it. */
  bind(gateway: GatewayEntry, instance: string, socket: Duplex, head: Buffer): void {
    const {instances, hasData, log} = this.#options
    const held = instances.get(instance)
    if (held === undefined || held.gateway !== gateway.id || this.isBudgetEmpty(held.lease) || !hasData()) {
      socket.on('error', () => socket.destroy())
      return void socket.destroy()
    }
    instances.bind(instance, socket, head).catch((error: unknown) => log.error({instance, error: String(error)}, 'a connection failed'))
  }

  /** Calls off the starts that wait for a lease or an image; each is answered at once. */
  callOffWaiting(): void {
    for (const calledOff of this.#waiting.values()) calledOff.abort(new CreoError('interrupted', 'This node takes no new work now.'))
  }

  readonly isBudgetEmpty = (lease: string): boolean => this.#options.store.emptyLeases.has(lease)

  async #start(gateway: GatewayEntry, message: Start): Promise<void> {
    const answer = await this.#startAnswer(gateway, message)
    const {send, log} = this.#options
    log.info({gateway: gateway.id, ...message, ...answer}, 'start')
    if (answer.type === 'start_failed' && answer.code === 'reward_pool_empty')
      send(gateway.id, {type: 'budget_empty', lease: message.lease})
    send(gateway.id, answer)
  }

  async #startAnswer(gateway: GatewayEntry, message: Start): Promise<StartAnswer> {
    const {instances, monotonicMs} = this.#options
    const {instance, lease, revision} = message
    const failed = (code: string, text: string): StartAnswer => ({
      type: 'start_failed',
      instance,
      code,
      message: text.slice(0, MESSAGE_MAX)
    })
    const beganMs = monotonicMs()
    try {
      // Nothing may come between a start and what a `stop` right after it calls off.
      if (!this.#options.book.knows(lease)) await this.#awaitLease(message)
      const wanted = this.#workFor(message)
      if ('code' in wanted) return failed(wanted.code, wanted.text)
      const isPulled = this.#options.images.isReady(wanted)
      const [manifestDigest] = await Promise.all([this.#imageFor(instance, wanted), this.#options.secrets.ready(wanted)])
      // An image takes minutes on a slow line, and the answer may be another one by then.
      const work = this.#workFor(message)
      if ('code' in work) return failed(work.code, work.text)
      const outcome = await instances.start({instance, gateway: gateway.id, lease, revision}, work, manifestDigest)
      if (outcome.status === 'failed') return failed(outcome.code, outcome.message)
      const tier = outcome.from === 'pulled' && !isPulled ? 'absent' : outcome.from
      return {type: 'started', instance, tier, startMs: Math.max(0, monotonicMs() - beganMs)}
    } catch (error) {
      if (this.#options.isDraining()) return failed('draining', 'This node takes no new work now.')
      const {code, message: words} = isCreoError(error) ? error : {code: 'unavailable', message: 'The image could not be had in time.'}
      this.#imageFailed(message, code, words)
      return failed(code, words)
    }
  }

  #imageFailed(of: Start, code: string, words: string): void {
    if (code === 'interrupted') return
    this.#options.onFailure(of, {reason: code === 'wrong_architecture' ? code : 'image'}, words.slice(0, MESSAGE_MAX))
  }

  /** The revision that may be started now, or why none may. */
  #workFor({lease, revision}: Start): RevisionEntry | {readonly code: string; readonly text: string} {
    const {book, now, isDraining} = this.#options
    const work = book.find(lease, now())
    if (isDraining()) return {code: 'draining', text: 'This node takes no new work now.'}
    if (work === undefined) return {code: 'expired', text: 'This node holds no such lease.'}
    if (work.revision.id !== revision) return {code: 'invalid_input', text: `The lease is for ${work.revision.id}.`}
    if (this.isBudgetEmpty(lease)) return {code: 'reward_pool_empty', text: 'The budget of this lease is used up.'}
    return work.revision
  }

  /** Returns as well when no table names the lease in time. */
  async #awaitLease({instance, lease}: Start): Promise<void> {
    const {book, signal, isDraining} = this.#options
    if (isDraining() || this.#waiting.size >= LEASE_WAITS_MAX) return
    await this.#untilCalledOff(instance, async (calledOff) => {
      await book.learns(lease, AbortSignal.any([signal, calledOff, AbortSignal.timeout(LEASE_WAIT_MAX_MS)])).catch(() => undefined)
      calledOff.throwIfAborted()
    })
  }

  #imageFor(instance: string, revision: RevisionEntry): Promise<string> {
    const {images, signal} = this.#options
    return this.#untilCalledOff(instance, (calledOff) =>
      images.ensure(revision, AbortSignal.any([signal, calledOff, AbortSignal.timeout(IMAGE_WAIT_MAX_MS)]), signal)
    )
  }

  async #untilCalledOff<T>(instance: string, wait: (calledOff: AbortSignal) => Promise<T>): Promise<T> {
    const calledOff = new AbortController()
    this.#waiting.set(instance, calledOff)
    try {
      return await wait(calledOff.signal)
    } finally {
      this.#waiting.delete(instance)
    }
  }

  async #stop(gateway: GatewayEntry, message: Stop): Promise<void> {
    const {instances} = this.#options
    this.#waiting.get(message.instance)?.abort(new CreoError('interrupted', 'The start was called off.'))
    const {instance, graceMs, rest = false} = message
    if (instances.get(instance)?.gateway !== gateway.id) return
    await (rest && !this.#options.isDraining() ? instances.rest(instance, graceMs) : instances.stop(instance, graceMs))
  }
}
