import {isCreoError} from '../core/errors.ts'
import {type Receipt, type ReceiptProposal, receiptId} from '../core/protocol/receipts.ts'
import {sha256Hex} from '../identity/keys.ts'
import {openReceipt} from '../identity/receipts.ts'
import type {LedgerReads} from '../ledger/port.ts'
import type {ClientLimits} from './http/client-limits.ts'
import type {OwnCommands} from './own-commands.ts'

export interface ReceiptAnswer {
  /** Empty when the receipt can't be read. */
  readonly id: string
  readonly status: 'paid' | 'already_paid' | 'rejected' | 'retry'
  readonly code?: string
  readonly message?: string
}

/** Errors of the moment: the same receipt may be paid later. */
const TEMPORARY: ReadonlySet<string> = new Set(['overloaded', 'rate_limited', 'unavailable', 'timeout', 'interrupted', 'internal'])

export interface ReceiptTools {
  readonly commands: Pick<OwnCommands, 'submit'>
  readonly limits: Pick<ClientLimits, 'takeReceipt'>
  readonly ledger: {readonly reads: Pick<LedgerReads, 'receipt' | 'lease'>; nowMs(): number}
  /** How long after its end a lease's receipts are still paid. */
  readonly receiptGraceMs: number
}

/** Pays receipts side by side, so that they share a group of the journal. Each is answered on its own. */
export function payReceipts(tools: ReceiptTools, receipts: readonly Receipt[], signal: AbortSignal): Promise<ReceiptAnswer[]> {
  return Promise.all(receipts.map((receipt) => payReceipt(tools, receipt, signal)))
}

/** The ledger checks both signatures, also those of a gateway that was revoked since, and that the receipt was not paid before. */
async function payReceipt(tools: ReceiptTools, receipt: Receipt, signal: AbortSignal): Promise<ReceiptAnswer> {
  let id = ''
  try {
    const {proposal} = openReceipt(receipt)
    id = receiptId(proposal)
    const known = knownAnswer(tools, id, proposal)
    if (known) return known
    const cause = `receipt:${sha256Hex([receipt.proposal, receipt.attestation].join('\n'))}`
    const answer = await tools.commands.submit({type: 'receipt.pay', receipt}, cause, signal, {
      admit: () => tools.limits.takeReceipt(proposal.node)
    })
    if (answer.status === 'applied') return {id, status: 'paid'}
    if (answer.code === 'replayed') return {id, status: 'already_paid'}
    return {id, status: 'rejected', code: answer.code, message: answer.message}
  } catch (error) {
    if (!isCreoError(error)) throw error
    return {id, status: TEMPORARY.has(error.code) ? 'retry' : 'rejected', code: error.code, message: error.message}
  }
}

/** Receipts are public: what is settled already is answered without a line in the journal, or anyone could fill it by sending them again. */
function knownAnswer({ledger, receiptGraceMs}: ReceiptTools, id: string, proposal: ReceiptProposal): ReceiptAnswer | undefined {
  const {reads} = ledger
  if (reads.receipt(id)) return {id, status: 'already_paid'}
  const lease = reads.lease(proposal.lease)
  const isPaying = lease?.status === 'active' || (lease !== undefined && ledger.nowMs() < lease.endsAtMs + receiptGraceMs)
  if (isPaying && proposal.windowStartMs < lease.endsAtMs) return undefined
  return {
    id,
    status: 'rejected',
    code: 'expired',
    message: `${proposal.lease} had ended before, or its budget is returned, or it never was.`
  }
}
