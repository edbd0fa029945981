import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {parsedOr} from '../../core/issue-words.ts'
import {CALLS_LISTED_MAX, callStateSchema, type ScheduledCall, scheduledCallSchema} from '../../core/protocol/async.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import {CoordinatorSignature, type CoordinatorSignatureOptions} from '../coordinator-signature.ts'
import type {ClientCall} from '../http/client-call.ts'
import {answerJson} from './answer-json.ts'
import type {CallQueue} from './call-queue.ts'
import {listedCall} from './call-view.ts'
import {type BodyLimits, BodyRoom} from './read-body.ts'
import type {NewCall} from './stored-call.ts'

/** A schedule's call is less than 2 KiB. Who only says that it is the coordinator may take no more than this. */
const SIGNED_LIMITS: BodyLimits = {bodyBytesMax: 16 * 2 ** 10, heldBytesMax: 4 * 2 ** 20, clientHeldBytesMax: 2 ** 20}

const listSchema = z.strictObject({
  org: nameSchema,
  app: nameSchema,
  state: callStateSchema.optional(),
  limit: z.coerce.number().int().min(1).max(CALLS_LISTED_MAX).default(100)
})

/** What the coordinator alone may ask, by its signature: to take a call that a schedule makes, and which calls an app has. */
export class SignedCalls {
  readonly #options: CoordinatorSignatureOptions
  readonly #bodies = new BodyRoom(SIGNED_LIMITS)
  readonly #signature: CoordinatorSignature

  constructor(options: CoordinatorSignatureOptions) {
    this.#options = options
    this.#signature = new CoordinatorSignature(options)
  }

  /** @throws {CreoError} what `verifyRequest` says; `invalid_input`, and what the queue says. */
  async answer(call: ClientCall, queue: CallQueue): Promise<void> {
    const {method, target} = call.head
    if (method === 'GET') {
      await this.#signature.verify(call, undefined)
      const {org, app, ...filter} = parsed(listSchema, Object.fromEntries(new URL(target, 'http://gateway').searchParams))
      const calls = await queue.list({app: `${org}/${app}`, state: filter.state, limit: filter.limit})
      answerJson(call, 200, {calls: calls.map((one) => listedCall(one, queue.stateOf(one)))})
    } else if (method === 'POST') {
      this.#signature.expectKey(call)
      const state = await this.#bodies.with(call, async (body) => {
        await this.#signature.verify(call, body)
        const put = await queue.post(this.#scheduled(parsed(scheduledCallSchema, jsonOf(body))))
        return put.put === 'known' ? queue.stateOf(put) : 'queued'
      })
      answerJson(call, 202, {state})
    } else throw new CreoError('not_found', 'There is nothing of this kind here.', {hint: 'docs/PROTOCOL.md lists what can be asked.'})
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
