import {randomBytes} from 'node:crypto'
import {CreoError} from '../core/errors.ts'
import {joinToken} from '../core/join-token.ts'
import {sha256Hex} from '../identity/keys.ts'
import type {AccountContext} from './context.ts'

const TOKEN_BYTES = 32
const LIFETIME_MIN_MS = 1000
const LIFETIME_MAX_MS = 30 * 24 * 3_600_000

/** A token that names its owner and that nobody can guess; the ledger learns its hash. */
export async function createNodeToken(
  {client, account}: AccountContext,
  lifetimeMs: number
): Promise<{token: string; expiresAtMs: number}> {
  if (lifetimeMs < LIFETIME_MIN_MS || lifetimeMs > LIFETIME_MAX_MS) {
    throw new CreoError('invalid_input', 'A token is good for one second to thirty days.', {hint: 'For example --expires 24h.'})
  }
  const token = joinToken(account.id, randomBytes(TOKEN_BYTES).toString('base64url'))
  const expiresAtMs = (await client.networkNowMs()) + lifetimeMs
  await client.submit({type: 'node.token', tokenHash: sha256Hex(token), expiresAtMs})
  return {token, expiresAtMs}
}
