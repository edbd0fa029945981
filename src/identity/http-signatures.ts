import {randomBytes, sign} from 'node:crypto'
import {
  createSignatureSync,
  isSignatureError,
  type RequestDescriptor,
  type VerifiedSignature,
  type Verifier,
  verifySignature
} from 'http-message-sig'
import {CreoError, isCreoError} from '../core/errors.ts'
import {CLOCK_SKEW_MAX_MS} from '../core/protocol/api.ts'
import {contentDigestOf, sha256OfContentDigest} from './content-digest.ts'
import {type KeyPair, keyIdOf, sha256Hex} from './keys.ts'
import {CLOCK_AHEAD_MAX_MS, type NonceMemory} from './nonces.ts'
import {verifyBytes} from './verify-bytes.ts'

/** Separates these signatures from any other use of RFC 9421 with the same key. */
const TAG = 'creo'
const LABEL = 'creo'
const NONCE_BYTES = 16
const NONCE_MAX = 64
const COVERED = ['@method', '@authority', '@path', '@query'] as const

export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>

export interface RequestToSign {
  readonly method: string
  /** Absolute, with the authority that the receiver will see in Host. */
  readonly url: string
  readonly body?: Uint8Array | string
  readonly key: KeyPair
  readonly nowMs: number
}

/** The headers that sign a request by RFC 9421, with RFC 9530's digest when it has a body. Add all of them. */
export function signRequest({method, url, body, key, nowMs}: RequestToSign): Record<string, string> {
  const digest = body === undefined ? undefined : contentDigestOf(body)
  const fields = digest === undefined ? [] : [{name: 'content-digest', value: digest}]
  const signed = createSignatureSync(
    {kind: 'request', method, targetUri: url, fields},
    {
      label: LABEL,
      components: digest === undefined ? COVERED : [...COVERED, 'content-digest'],
      parameters: {
        created: Math.floor(nowMs / 1000),
        alg: 'ed25519',
        nonce: randomBytes(NONCE_BYTES).toString('base64url'),
        keyid: key.keyId,
        tag: TAG
      },
      signer: {algorithm: 'ed25519', sign: (data) => sign(null, data, key.privateKey)}
    }
  )
  return {
    ...(digest === undefined ? {} : {'content-digest': digest}),
    'signature-input': signed.signatureInput,
    signature: signed.signature
  }
}

export interface RequestToVerify {
  readonly method: string
  /** Absolute: scheme, Host header and request target exactly as received. */
  readonly url: string
  readonly headers: HeaderValues
  /** The whole body. Left out for a streamed one: then compare `bodySha256` of the answer with what arrived. */
  readonly body?: Uint8Array | string
  /** The public key with this id, or undefined when the network does not know it. */
  readonly keyOf: (keyId: string) => string | undefined
  readonly nonces: NonceMemory
  readonly nowMs: number
  /** Where signatures are checked: in place, unless told otherwise. */
  readonly verify?: (publicKey: string, data: Uint8Array, signature: Uint8Array) => boolean | Promise<boolean>
}

export interface VerifiedRequest {
  readonly keyId: string
  /** SHA-256 of the body as signed, hex; undefined when the request was signed without a body. */
  readonly bodySha256: string | undefined
}

/**
 * Says who signed a request, once.
 * @throws {CreoError} `unauthorized` without a signature or with an unknown key; `bad_signature`; `clock_skew` when it was made more
 * than `CLOCK_SKEW_MAX_MS` ago or `CLOCK_AHEAD_MAX_MS` from now; `replayed`; `digest_mismatch` when the body is another; `overloaded` when no more can be remembered.
 */
export async function verifyRequest(request: RequestToVerify): Promise<VerifiedRequest> {
  const fields = fieldsOf(request.headers)
  if (!fields.some((field) => field.name === 'signature')) {
    throw new CreoError('unauthorized', 'The request is not signed.', {hint: 'Sign it by RFC 9421 with a key that the network knows.'})
  }
  const verified = await verifiedSignature(request, {kind: 'request', method: request.method, targetUri: request.url, fields})
  const bodySha256 = checkedBody(request, verified)
  checkFresh(verified, request)
  return {keyId: String(verified.parameters.keyid), bodySha256}
}

