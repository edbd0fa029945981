import {CreoError, isCreoError} from '../core/errors.ts'
import {acceptedCallSchema, type CallView, callIdSchema, callViewSchema, GATEWAY_CALLS_PATH} from '../core/protocol/async.ts'
import {type AppAnswer, askApp} from './addresses.ts'
import type {Context} from './context.ts'

const DEED = {
  show: {method: 'GET', path: ''},
  cancel: {method: 'DELETE', path: ''},
  retry: {method: 'POST', path: '/retry'}
} as const

export interface FoundCall extends CallView {
  /** Name of the gateway that has it. */
  readonly gateway: string
}

/**
 * Looks at one call, ends it or takes it up again, at whichever gateway has it. Its id is all it takes.
 * @throws {CreoError} `invalid_input` for what is no id; `not_found`; `unavailable` when a gateway that may have it does not answer; `conflict`.
 */
export async function doToCall({client}: Context, id: string, deed: keyof typeof DEED, signal: AbortSignal): Promise<FoundCall> {
  if (!callIdSchema.safeParse(id).success) {
    throw new CreoError('invalid_input', `"${id}" is not the id of a call.`, {
      hint: 'It begins with call_; creo async list shows those of an app.'
    })
  }
  const {gateways} = await client.gateways(signal)
  const {method, path} = DEED[deed]
  let silent: string | undefined
  for (const {name, publicUrl} of gateways) {
    try {
      const url = new URL(`${GATEWAY_CALLS_PATH}/${id}${path}`, publicUrl).href
      const answer = await askApp({url, method, signal})
      return {...callViewSchema.parse(JSON.parse(answer.body.toString('utf8'))), gateway: name}
    } catch (error) {
      if (!isCreoError(error) || (error.code !== 'not_found' && error.code !== 'unavailable')) throw error
      if (error.code === 'unavailable') silent = name
    }
  }
  if (silent !== undefined)
    throw new CreoError('unavailable', `The gateway ${silent} does not answer; it may have this call.`, {hint: 'Try again later.'})
  throw new CreoError('not_found', `No gateway knows the call ${id}.`, {
    hint: 'Calls are known for a day after their end, failed ones for a week: creo async list'
  })
}

/** The id that a gateway gave a call which it took. @throws {CreoError} `bad_gateway` when what answered has no queue. */
export function acceptedCall({status, body}: AppAnswer): string {
  const accepted = status === 202 ? acceptedCallSchema.safeParse(JSON.parse(body.toString('utf8'))) : undefined
  if (accepted?.success) return accepted.data.id
  throw new CreoError('bad_gateway', `The call was not taken: something answered ${status}.`, {hint: 'Is the gateway of this version?'})
}
