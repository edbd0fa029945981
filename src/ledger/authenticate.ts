import {CreoError} from '../core/errors.ts'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import type {SequencedCommand} from '../core/exchange/outcome.ts'
import {parsedOr} from '../core/issue-words.ts'
import {type CommandBody, commandBodySchema, type SignedCommand} from '../core/protocol/commands.ts'
import type {Receipt} from '../core/protocol/receipts.ts'
import {commandHash, verifyCommand} from '../identity/commands.ts'
import {keyIdOf, sha256Hex} from '../identity/keys.ts'
import {openReceipt, verifyReceipt} from '../identity/receipts.ts'
import {checkKeyProofs, refuseUnprovenKeys} from './key-proofs.ts'

/** A command whose signer is known; what is left to say is its place and time. */
export type AuthenticCommand = Omit<SequencedCommand, 'seq' | 'atMs'>

/**
 * Decodes a command and checks that its key signed it, and for a receipt that its gateway and node did. Keys are those that the machine knows now.
 * `signatures: false` leaves the signatures out (a replay of a journal whose hashes hold); `isNew` refuses as well what only old journals may hold;
 * `provenBy` is the public key by which the command's own signature is known to hold already: it is checked again only if another key should have signed.
 * @throws {CreoError} `invalid_input`, `unauthorized`, `bad_signature`
 */
export function authenticate(
  machine: LedgerMachine,
  command: SignedCommand,
  {signatures, isNew = false, provenBy}: {readonly signatures: boolean; readonly isNew?: boolean; readonly provenBy?: string | undefined}
): AuthenticCommand {
  if (command.network !== machine.state.networkId) {
    throw new CreoError('unauthorized', 'The command was signed for another network.', {hint: 'Join this network and sign again.'})
  }
  const body = decodeCommandBody(command.body)
  if (isNew) refuseUnprovenKeys(command, body)
  const publicKey = signingKey(machine, command, body)
  if (signatures && !(isProven(machine, command, {publicKey, provenBy}) || verifyCommand(command, publicKey))) {
    throw badSignature(command)
  }
  if (signatures) checkKeyProofs(command, body)
  if (body.type === 'receipt.pay') checkReceipt(machine, body.receipt, signatures)
  const {account, keyId, idempotencyKey, notAfterMs} = command
  const bodySha256 = sha256Hex(command.body)
  return {
    account,
    keyId,
    idempotencyKey,
    notAfterMs,
    hash: () => commandHash(command, bodySha256),
    bodySha256,
    bodyKeyIds: publicKeysIn(body).map((key) => keyIdOf(key)),
    body
  }
}

/** What is said of a command that its key has not signed. */
export function badSignature({keyId}: Pick<SignedCommand, 'keyId'>): CreoError {
  return new CreoError('bad_signature', `The signature of key ${keyId} does not hold.`, {
    hint: 'Sign the exact body with the key that the command names.'
  })
}

/** An account's key is known by its id, so only another one's must be made to compare them. */
function isProven(
  machine: LedgerMachine,
  command: SignedCommand,
  {publicKey, provenBy}: {readonly publicKey: string; readonly provenBy: string | undefined}
): boolean {
  return publicKey === provenBy && (machine.keyOf(command) === publicKey || command.keyId === keyIdOf(publicKey))
}

const RECEIPT_HINT = 'Hand in receipts of gateways and nodes of this network.'
const BODY_HINT = 'Mend that value, sign the command again, and send it under a new idempotency key.'

function decodeCommandBody(text: string): CommandBody {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CreoError('invalid_input', 'The body of the command is not JSON.', {hint: BODY_HINT, cause})
  }
  return parsedOr(
    commandBodySchema,
    value,
    (wrong, cause) => new CreoError('invalid_input', `In the body of the command, ${wrong}.`, {hint: BODY_HINT, cause})
  )
}

/** The key that should have signed a command, where it is known before the body is: undefined for `new`, and for a key that is none of the account's. */
export function knownKey(machine: LedgerMachine, command: Pick<SignedCommand, 'account' | 'keyId'>): string | undefined {
  const {genesis} = machine.state
  if (command.account === 'coordinator') return genesis.coordinatorKey
  if (command.account === 'operator') return genesis.operatorKey
  return command.account === 'new' ? undefined : machine.keyOf(command)
}

function signingKey(machine: LedgerMachine, command: SignedCommand, body: CommandBody): string {
  if (command.account === 'new') {
    const key = broughtKeys(body).find((candidate) => keyIdOf(candidate) === command.keyId)
    if (key !== undefined) return key
    throw new CreoError('unauthorized', `The body brings no key ${command.keyId}.`, {
      hint: 'Sign with one of the keys that the command names.'
    })
  }
  const known = knownKey(machine, command) ?? keyOfFirst(machine, command)
  if (known !== undefined) return known
  throw new CreoError('unauthorized', `Key ${command.keyId} is not a key of ${command.account}.`, {
    hint: 'Check the account and the key file.'
  })
}

/** The key of a command that was carried out before its key was taken away, perhaps by itself: who did not hear the answer asks again with it. */
function keyOfFirst(machine: LedgerMachine, command: SignedCommand): string | undefined {
  const first = machine.firstAnswer(command)
  return first?.bodySha256 === sha256Hex(command.body) ? first.publicKey : undefined
}

/** Those that may sign for themselves. */
function broughtKeys(body: CommandBody): string[] {
  if (body.type === 'account.create') return body.keys.map(({publicKey}) => publicKey)
  return body.type === 'node.enroll' || body.type === 'key.accept' ? [body.publicKey] : []
}

function publicKeysIn(body: CommandBody): string[] {
  switch (body.type) {
    case 'account.create':
      return body.keys.map((key) => key.publicKey)
    case 'node.enroll':
    case 'gateway.admit':
    case 'gateway.revoke':
    case 'key.add':
    case 'key.rotate':
    case 'recovery.start':
      return [body.publicKey]
    case 'key.accept':
      return [body.publicKey, body.inviteKey]
    case 'key.invite':
      return [body.inviteKey]
    default:
      return []
  }
}

function checkReceipt(machine: LedgerMachine, receipt: Receipt, signatures: boolean): void {
  const {proposal} = openReceipt(receipt)
  const gatewayKey = machine.state.gateways.get(proposal.gateway)?.publicKey
  const nodeKey = machine.state.nodes.get(proposal.node)?.publicKey
  if (gatewayKey === undefined) throw new CreoError('unauthorized', `${proposal.gateway} was never admitted.`, {hint: RECEIPT_HINT})
  if (nodeKey === undefined) throw new CreoError('unauthorized', `${proposal.node} is not enrolled.`, {hint: RECEIPT_HINT})
  if (signatures && !verifyReceipt(receipt, {gatewayKey, nodeKey})) {
    throw new CreoError('bad_signature', 'A signature of the receipt does not hold.', {hint: 'Gateway and node both sign the exact texts.'})
  }
}
