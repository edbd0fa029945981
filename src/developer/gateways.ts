import {CreoError} from '../core/errors.ts'
import {gatewayIdSchema, publicKeySchema} from '../core/protocol/scalars.ts'
import {gatewayIdOf, type KeyPair} from '../identity/keys.ts'
import type {Context} from './context.ts'

export interface GatewayAddresses {
  readonly name: string
  readonly tunnelUrl: string
  readonly publicUrl: string
}

const KEY_HINT = 'Copy it from what creo gateway serve printed: 43 letters, digits, - and _.'

/** Admits a gateway by the operator's key, or changes the addresses of one. @throws {CreoError} `invalid_input` for what is no public key. */
export async function admitGateway(
  {client}: Context,
  operator: KeyPair,
  {publicKey, ...addresses}: GatewayAddresses & {readonly publicKey: string},
  signal: AbortSignal
): Promise<{readonly gateway: string; readonly seq: number}> {
  if (!publicKeySchema.safeParse(publicKey).success)
    throw new CreoError('invalid_input', `"${publicKey}" is not the public key of a gateway.`, {hint: KEY_HINT})
  const {seq} = await client.as('operator', operator).submit({type: 'gateway.admit', publicKey, ...addresses}, {signal})
  return {gateway: gatewayIdOf(publicKey), seq}
}

export interface RevokedGateway {
  readonly gateway: string
  readonly status: 'revoked' | 'already_revoked'
  /** Null when nothing was changed. */
  readonly seq: number | null
}

/**
 * Takes a gateway out of the network, by its id or its public key.
 * @throws {CreoError} `invalid_input` for what is neither.
 */
export async function revokeGateway({client}: Context, operator: KeyPair, typed: string, signal: AbortSignal): Promise<RevokedGateway> {
  const id = gatewayIdSchema.safeParse(typed).success ? typed : publicKeySchema.safeParse(typed).success ? gatewayIdOf(typed) : undefined
  if (id === undefined)
    throw new CreoError('invalid_input', `"${typed}" is neither the id nor the public key of a gateway.`, {hint: KEY_HINT})
  const {gateways} = await client.gateways(signal)
  const publicKey = gateways.find((gateway) => gateway.id === id)?.publicKey
  if (publicKey === undefined) return {gateway: id, status: 'already_revoked', seq: null}
  const {seq} = await client.as('operator', operator).submit({type: 'gateway.revoke', publicKey}, {signal})
  return {gateway: id, status: 'revoked', seq}
}
