import {sign} from 'node:crypto'
import {createSignatureSync} from 'http-message-sig'
import {IDEMPOTENCY_HEADER, WEBHOOK_TAG} from '../core/protocol/webhooks.ts'
import {contentDigestOf} from './content-digest.ts'
import type {KeyPair} from './keys.ts'

const LABEL = 'creo'
const DIGEST = 'content-digest'
const TYPE = 'content-type'
const JSON_TYPE = 'application/json'

export interface WebhookToSign {
  /** Of the event: the same at each attempt. */
  readonly id: string
  readonly url: string
  readonly text: string
  readonly key: KeyPair
  readonly nowMs: number
}

/**
 * The headers of a webhook, signed by RFC 9421 at each attempt anew. Where it goes is not signed: an org's server stands behind proxies that write that
 * anew. For whom it is the body says, which is.
 */
export function signWebhook({id, url, text, key, nowMs}: WebhookToSign): Record<string, string> {
  const fields = [
    {name: DIGEST, value: contentDigestOf(text)},
    {name: TYPE, value: JSON_TYPE},
    {name: IDEMPOTENCY_HEADER, value: `"${id}"`}
  ]
  const {signatureInput, signature} = createSignatureSync(
    {kind: 'request', method: 'POST', targetUri: url, fields},
    {
      label: LABEL,
      components: ['@method', DIGEST, TYPE, IDEMPOTENCY_HEADER],
      parameters: {created: Math.floor(nowMs / 1000), alg: 'ed25519', keyid: key.keyId, tag: WEBHOOK_TAG},
      signer: {algorithm: 'ed25519', sign: (data) => sign(null, data, key.privateKey)}
    }
  )
  return {...Object.fromEntries(fields.map(({name, value}) => [name, value])), 'signature-input': signatureInput, signature}
}
