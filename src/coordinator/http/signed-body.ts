import type {CommandType, SignedCommand} from '../../core/protocol/commands.ts'
import {verifyCommand} from '../../identity/commands.ts'
import type {LedgerReads} from '../../ledger/port.ts'

/**
 * The body of a command that an account's key has signed and that may be one of these types: no other is parsed a second time. Undefined for
 * all else: what is wrong with it is the ledger's to say, and who may not sign learns nothing.
 */
export function signedBody(
  reads: LedgerReads,
  command: SignedCommand,
  types: readonly CommandType[]
): {readonly org: string; readonly body: unknown} | undefined {
  // An escape could hide the type.
  if (!types.some((type) => command.body.includes(`"${type}"`)) && !command.body.includes('\\u')) return undefined
  const account = reads.account(command.account)
  const key = account?.keys.find(({keyId}) => keyId === command.keyId)
  if (account === undefined || key === undefined || !verifyCommand(command, key.publicKey)) return undefined
  const body = jsonOf(command.body)
  return body === undefined ? undefined : {org: account.name, body}
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
