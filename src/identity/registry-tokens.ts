import {CreoError} from '../core/errors.ts'
import {REGISTRY_TOKEN_LIFETIME_MAX_MS, type RegistryAction, type RegistryToken, registryTokenSchema} from '../core/protocol/registry.ts'
import {type KeyPair, signText, verifyText} from './keys.ts'
import {CLOCK_AHEAD_MAX_MS} from './nonces.ts'

const TOKEN = /^([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{86})$/

/** Makes a token as the account whose key this is. */
export function signRegistryToken(
  token: Omit<RegistryToken, 'v' | 'keyId' | 'actions'> & {readonly actions: readonly RegistryAction[]},
  key: KeyPair
): string {
  const payload = Buffer.from(JSON.stringify({v: 'creo-registry-token-v1', ...token, keyId: key.keyId})).toString('base64url')
  return `${payload}.${signText(key, signingText(payload))}`
}

export interface TokenToOpen {
  readonly token: string
  readonly network: string
  /** The public key with this id, or undefined when the account that the token names has no such key. */
  readonly keyOf: (keyId: string, account: string) => string | undefined
  readonly nowMs: number
}

/** @throws {CreoError} `unauthorized` for what is no token of this network, of no key of its account, or after its time. */
export function openRegistryToken({token, network, keyOf, nowMs}: TokenToOpen): RegistryToken {
  const [, payload = '', signature = ''] = TOKEN.exec(token) ?? []
  const parsed = registryTokenSchema.safeParse(jsonOf(payload))
  if (!parsed.success) throw refused('The password is not a token of creo.')
  const {keyId, account, issuedAtMs, notAfterMs} = parsed.data
  if (parsed.data.network !== network) throw refused('The token is of another network.')
  const publicKey = keyOf(keyId, account)
  if (publicKey === undefined || !verifyText(publicKey, signingText(payload), signature)) {
    throw refused(`The token is not signed by a key of ${account}.`)
  }
  const isTooLong = notAfterMs - issuedAtMs > REGISTRY_TOKEN_LIFETIME_MAX_MS || issuedAtMs > nowMs + CLOCK_AHEAD_MAX_MS
  if (isTooLong) throw refused('The token is good for longer than a token may be.')
  if (nowMs >= notAfterMs) throw new CreoError('unauthorized', 'The token has expired.', {hint: 'Make a new one: creo registry token'})
  return parsed.data
}

function signingText(payload: string): string {
  return `creo-registry-token-v1\n${payload}`
}

function refused(message: string): CreoError {
  return new CreoError('unauthorized', message, {hint: 'Make one as the account that you log in as: creo registry token --as ACCOUNT'})
}

function jsonOf(payload: string): unknown {
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString())
  } catch {
    return undefined
  }
}
