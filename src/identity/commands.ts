import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {
  type CommandBody,
  commandBodySchema,
  commandSigningText,
  type SignedCommand,
  type UnsignedCommand
} from '../core/protocol/commands.ts'
import {type KeyPair, keyIdOf, sha256Hex, signText, verifyText} from './keys.ts'
import type {SignatureCheck} from './signature-pool.ts'
import {canonicalBytes, SIGNATURE_BYTES} from './verify-bytes.ts'

export interface CommandToSign {
  readonly network: string
  /** Account id, or `new`, `coordinator`, `operator`. */
  readonly account: string
  readonly key: KeyPair
  /** The same key with the same body gets the first answer again. */
  readonly idempotencyKey: string
  readonly notAfterMs: number
  readonly body: CommandBody
}

/**
 * Encodes the body to the exact JSON text that is signed and journaled.
 * @throws {CreoError} `invalid_input` when the body breaks a rule of its schema.
 */
export function signCommand({network, account, key, idempotencyKey, notAfterMs, body}: CommandToSign): SignedCommand {
  const encoded = z.safeEncode(commandBodySchema, body)
  if (!encoded.success) throw invalidBody(encoded.error)
  const unsigned: UnsignedCommand = {
    v: 'creo-command-v1',
    network,
    account,
    keyId: key.keyId,
    idempotencyKey,
    notAfterMs,
    body: JSON.stringify(encoded.data)
  }
  return {...unsigned, signature: signText(key, signingText(unsigned))}
}

/** True when exactly this command was signed by this key and names it. */
export function verifyCommand(command: SignedCommand, publicKey: string): boolean {
  return command.keyId === keyIdOf(publicKey) && verifyText(publicKey, signingText(command), command.signature)
}

/** What `verifyCommand` checks, to be checked elsewhere; undefined for what cannot hold by this key. */
export function commandCheck(command: SignedCommand, publicKey: string): SignatureCheck | undefined {
  const signature = canonicalBytes(command.signature, SIGNATURE_BYTES)
  if (signature === undefined || command.keyId !== keyIdOf(publicKey)) return undefined
  return {publicKey, data: Buffer.from(signingText(command)), signature}
}

/** SHA-256 of the signing text, hex. */
export function commandHash(command: UnsignedCommand): string {
  return sha256Hex(signingText(command))
}

/** Id of the account that an `account.create` command makes. */
export function accountIdOf(command: UnsignedCommand): string {
  return `acc_${commandHash(command).slice(0, 32)}`
}

function invalidBody(error: z.ZodError): CreoError {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? 'The command' : issue.path.map(String).join('.')
  return new CreoError('invalid_input', `${where}: ${issue?.message ?? 'is not valid'}.`, {
    hint: 'Mend that value and run the same command again.',
    cause: error
  })
}

function signingText(command: UnsignedCommand): string {
  return commandSigningText(command, sha256Hex(command.body))
}
