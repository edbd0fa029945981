import {type SignedCommand, signedCommandSchema} from '../../core/protocol/commands.ts'
import {BatchRoots} from '../../identity/command-batch.ts'
import {batchName, commandCheck} from '../../identity/commands.ts'
import type {SignatureCheck, SignaturePool} from '../../identity/signature-pool.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {ClientLimits} from './client-limits.ts'

export interface Proven {
  /** Undefined where the value is none. */
  readonly command: SignedCommand | undefined
  /** The public key by which its signature holds; false where it does not hold by the key that it names; undefined where that is not known yet. */
  readonly provenBy: string | false | undefined
}

export interface ProvingTools {
  readonly ledger: Ledger
  readonly limits: ClientLimits
  readonly signatures: SignaturePool
}

/**
 * Checks the signatures of commands side by side, before the first of them has its turn: a batch may bring an account and what it does, so those
 * whose key is not known yet are left to the ledger. Nothing is spent on what will be refused for being too much.
 * @throws {CreoError} `overloaded` when too many signatures wait to be checked.
 */
export function provenKeys(tools: ProvingTools, values: readonly unknown[], address: string): Promise<Proven[]> {
  const batches = new Map<string, Promise<boolean>>()
  const roots = new BatchRoots()
  const verify = (command: SignedCommand, check: SignatureCheck): Promise<boolean> => {
    const name = batchName(command, check)
    const known = name === undefined ? undefined : batches.get(name)
    if (known !== undefined) return known
    const verified = tools.signatures.verify(check, {leavesRoom: true})
    if (name !== undefined) batches.set(name, verified)
    return verified
  }
  return Promise.all(values.map((value) => provenKey(tools, value, {address, roots, verify})))
}

interface Proving {
  readonly address: string
  readonly roots: BatchRoots
  /** Asks once for a signature that is for many commands. */
  verify(command: SignedCommand, check: SignatureCheck): Promise<boolean>
}

async function provenKey(tools: ProvingTools, value: unknown, {address, roots, verify}: Proving): Promise<Proven> {
  const {data: command} = signedCommandSchema.safeParse(value)
  if (command === undefined || isSpent(tools.limits, command, address)) return {command, provenBy: undefined}
  const publicKey = tools.ledger.publicKeyOf(command)
  if (publicKey === undefined) return {command, provenBy: undefined}
  const check = commandCheck(command, publicKey, roots)
  const holds = check !== undefined && (await verify(command, check))
  return {command, provenBy: holds && publicKey}
}

function isSpent(limits: ProvingTools['limits'], command: SignedCommand, address: string): boolean {
  try {
    limits.refuseSpent(command, address)
    return false
  } catch {
    return true
  }
}
