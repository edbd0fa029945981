import {sign} from 'node:crypto'
import {createSignatureSync} from 'http-message-sig'
import {ANSWER_TAG} from '../core/protocol/signing-texts.ts'
import {contentDigestOf} from './content-digest.ts'
import type {KeyPair} from './keys.ts'

const LABEL = 'creo'
const OF_THE_REQUEST = ['@method', '@path', '@query'] as const
const DIGEST = 'content-digest'

export interface AnswerToSign {
  readonly status: number
  readonly text: string
  readonly request: {
    readonly method: string
    /** Path and query as they came. */
    readonly target: string
    /** The request's own `content-digest`, already compared with its body; undefined where it has none. */
    readonly digest: string | undefined
  }
  readonly key: KeyPair
  readonly nowMs: number
}

/** The headers that sign an answer by RFC 9421, bound to what was asked and to when: whoever carries it can neither change it nor give it for another. */
export function signAnswer({status, text, request, key, nowMs}: AnswerToSign): Record<string, string> {
  const digest = contentDigestOf(text)
  const asked = request.digest === undefined ? OF_THE_REQUEST : [...OF_THE_REQUEST, DIGEST]
  const ofRequest = asked.map((name) => ({name, parameters: {req: true}}))
  const {signatureInput, signature} = createSignatureSync(
    {
      kind: 'response',
      status,
      fields: [{name: DIGEST, value: digest}],
      request: {
        kind: 'request',
        method: request.method,
        // The host is not signed: the answer is the same by whatever way it was asked for.
        targetUri: `http://network.invalid${request.target}`,
        fields: request.digest === undefined ? [] : [{name: DIGEST, value: request.digest}]
      }
    },
    {
      label: LABEL,
      components: ['@status', ...ofRequest, DIGEST],
      parameters: {created: Math.floor(nowMs / 1000), alg: 'ed25519', keyid: key.keyId, tag: ANSWER_TAG},
      signer: {algorithm: 'ed25519', sign: (data) => sign(null, data, key.privateKey)}
    }
  )
  return {[DIGEST]: digest, 'signature-input': signatureInput, signature}
}
