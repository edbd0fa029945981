import {isCreoError} from '../../core/errors.ts'
import {ATTEMPT_HEADER, CALL_ID_HEADER} from '../../core/protocol/async.ts'
import {checkWebAddress, postOutside, type WebOptions} from '../../tunnel/web-post.ts'
import {type Delivered, refusedBy} from './call-delivery.ts'
import type {TakenCall} from './stored-call.ts'

/** From the name to the end of the answer's headers. */
const CALLBACK_MAX_MS = 30_000

/** @throws {CreoError} `forbidden` for an address that no callback goes to, whatever it is. */
export function checkCallbackAddress(text: string): void {
  checkWebAddress(new URL(text), 'callback')
}

/** Posts a result to an https address outside, once. Never rejects. */
export async function postCallback(
  {request: asked, body, id, attempts}: TakenCall,
  options: WebOptions,
  signal: AbortSignal
): Promise<Delivered> {
  const ending = AbortSignal.any([signal, AbortSignal.timeout(CALLBACK_MAX_MS)])
  try {
    checkCallbackAddress(asked.target)
    const headers = {...pairs(asked.headers), [CALL_ID_HEADER]: id, [ATTEMPT_HEADER]: String(attempts)}
    const {status, retryAfterMs} = await postOutside({url: new URL(asked.target), headers, body}, options, ending)
    const error = {code: 'failed', message: `The callback's address answered ${status}.`}
    if (status >= 300 && status < 400) return {attempted: {kind: 'refused', code: 'invalid_input'}, error}
    const answer = {result: {status, headers: {}, truncated: false}, body: Buffer.alloc(0)}
    return {
      attempted: {kind: 'answered', status, ...(retryAfterMs !== undefined && {retryAfterMs})},
      answer,
      ...(status >= 400 && {error})
    }
  } catch (error) {
    if (isCreoError(error)) return refusedBy(error.code, error.message)
    return refusedBy('unavailable', `The callback's address does not answer: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function pairs(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let at = 0; at < lines.length; at += 2) headers[lines[at] ?? ''] = lines[at + 1] ?? ''
  return headers
}
