import type {CommandAnswer, CommandBody} from '../core/protocol/commands.ts'
import {signCommand, signCommands} from '../identity/commands.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Ledger, SubmitOptions} from '../ledger/port.ts'

/** Short, so that a refused command may soon be tried again under the same cause. */
const COMMAND_LIFETIME_MS = 30_000

/**
 * So many share one signature. Each then carries its place among them into the journal, a hash of 43 characters for every doubling, while most of
 * what a signature takes is saved with the first few.
 */
const SIGNED_TOGETHER_MAX = 8

/** One of several commands that are submitted at once. */
export interface OwnCommand {
  readonly body: CommandBody
  /** What it is for, as in `submit`. */
  readonly cause: string
}

/** Commands of the network itself, signed by the coordinator: leases, receipts' payments, epochs and expiries. */
export interface OwnCommands {
  /** `cause` names what the command is for: the same cause with the same body is carried out once. */
  submit(body: CommandBody, cause: string, signal: AbortSignal, options?: Pick<SubmitOptions, 'admit'>): Promise<CommandAnswer>
  /** The same for many that do not depend on each other, each answered or refused on its own, in their order. */
  submitTogether(commands: readonly OwnCommand[], signal: AbortSignal): Promise<CommandAnswer>[]
}

export function createOwnCommands({ledger, key}: {readonly ledger: Ledger; readonly key: KeyPair}): OwnCommands {
  const signer = () => ({network: ledger.networkId, account: 'coordinator', key, notAfterMs: ledger.nowMs() + COMMAND_LIFETIME_MS})
  const provenBy = key.publicKey
  return {
    submit: (body, cause, signal, {admit} = {}) =>
      ledger.submit(signCommand({...signer(), idempotencyKey: cause, body}), signal, {provenBy, admit}),
    submitTogether: (commands, signal) => {
      const unsigned = commands.map(({body, cause}) => ({body, idempotencyKey: cause}))
      const signed = partsOf(unsigned, SIGNED_TOGETHER_MAX).flatMap(([first, ...others]) => {
        if (first === undefined) return []
        // One alone needs no place among others.
        return others.length === 0 ? [signCommand({...signer(), ...first})] : signCommands(signer(), [first, ...others])
      })
      return signed.map((command) => ledger.submit(command, signal, {provenBy}))
    }
  }
}

function partsOf<T>(all: readonly T[], most: number): (readonly T[])[] {
  return Array.from({length: Math.ceil(all.length / most)}, (_none, at) => all.slice(at * most, (at + 1) * most))
}
