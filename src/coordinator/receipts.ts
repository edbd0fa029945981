import {isCreoError} from '../core/errors.ts'
import {type Receipt, receiptId} from '../core/protocol/receipts.ts'
import {sha256Hex} from '../identity/keys.ts'
import {openReceipt} from '../identity/receipts.ts'
import type {OwnCommands} from './own-commands.ts'

export interface ReceiptAnswer {
  /** Empty when the receipt can't be read. */
  readonly id: string
  readonly status: 'paid' | 'already_paid' | 'rejected' | 'retry'
  readonly code?: string
  readonly message?: string
}

/** Errors of the moment: the same receipt may be paid later. */
const TEMPORARY: ReadonlySet<string> = new Set(['overloaded', 'unavailable', 'timeout', 'interrupted', 'internal'])

/** Pays receipts side by side, so that they share a group of the journal. Each is answered on its own. */
export function payReceipts(commands: OwnCommands, receipts: readonly Receipt[], signal: AbortSignal): Promise<ReceiptAnswer[]> {
  return Promise.all(receipts.map((receipt) => payReceipt(commands, receipt, signal)))
}

/** The ledger checks both signatures, also those of a gateway that was revoked since, and that the receipt was not paid before. */
async function payReceipt(commands: OwnCommands, receipt: Receipt, signal: AbortSignal): Promise<ReceiptAnswer> {
  let id = ''
  try {
    id = receiptId(openReceipt(receipt).proposal)
    const cause = `receipt:${sha256Hex([receipt.proposal, receipt.attestation].join('\n'))}`
    const answer = await commands.submit({type: 'receipt.pay', receipt}, cause, signal)
    if (answer.status === 'applied') return {id, status: 'paid'}
    if (answer.code === 'replayed') return {id, status: 'already_paid'}
    return {id, status: 'rejected', code: answer.code, message: answer.message}
  } catch (error) {
    if (!isCreoError(error)) throw error
    return {id, status: TEMPORARY.has(error.code) ? 'retry' : 'rejected', code: error.code, message: error.message}
  }
}
