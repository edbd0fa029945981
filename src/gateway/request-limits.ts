import {LRUCache} from 'lru-cache'
import {clientNetwork} from '../core/client-network.ts'
import {CreoError} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import type {Caller} from '../core/protocol/tunnel.ts'
import type {Client} from './http/client-call.ts'
import type {GatewayLimits} from './settings.ts'

/** Those that were not seen for the longest are forgotten first, with a full bucket. */
const CLIENTS_MAX = 50_000
const FUNCTIONS_MAX = 10_000

interface Bucket {
  tokens: number
  atMs: number
}

/** How often a client may ask, and how often one function may be asked: a bucket of tokens for each. */
export class RequestLimits {
  readonly #limits: () => GatewayLimits
  readonly #clients = new Buckets(CLIENTS_MAX)
  readonly #functions = new Buckets(FUNCTIONS_MAX)
  readonly #clientOf = new WeakMap<Client, {readonly name: string | undefined}>()

  constructor(limits: () => GatewayLimits) {
    this.#limits = limits
  }

  /** @throws {CreoError} `rate_limited` */
  takeFromClient(asking: Client, nowMs: number): void {
    // It was counted when it was posted.
    if (asking.delivery !== undefined) return
    let client = this.#clientOf.get(asking)
    if (client === undefined) {
      client = {name: asking.caller === undefined ? clientName(asking.address) : callerName(asking.caller)}
      this.#clientOf.set(asking, client)
    }
    if (client.name === undefined) return
    const {requestsPerSecondPerClient: perSecond, requestsBurstPerClient: burst} = this.#limits()
    if (!this.#clients.take(client.name, {perSecond, burst, nowMs})) throw limited('This client asks too often.')
  }

  /** @throws {CreoError} `rate_limited` */
  takeFromFunction(name: string, nowMs: number): void {
    const {requestsPerSecondPerFunction: perSecond, requestsBurstPerFunction: burst} = this.#limits()
    if (!this.#functions.take(name, {perSecond, burst, nowMs})) throw limited('This function is asked too often.')
  }
}

/** A node makes up its instances, as many as it likes; its leases are the coordinator's, each of one revision on it. */
export function callerName({node, lease}: Caller): string {
  return `${node} ${lease}`
}

/** Whose requests count together. Undefined on loopback: what stands in front of the gateway there speaks for many clients. */
export function clientName(address: string): string | undefined {
  const network = clientNetwork(address)
  return isLoopback(address) || isLoopback(network) ? undefined : network
}

class Buckets {
  readonly #all: LRUCache<string, Bucket>
  /** The one taken from last is the newest already: most requests follow one to the same. */
  #lastKey: string | undefined
  #last: Bucket = {tokens: 0, atMs: 0}

  constructor(max: number) {
    this.#all = new LRUCache({max})
  }

  take(key: string, {perSecond, burst, nowMs}: {readonly perSecond: number; readonly burst: number; readonly nowMs: number}): boolean {
    const bucket = key === this.#lastKey ? this.#last : this.#find(key, {tokens: burst, atMs: nowMs})
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  #find(key: string, full: Bucket): Bucket {
    const bucket = this.#all.get(key) ?? full
    if (bucket === full) this.#all.set(key, full)
    this.#lastKey = key
    this.#last = bucket
    return bucket
  }
}

function limited(message: string): CreoError {
  return new CreoError('rate_limited', message, {hint: 'Wait a moment.'})
}
