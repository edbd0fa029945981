import {createHash, type Hash} from 'node:crypto'
import type {Duplex} from 'node:stream'
import {type AsyncWish, asyncWish, callWish, parseCallback} from '../../core/async-calls.ts'
import {CreoError} from '../../core/errors.ts'
import {
  ASYNC_PREFIX,
  CALL_ID_HEADER,
  CALLBACK_HEADER,
  callIdSchema,
  GATEWAY_CALLS_PATH,
  IDEMPOTENCY_HEADER
} from '../../core/protocol/async.ts'
import {splitTarget} from '../../core/routing.ts'
import {type AddressOptions, addressOf} from '../address.ts'
import type {CoordinatorSignatureOptions} from '../coordinator-signature.ts'
import {storableHeaders} from '../headers.ts'
import type {Client, ClientCall} from '../http/client-call.ts'
import {WorkProbes} from '../work-probes.ts'
import {answerJson} from './answer-json.ts'
import type {CallQueue} from './call-queue.ts'
import {callView, newCallId} from './call-view.ts'
import {BODY_LIMITS, BodyRoom} from './read-body.ts'
import {SignedCalls} from './signed-calls.ts'
import type {NewCall, PutAnswer} from './stored-call.ts'
import {checkCallbackAddress} from './web-callback.ts'

const KEY_MAX = 255

export interface AsyncEndpointOptions extends AddressOptions, CoordinatorSignatureOptions {
  /** Opened when it is first needed. */
  queue(): Promise<CallQueue>
  /** Serves requests that come on this stream. */
  serve(socket: Duplex, client: Client): void
  readonly monotonicMs: () => number
  readonly now: () => number
  /** How long a probe waits; a test has its own. */
  readonly probeAnswerMaxMs?: number | undefined
}

/** A request that this gateway answers by its queue instead of a function. */
export type AsyncClaim =
  | {readonly at: 'app'; readonly org: string; readonly app: string; readonly prefix: string; readonly wish: AsyncWish}
  | {readonly at: 'gateway'; readonly wish: AsyncWish | undefined}

/** What is asked under `/async` at an app's address, and under `/.creo/async` at the gateway's own. */
export class AsyncEndpoint {
  readonly #options: AsyncEndpointOptions
  readonly #bodies = new BodyRoom(BODY_LIMITS)
  readonly #signed: SignedCalls
  /** Calls that the coordinator has made at once, to see how they are answered. */
  readonly workProbes: WorkProbes

  constructor(options: AsyncEndpointOptions) {
    this.#options = options
    this.#signed = new SignedCalls(options)
    this.workProbes = new WorkProbes({...options, answerMaxMs: options.probeAnswerMaxMs})
  }

  /** Undefined for an ordinary request. */
  claim({client, head: {host, target, method}}: ClientCall): AsyncClaim | undefined {
    if (!target.includes(`${ASYNC_PREFIX}/`) || client.delivery !== undefined) return undefined
    const routing = this.#options.routing()
    if (routing === undefined) return undefined
    if (client.caller !== undefined) {
      const revision = this.#options.fleet.callerOf(client.caller)?.revision
      const wish = asyncWish(method, target)
      return revision && wish && {at: 'app', org: revision.org, app: revision.app, prefix: '', wish}
    }
    const split = splitTarget(routing, host, target)
    if (split === undefined) {
      const isOwn = target.startsWith(GATEWAY_CALLS_PATH)
      return isOwn ? {at: 'gateway', wish: callWish(method, target.slice(GATEWAY_CALLS_PATH.length - '/calls'.length))} : undefined
    }
    const wish = asyncWish(method, split.rest)
    return wish && {at: 'app', org: split.org, app: split.app, prefix: split.prefix, wish}
  }

  /** @returns whose request it was: `org/app/function`, `org/app`, or nothing. @throws {CreoError} */
  async answer(call: ClientCall, claim: AsyncClaim): Promise<string> {
    const {wish} = claim
    if (wish === undefined) {
      await this.#signed.answer(call, await this.#options.queue())
      return ''
    }
    if (wish.wish === 'enqueue') return claim.at === 'app' ? await this.#enqueue(call, {...claim, target: wish.target}) : ''
    const queue = await this.#options.queue()
    const app = claim.at === 'app' ? `${claim.org}/${claim.app}` : undefined
    if (wish.wish === 'cancel') await this.#expectChange(queue, wish.id, app, (id) => queue.cancel(id))
    if (wish.wish === 'retry') await this.#expectChange(queue, wish.id, app, (id) => queue.retry(id))
    const {call: stored, state, ...kept} = await known(queue, wish.id, app)
    answerJson(call, 200, callView(stored, state, kept))
    return app ?? ''
  }

