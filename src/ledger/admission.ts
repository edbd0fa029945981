import {CreoError} from '../core/errors.ts'
import {COMMAND_LIFETIME_MAX_MS, type SignedCommand} from '../core/protocol/commands.ts'

/** Commands that wait for their commit at a time, and their bytes with what they did. */
export const QUEUE_MAX = 10_000
export const QUEUE_BYTES_MAX = 64 * 2 ** 20
/** What the network's own commands may wait with beyond that, so that a rush of others never keeps leases, epochs and expiries out. */
const QUEUE_RESERVED = 1000
const QUEUE_BYTES_RESERVED = 16 * 2 ** 20

/** @param waiting for their commit. @throws {CreoError} `overloaded` */
export function refuseWhenFull(
  {account}: Pick<SignedCommand, 'account'>,
  waiting: {readonly commands: number; readonly bytes: number}
): void {
  const isNetworks = account === 'coordinator' || account === 'operator'
  const [commandsMax, bytesMax] = isNetworks
    ? [QUEUE_MAX + QUEUE_RESERVED, QUEUE_BYTES_MAX + QUEUE_BYTES_RESERVED]
    : [QUEUE_MAX, QUEUE_BYTES_MAX]
  if (waiting.commands < commandsMax && waiting.bytes < bytesMax) return
  throw new CreoError('overloaded', `${waiting.commands} commands wait for the disk.`, {hint: 'Try again in a second.'})
}

/** @throws {CreoError} `expired`; `invalid_input` for a not-after that is too far ahead. */
export function refuseByTime({notAfterMs}: Pick<SignedCommand, 'notAfterMs'>, nowMs: number): void {
  if (notAfterMs <= nowMs)
    throw new CreoError('expired', 'The not-after of the command has passed.', {hint: 'Sign it again; check the clock.'})
  if (notAfterMs > nowMs + COMMAND_LIFETIME_MAX_MS) {
    throw new CreoError('invalid_input', 'The not-after of the command is more than a day ahead.', {
      hint: 'Choose a nearer one; check the clock.'
    })
  }
}
