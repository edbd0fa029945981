import type {z} from 'zod'
import type {commandBodySchema, SignedCommand} from '../core/protocol/commands.ts'
import {commandSigningText} from '../core/protocol/signing-texts.ts'
import {sha256HexOf} from './web-crypto.ts'
import type {WebKey} from './web-key.ts'

/** A command's body as it travels: amounts are strings of decimal digits, in minor units. */
export type WireCommandBody = z.input<typeof commandBodySchema>

export interface WebCommand {
  /** Id of the network. */
  readonly network: string
  /** Id of the account, or `new`. */
  readonly account: string
  readonly key: WebKey
  /** The same key with the same body gets the first answer again: what is sent twice is done once. */
  readonly idempotencyKey: string
  /** Refused from this time on, by the network's clock; at most 24 hours ahead. */
  readonly notAfterMs: number
  readonly body: WireCommandBody
}

/** A signed command as the coordinator takes it; whoever carries it there can neither change it nor use it for anything else. */
export async function signWebCommand({network, account, key, idempotencyKey, notAfterMs, body}: WebCommand): Promise<SignedCommand> {
  const unsigned = {
    v: 'creo-command-v1',
    network,
    account,
    keyId: key.keyId,
    idempotencyKey,
    notAfterMs,
    body: JSON.stringify(body)
  } as const
  return {...unsigned, signature: await key.sign(commandSigningText(unsigned, await sha256HexOf(unsigned.body)))}
}