  async #enqueue(
    call: ClientCall,
    {prefix, target, org, app}: {readonly prefix: string; readonly target: string; readonly org: string; readonly app: string}
  ): Promise<string> {
    const {client, head} = call
    const asked = {...head, target: `${prefix}${target}`}
    const {destination, end} = addressOf(this.#options, {client, head: asked})
    end()
    const name = `${org}/${app}/${destination.function}`
    const callback = callbackIn(head.headers, prefix)
    const posted = {
      id: newCallId(),
      app: `${org}/${app}`,
      function: name,
      acceptedAtMs: this.#options.now(),
      request: {
        method: head.method,
        host: client.caller === undefined ? head.host : `${destination.function}--${app}--${org}.localhost`,
        target: asked.target,
        headers: storableHeaders(head.headers),
        // What a function says of its client stands in its own headers.
        address: client.caller === undefined ? client.address : '',
        secure: client.secure,
        ...(callback !== undefined && {callback})
      }
    }
    const queue = await this.#options.queue()
    const put = await this.#bodies.with(call, (body) => {
      const key = keyOf(posted, {prefix, headers: head.headers, body})
      return queue.post({...posted, body, ...(key !== undefined && {key})})
    })
    this.#answerPut(call, queue, {put, id: posted.id, location: `${prefix}${ASYNC_PREFIX}/calls/`})
    return name
  }

  #answerPut(call: ClientCall, queue: CallQueue, {put, id: ownId, location}: {put: PutAnswer; id: string; location: string}): void {
    if (put.put === 'conflict') {
      throw new CreoError('idempotency_conflict', 'Another call was posted under this idempotency key.', {
        hint: 'Use a new key for a new call.'
      })
    }
    const id = put.put === 'known' ? put.id : ownId
    const state = put.put === 'known' ? queue.stateOf(put) : 'queued'
    answerJson(call, 202, {id, state, location: `${location}${id}`}, [CALL_ID_HEADER, id, 'location', `${location}${id}`])
  }

  /** Has it done, unless the call has ended in another way. Doing it twice changes nothing. */
  async #expectChange(queue: CallQueue, id: string, app: string | undefined, change: (id: string) => Promise<boolean>): Promise<void> {
    const {call} = await known(queue, id, app)
    if (await change(call.id)) return
    const {state} = await known(queue, id, app)
    if (state === 'cancelled' || state === 'queued' || state === 'running') return
    throw new CreoError('conflict', `This call has ${state} already.`, {hint: `Look at its result: creo async show ${id}`})
  }
}

/** @throws {CreoError} `not_found` also for a call of another app: its id is nobody's business here. */
async function known(queue: CallQueue, id: string, app: string | undefined) {
  const found = callIdSchema.safeParse(id).success ? await queue.find(id) : undefined
  if (found !== undefined && (app === undefined || found.call.app === app)) return found
  throw new CreoError('not_found', 'This gateway knows no such call.', {
    hint: 'Calls are known to the gateway that took them, a day after their end, failed ones a week.'
  })
}

/** Where the result is to go. @throws {CreoError} `invalid_input`, `forbidden` */
function callbackIn(headers: readonly string[], prefix: string): string | undefined {
  const text = headerOf(headers, CALLBACK_HEADER)
  if (text === undefined) return undefined
  const callback = parseCallback(text)
  if (callback === undefined) {
    throw new CreoError('invalid_input', `${CALLBACK_HEADER} is neither a path of this address nor an https address.`, {
      hint: 'For example /done, or https://example.org/done.'
    })
  }
  if (callback.to === 'app') return `${prefix}${callback.target}`
  checkCallbackAddress(callback.url)
  return callback.url
}

/**
 * A key belongs to who posts and to the address that is asked: another client, or the same one at another function, has a key of its own, and nobody can
 * take it before. All the rest must be the same for a repeated call to be the same one.
 */
function keyOf(
  call: Omit<NewCall, 'body'>,
  {prefix, headers, body}: {readonly prefix: string; readonly headers: readonly string[]; readonly body: Uint8Array}
): NewCall['key'] {
  const key = headerOf(headers, IDEMPOTENCY_HEADER)
  if (key === undefined) return undefined
  if (key === '' || key.length > KEY_MAX) {
    throw new CreoError('invalid_input', `An idempotency key has 1 to ${KEY_MAX} characters.`, {hint: 'A random UUID does well.'})
  }
  const {method, host, target, callback = ''} = call.request
  const who = ['authorization', 'cookie'].map((name) => headerOf(headers, name) ?? '')
  return {
    name: hashOf([call.app, host, prefix, ...who, key]).digest('hex'),
    content: hashOf([method, target, callback]).update(body).digest('hex')
  }
}

function hashOf(parts: readonly string[]): Hash {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:${part}`)
  return hash
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1]
  return undefined
}
