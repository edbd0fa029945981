import {LRUCache} from 'lru-cache'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {IN_WORDS, problemsText} from '../core/issue-words.ts'
import {type CommandBody, commandBodySchema, type SignedCommand, type UnsignedCommand} from '../core/protocol/commands.ts'
import {batchSigningText, commandSigningText} from '../core/protocol/signing-texts.ts'
import {BatchRoots, batchTree} from './command-batch.ts'
import {type KeyPair, keyIdOf, sha256Hex, signText} from './keys.ts'
import type {SignatureCheck} from './signature-pool.ts'
import {canonicalBytes, SIGNATURE_BYTES, verifyBytes} from './verify-bytes.ts'

/** Signatures of batches that were found to hold: a journal has the commands of a batch one after the other. */
const BATCHES_REMEMBERED_MAX = 64
const heldBatches = new LRUCache<string, true>({max: BATCHES_REMEMBERED_MAX})

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
export function signCommand(command: CommandToSign): SignedCommand {
  const unsigned = unsignedCommand(command)
  return {...unsigned, signature: signText(command.key, signingText(unsigned))}
}

/**
 * Commands of one key under one signature, at most `COMMAND_BATCH_MAX`: each carries its place in the batch and can be checked, sent and journaled without the others.
 * @throws {CreoError} `invalid_input` when a body breaks a rule of its schema.
 */
export function signCommands(
  signer: Pick<CommandToSign, 'network' | 'account' | 'key' | 'notAfterMs'>,
  commands: readonly Pick<CommandToSign, 'idempotencyKey' | 'body'>[]
): SignedCommand[] {
  const unsigned = commands.map((command) => unsignedCommand({...signer, ...command}))
  const {root, places} = batchTree(unsigned.map(signingText))
  const {key, network, account} = signer
  const signature = signText(key, batchSigningText({network, account, keyId: key.keyId}, {size: commands.length, root}))
  return places.map((batch, at) => ({...(unsigned[at] as UnsignedCommand), batch, signature}))
}

function unsignedCommand({network, account, key, idempotencyKey, notAfterMs, body}: CommandToSign): UnsignedCommand {
  const encoded = z.safeEncode(commandBodySchema, body, IN_WORDS)
  if (!encoded.success) throw invalidBody(encoded.error)
  return {v: 'creo-command-v1', network, account, keyId: key.keyId, idempotencyKey, notAfterMs, body: JSON.stringify(encoded.data)}
}

/** True when exactly this command was signed by this key and names it, by itself or in its batch. */
export function verifyCommand(command: SignedCommand, publicKey: string): boolean {
  const check = commandCheck(command, publicKey)
  if (check === undefined) return false
  const name = batchName(command, check)
  if (name !== undefined && heldBatches.has(name)) return true
  const holds = verifyBytes(check.publicKey, check.data, check.signature)
  if (holds && name !== undefined) heldBatches.set(name, true)
  return holds
}

/** What `verifyCommand` checks, to be checked elsewhere; undefined for what cannot hold by this key. @param roots of the request that it came with. */
export function commandCheck(command: SignedCommand, publicKey: string, roots = new BatchRoots()): SignatureCheck | undefined {
  const signature = canonicalBytes(command.signature, SIGNATURE_BYTES)
  if (signature === undefined || command.keyId !== keyIdOf(publicKey)) return undefined
  const text = signedText(command, roots)
  return text === undefined ? undefined : {publicKey, data: Buffer.from(text), signature}
}

/** The same for all commands that one signature is for, and for no others; undefined for a command that was signed by itself. */
export function batchName({batch, signature}: SignedCommand, {publicKey, data}: SignatureCheck): string | undefined {
  return batch === undefined ? undefined : `${publicKey} ${signature} ${Buffer.from(data).toString()}`
}

function signedText(command: SignedCommand, roots: BatchRoots): string | undefined {
  const text = signingText(command)
  if (command.batch === undefined) return text
  const root = roots.rootOf(text, command.batch)
  return root === undefined ? undefined : batchSigningText(command, {size: command.batch.size, root})
}

/** SHA-256 of the signing text, hex. @param bodySha256 of the body, where it is known. */
export function commandHash(command: UnsignedCommand, bodySha256 = sha256Hex(command.body)): string {
  return sha256Hex(commandSigningText(command, bodySha256))
}

/** Id of the account that an `account.create` command makes. */
export function accountIdOf(command: UnsignedCommand): string {
  return `acc_${commandHash(command).slice(0, 32)}`
}

function invalidBody(error: z.ZodError): CreoError {
  return new CreoError('invalid_input', `${problemsText(error.issues, 'the command')}.`, {
    hint: 'Mend that value and run the same command again.',
    cause: error
  })
}

function signingText(command: UnsignedCommand): string {
  return commandSigningText(command, sha256Hex(command.body))
}
