import type {ErrorCode} from './errors.ts'
import {ASYNC_PREFIX} from './protocol/async.ts'

/** What is done with a call that is answered later, after each attempt. */

export const ATTEMPTS_MAX = 16
/** No attempt begins later than this after the call was accepted. */
export const AGE_MAX_MS = 24 * 3600 * 1000
export const BACKOFF_FIRST_MS = 1000
const BACKOFF_MAX_MS = 3600 * 1000
/** A function that asks for more time gets it, up to this. */
const RETRY_AFTER_MAX_MS = 3600 * 1000

/** Answers that may be another at the next attempt: the request came at a bad time. */
const PASSING = new Set([408, 425, 429])
/** What a gateway says when no attempt will ever fare better. */
const LASTING: ReadonlySet<ErrorCode> = new Set(['not_found', 'forbidden', 'invalid_input', 'payload_too_large', 'loop_detected'])

/** How one attempt ended: the function answered, or could not be asked. */
export type Attempted =
  | {readonly kind: 'answered'; readonly status: number; readonly retryAfterMs?: number}
  | {readonly kind: 'refused'; readonly code: ErrorCode}

export type AfterAttempt = {readonly next: 'succeeded' | 'failed'} | {readonly next: 'again'; readonly atMs: number}

export interface AttemptFacts {
  /** This one included. */
  readonly attempts: number
  readonly acceptedAtMs: number
  readonly nowMs: number
  /** From 0 up to 1. */
  readonly random: number
  readonly backoffFirstMs?: number
}

/** Below 400 is success; what may pass is tried again until the attempts or the age are used up; anything else has failed. */
export function afterAttempt(attempted: Attempted, facts: AttemptFacts): AfterAttempt {
  if (attempted.kind === 'answered' && attempted.status < 400) return {next: 'succeeded'}
  if (!mayPass(attempted) || facts.attempts >= ATTEMPTS_MAX) return {next: 'failed'}
  const askedMs = attempted.kind === 'answered' ? Math.min(attempted.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS) : 0
  const atMs = facts.nowMs + Math.max(askedMs, backoffMs(facts))
  return atMs > facts.acceptedAtMs + AGE_MAX_MS ? {next: 'failed'} : {next: 'again', atMs}
}

function mayPass(attempted: Attempted): boolean {
  if (attempted.kind === 'refused') return !LASTING.has(attempted.code)
  return attempted.status >= 500 || PASSING.has(attempted.status)
}

/** Exponential with full jitter: anything from nothing to the whole of a time that doubles, so that calls that failed together don't come back together. */
function backoffMs({attempts, random, backoffFirstMs = BACKOFF_FIRST_MS}: AttemptFacts): number {
  return Math.round(random * Math.min(BACKOFF_MAX_MS, backoffFirstMs * 2 ** (attempts - 1)))
}

/** How many calls of one function are delivered at a time: a quarter of what all its instances take, so that requests find room. */
export function deliveriesAtATime(
  {concurrency, scaleMax}: {readonly concurrency: number; readonly scaleMax: number},
  most: number
): number {
  return Math.max(1, Math.min(most, Math.floor((concurrency * scaleMax) / 4)))
}

/** What a request under `/async` wants. */
export type AsyncWish =
  | {readonly wish: 'enqueue' /** Path and query without `/async`. */; readonly target: string}
  | {readonly wish: 'show' | 'cancel' | 'retry'; readonly id: string}

const CALL = /^\/calls\/([^/?]{1,80})(\/retry)?(?:\?|$)/

/** By method and target, without what a path address has in front; undefined for what is an ordinary request. */
export function asyncWish(method: string, target: string): AsyncWish | undefined {
  if (!target.startsWith(`${ASYNC_PREFIX}/`)) return undefined
  const rest = target.slice(ASYNC_PREFIX.length)
  const call = callWish(method, rest)
  if (call !== undefined) return call
  return method === 'POST' ? {wish: 'enqueue', target: rest} : undefined
}

/** The same of what stands behind `/async`. */
export function callWish(method: string, path: string): Exclude<AsyncWish, {wish: 'enqueue'}> | undefined {
  const [, id = '', retry] = CALL.exec(path) ?? []
  if (id === '') return undefined
  if (retry !== undefined) return method === 'POST' ? {wish: 'retry', id} : undefined
  if (method === 'GET') return {wish: 'show', id}
  return method === 'DELETE' ? {wish: 'cancel', id} : undefined
}

export type Callback = {readonly to: 'app'; readonly target: string} | {readonly to: 'web'; readonly url: string}

const CALLBACK_MAX = 2048

/** A path of the same app, or an https address. Undefined when it is neither. */
export function parseCallback(text: string): Callback | undefined {
  if (text.length > CALLBACK_MAX) return undefined
  if (/^\/[\x21-\x7e]*$/.test(text) && !text.startsWith('//')) return {to: 'app', target: text}
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return undefined
  url.hash = ''
  return {to: 'web', url: url.href}
}
