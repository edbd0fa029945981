import {CreoError} from '../core/errors.ts'
import {ANSWER_TAG} from '../core/protocol/signing-texts.ts'
import {base64Of, sha256Of} from './web-crypto.ts'
import {verifyWebText} from './web-key.ts'

/** Answers that the coordinator signed by RFC 9421, checked where JavaScript runs: they come by way of functions that strangers host. */

/** `accept-signature` of a request whose answer is to be signed. */
export const ACCEPT_SIGNATURE = `creo=("@status" "@method";req "@path";req "@query";req "content-digest");created;tag="${ANSWER_TAG}"`
const INPUT =
  /^creo=(\("@status" "@method";req "@path";req "@query";req( "content-digest";req)? "content-digest"\);created=(\d{1,12});alg="ed25519";keyid="[0-9a-f]{32}";tag="creo-answer")$/
const SIGNATURE = /^creo=:([A-Za-z0-9+/]{86})==:$/

export interface ProvenAnswer {
  readonly status: number
  readonly headers: Pick<Headers, 'get'>
  readonly text: string
}

export interface AskedFor {
  readonly method: string
  /** Path and query, as the coordinator is asked. */
  readonly target: string
  /** The request's `content-digest`; undefined without a body. */
  readonly digest: string | undefined
}

/**
 * When the coordinator made this answer to just this request, in ms by its clock, to the second.
 * @throws {CreoError} `verification_failed` for an answer of anybody else, to anything else, or without a signature.
 */
export async function proveAnswer(coordinatorKey: string, asked: AskedFor, {status, headers, text}: ProvenAnswer): Promise<number> {
  const [, terms, ofBody, created] = INPUT.exec(headers.get('signature-input') ?? '') ?? []
  const [, signature = ''] = SIGNATURE.exec(headers.get('signature') ?? '') ?? []
  if (terms === undefined || (ofBody === undefined) !== (asked.digest === undefined)) throw unproven()
  const [path = '', query = ''] = asked.target.split(/\?(.*)/s, 2)
  const base = [
    `"@status": ${status}`,
    `"@method";req: ${asked.method}`,
    `"@path";req: ${path}`,
    `"@query";req: ?${query}`,
    ...(asked.digest === undefined ? [] : [`"content-digest";req: ${asked.digest}`]),
    `"content-digest": ${await webContentDigest(text)}`,
    `"@signature-params": ${terms}`
  ]
  const base64url = signature.replaceAll('+', '-').replaceAll('/', '_')
  if (!(await verifyWebText(coordinatorKey, base.join('\n'), base64url))) throw unproven()
  return Number(created) * 1000
}

/** RFC 9530 `content-digest` of a text, SHA-256. */
export async function webContentDigest(text: string): Promise<string> {
  return `sha-256=:${base64Of(await sha256Of(text))}:`
}

function unproven(): CreoError {
  return new CreoError('verification_failed', "The answer is not signed by the network's coordinator: whoever handed it on made it up.", {
    hint: 'Try again: another host may answer.'
  })
}
