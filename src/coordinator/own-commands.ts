import type {CommandAnswer, CommandBody} from '../core/protocol/commands.ts'
import {signCommand} from '../identity/commands.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Ledger, SubmitOptions} from '../ledger/port.ts'

/** Short, so that a refused command may soon be tried again under the same cause. */
const COMMAND_LIFETIME_MS = 30_000

/** Commands of the network itself, signed by the coordinator: leases, receipts' payments, epochs and expiries. */
export interface OwnCommands {
  /** `cause` names what the command is for: the same cause with the same body is carried out once. */
  submit(body: CommandBody, cause: string, signal: AbortSignal, options?: Pick<SubmitOptions, 'admit'>): Promise<CommandAnswer>
}

export function createOwnCommands(tools: {readonly ledger: Ledger; readonly key: KeyPair}): OwnCommands {
  return {
    submit: (body, cause, signal, {admit} = {}) => {
      const command = signCommand({
        network: tools.ledger.networkId,
        account: 'coordinator',
        key: tools.key,
        idempotencyKey: cause,
        notAfterMs: tools.ledger.nowMs() + COMMAND_LIFETIME_MS,
        body
      })
      return tools.ledger.submit(command, signal, {provenBy: tools.key.publicKey, admit})
    }
  }
}