async function verifiedSignature(request: RequestToVerify, message: RequestDescriptor): Promise<VerifiedSignature> {
  try {
    return await verifySignature(message, {
      label: LABEL,
      policy: {
        algorithms: ['ed25519'],
        requiredComponents: COVERED,
        requiredParameters: ['created', 'nonce', 'keyid', 'tag'],
        now: Math.floor(request.nowMs / 1000),
        // The age is judged in checkFresh, after the signature, so that only who has the key learns about clocks.
        clockSkew: Number.MAX_SAFE_INTEGER,
        validate: ({parameters}) => parameters.tag === TAG && String(parameters.nonce).length <= NONCE_MAX
      },
      resolveVerifier: ({parameters}) => verifierFor(String(parameters.keyid), request)
    })
  } catch (error) {
    const cause = isSignatureError(error) ? error.cause : undefined
    if (isCreoError(cause)) throw cause
    throw new CreoError('bad_signature', "The request's signature does not hold.", {
      hint: 'Sign exactly what is sent: method, authority, path, query and body.',
      cause: error
    })
  }
}

function verifierFor(keyId: string, {keyOf, verify = verifyBytes}: RequestToVerify): Verifier {
  const publicKey = keyOf(keyId)
  if (publicKey === undefined || keyIdOf(publicKey) !== keyId) {
    throw new CreoError('unauthorized', 'The network does not know the key of this request.', {
      hint: 'Create the account or enroll the node first.'
    })
  }
  return {algorithm: 'ed25519', verify: (data, signature) => verify(publicKey, data, signature)}
}

function checkedBody(request: RequestToVerify, verified: VerifiedSignature): string | undefined {
  const covered = verified.components.some((component) => component.name === 'content-digest')
  const header = oneValue(request.headers['content-digest'])
  const signed = covered && header !== undefined ? sha256OfContentDigest(header) : undefined
  if (covered && signed === undefined)
    throw new CreoError('bad_signature', 'The content-digest has no SHA-256.', {hint: 'Send content-digest: sha-256=:…:'})
  if (!covered && hasBody(request))
    throw new CreoError('bad_signature', 'The body is not covered by the signature.', {hint: 'Sign the content-digest too.'})
  if (signed !== undefined && request.body !== undefined && signed !== sha256Hex(request.body)) {
    throw new CreoError('digest_mismatch', 'The body is not the one that was signed.', {hint: 'Send it again.'})
  }
  return signed
}

function hasBody({body, headers}: RequestToVerify): boolean {
  if (body !== undefined) return body.length > 0
  return (
    headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && oneValue(headers['content-length']) !== '0')
  )
}

function checkFresh({parameters}: VerifiedSignature, {nonces, nowMs}: RequestToVerify): void {
  const aheadMs = Number(parameters.created) * 1000 - nowMs
  if (!(aheadMs <= CLOCK_AHEAD_MAX_MS && aheadMs >= -CLOCK_SKEW_MAX_MS)) {
    throw new CreoError('clock_skew', "The clocks of this request's sender and receiver differ too much.", {
      hint: 'Set the clock; creo asks GET /v1/time and corrects itself.'
    })
  }
  const known = nonces.remember({keyId: String(parameters.keyid), nonce: String(parameters.nonce), nowMs})
  if (known === 'seen') throw new CreoError('replayed', 'This very request was received before.', {hint: 'Sign every request anew.'})
  if (known === 'full') throw new CreoError('overloaded', 'Too many signed requests at once.', {hint: 'Try again in a few minutes.'})
}

function fieldsOf(headers: HeaderValues): {name: string; value: string}[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => ({name: name.toLowerCase(), value: String(one)}))
  )
}

function oneValue(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}
