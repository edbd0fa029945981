import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {parsedOr} from '../../core/issue-words.ts'
import {CALLS_LISTED_MAX, callStateSchema, type ScheduledCall, scheduledCallSchema} from '../../core/protocol/async.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import {verifyRequest} from '../../identity/http-signatures.ts'
import {keyIdOf} from '../../identity/keys.ts'
import {createNonceMemory} from '../../identity/nonces.ts'
import type {ClientCall} from '../http/client-call.ts'
import {answerJson} from './answer-json.ts'
import type {CallQueue} from './call-queue.ts'
import {listedCall} from './call-view.ts'
import {type BodyLimits, BodyRoom} from './read-body.ts'
import type {NewCall} from './stored-call.ts'

/** A schedule's call is less than 2 KiB. Who only says that it is the coordinator may take no more than this. */
const SIGNED_LIMITS: BodyLimits = {bodyBytesMax: 16 * 2 ** 10, heldBytesMax: 4 * 2 ** 20, clientHeldBytesMax: 2 ** 20}
const KEY_ID = /;keyid="([0-9a-f]{1,128})"/

const listSchema = z.strictObject({
  org: nameSchema,
  app: nameSchema,
  state: callStateSchema.optional(),
  limit: z.coerce.number().int().min(1).max(CALLS_LISTED_MAX).default(100)
})

export interface SignedCallsOptions {
  /** Whose requests are carried out. */
  readonly coordinatorKey: string
  readonly now: () => number
}

/** What the coordinator alone may ask, by its signature: to take a call that a schedule makes, and which calls an app has. */
export class SignedCalls {
  readonly #options: SignedCallsOptions
  readonly #bodies = new BodyRoom(SIGNED_LIMITS)
  readonly #nonces = createNonceMemory()

  constructor(options: SignedCallsOptions) {
    this.#options = options
  }

  /** @throws {CreoError} what `verifyRequest` says; `invalid_input`, and what the queue says. */
  async answer(call: ClientCall, queue: CallQueue): Promise<void> {
    const {method, target} = call.head
    if (method === 'GET') {
      await this.#verify(call, undefined)
      const {org, app, ...filter} = parsed(listSchema, Object.fromEntries(new URL(target, 'http://gateway').searchParams))
      const calls = await queue.list({app: `${org}/${app}`, state: filter.state, limit: filter.limit})
      answerJson(call, 200, {calls: calls.map((one) => listedCall(one, queue.stateOf(one)))})
    } else if (method === 'POST') {
      this.#expectKey(call)
      const state = await this.#bodies.with(call, async (body) => {
        await this.#verify(call, body)
        const put = await queue.post(this.#scheduled(parsed(scheduledCallSchema, jsonOf(body))))
        return put.put === 'known' ? queue.stateOf(put) : 'queued'
      })
      answerJson(call, 202, {state})
    } else throw new CreoError('not_found', 'There is nothing of this kind here.', {hint: 'docs/PROTOCOL.md lists what can be asked.'})
  }

  /** Before a body is read; what the signature is worth is said by `#verify`. @throws {CreoError} `unauthorized` */
  #expectKey({head}: ClientCall): void {
    const at = head.headers.findIndex((text, index) => index % 2 === 0 && text === 'signature-input')
    const keyId = at === -1 ? undefined : KEY_ID.exec(head.headers[at + 1] ?? '')?.[1]
    if (keyId === keyIdOf(this.#options.coordinatorKey)) return
    throw new CreoError('unauthorized', "This is not signed by the coordinator's key.", {hint: 'Sign it by RFC 9421 as the coordinator.'})
  }

  async #verify({client, head}: ClientCall, body: Buffer | undefined): Promise<void> {
    const {coordinatorKey, now} = this.#options
    const coordinator = keyIdOf(coordinatorKey)
    const headers: Record<string, string> = {}
    for (let at = 0; at < head.headers.length; at += 2) headers[head.headers[at] ?? ''] = head.headers[at + 1] ?? ''
    await verifyRequest({
      method: head.method,
      url: `${client.secure ? 'https' : 'http'}://${head.host}${head.target}`,
      headers,
      ...(body !== undefined && {body}),
      keyOf: (keyId) => (keyId === coordinator ? coordinatorKey : undefined),
      nonces: this.#nonces,
      nowMs: now()
    })
  }

  /** Asked of the function itself, whatever the app's routes say. */
  #scheduled({id, org, app, function: name, method, path, scheduledAtMs}: ScheduledCall): NewCall {
    return {
      id,
      app: `${org}/${app}`,
      function: `${org}/${app}/${name}`,
      acceptedAtMs: this.#options.now(),
      request: {method, host: `${name}--${app}--${org}.localhost`, target: path, headers: [], address: '', secure: false, scheduledAtMs},
      body: new Uint8Array()
    }
  }
}

function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const hint = 'src/core/protocol/async.ts has the form.'
  return parsedOr(schema, value, (wrong, cause) => new CreoError('invalid_input', `${wrong}.`, {hint, cause}))
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new CreoError('invalid_input', 'The body is not JSON.', {hint: 'src/core/protocol/async.ts has the form.', cause})
  }
}
