import {isCreoError} from '../core/errors.ts'
import {instanceMibMs} from '../core/metering.ts'
import {type Receipt, type ReceiptProposal, receiptId, receiptSigningText} from '../core/protocol/receipts.ts'
import type {GatewayMessage} from '../core/protocol/tunnel.ts'
import type {KeyPair} from '../identity/keys.ts'
import {nodeIdOf, sha256Hex, verifyText} from '../identity/keys.ts'
import {attest, openProposal} from '../identity/receipts.ts'
import type {Log} from '../telemetry/log.ts'
import {earnedBy} from './budget.ts'
import type {LeaseTerms, MinerStore} from './miner-store.ts'
import type {MeasuredWork, WorkMeter} from './work-meter.ts'

/** A proposal may claim this much more than was measured: the two count at different moments and places. */
const TOLERANCE_SHARE = 0.25
const TOLERANCE_BYTES = 2 ** 20
const TOLERANCE_INSTANCE_MS = 60_000
const TOLERANCE_STANDBY_MS = 60_000
/** What ran before a restart was not measured by this process: so long, larger claims are signed with our own, smaller numbers. */
export const SETTLING_MS = 600_000

/** The receipt could not be kept now, and can later. */
const UNKEPT_CODES: ReadonlySet<string> = new Set(['data_dir_unwritable', 'overloaded'])

export type Proposed = Extract<GatewayMessage, {type: 'propose_receipt'}>
export type Answer =
  | {readonly type: 'receipt'; readonly receipt: Receipt}
  | {readonly type: 'refuse_receipt'; readonly proposalSha256: string; readonly reason: string}

export interface ReceiptSignerOptions {
  readonly network: string
  readonly nodeKey: KeyPair
  readonly store: MinerStore
  readonly meter: WorkMeter
  readonly now: () => number
  readonly log: Log
  /** Called once for each receipt that is newly on disk. */
  readonly onSigned: (lease: LeaseTerms, proposal: ReceiptProposal) => void
}

/**
 * Signs what a gateway says this node has served, when its own measurement agrees. The receipt is on stable storage before it is
 * answered, and the same proposal always gets the same receipt.
 */
export class ReceiptSigner {
  readonly #options: ReceiptSignerOptions
  readonly #node: string

  constructor(options: ReceiptSignerOptions) {
    this.#options = options
    this.#node = nodeIdOf(options.nodeKey.publicKey)
  }

  /**
   * @throws {CreoError} `data_dir_unwritable`, or `overloaded` while too many wait for the coordinator, when the receipt can't be kept: no answer then,
   * since what is refused is never proposed again.
   */
  answer(proposed: Proposed, gateway: {readonly id: string; readonly publicKey: string}): Answer {
    try {
      return this.#answer(proposed, gateway)
    } catch (error) {
      if (!isCreoError(error) || UNKEPT_CODES.has(error.code)) throw error
      return this.#refuse(proposed, error.message)
    }
  }

  #answer(proposed: Proposed, gateway: {readonly id: string; readonly publicKey: string}): Answer {
    const {store, meter} = this.#options
    if (!verifyText(gateway.publicKey, receiptSigningText('creo-receipt-v1', proposed.proposal), proposed.gatewaySignature)) {
      return this.#refuse(proposed, 'the signature does not hold')
    }
    const proposal = openProposal(proposed.proposal)
    const id = receiptId(proposal)
    const before = store.receipt(id)
    if (before?.receipt.proposal === proposed.proposal) return {type: 'receipt', receipt: before.receipt}
    const lease = store.lease(proposal.lease)
    const reason = before === undefined ? this.#objection(proposal, gateway.id, lease) : 'this window is signed with other numbers'
    if (reason !== undefined || lease === undefined) return this.#refuse(proposed, reason ?? 'unknown lease')
    const standbyMs = Math.min(meter.standby.measuredMs(proposal.lease), proposal.standbyMs ?? 0)
    const own = {...atMost(meter.measured(gateway.id, proposal.revision), proposal), standbyMs}
    const receipt = attest({proposal: proposed.proposal, gatewaySignature: proposed.gatewaySignature}, own, this.#options.nodeKey)
    const earned = earnedBy(store, lease, {requests: proposal.requests, mibMs: own.mibMs, standbyMs})
    store.add({id, lease, receipt, earned, atMs: this.#options.now()})
    meter.standby.take(proposal.lease, standbyMs)
    meter.take(gateway.id, proposal, {...own, windowMs: isStandbyAlone(proposal) ? 0 : proposal.windowMs})
    this.#options.onSigned(lease, proposal)
    return {type: 'receipt', receipt}
  }

  #objection(proposal: ReceiptProposal, gateway: string, lease: LeaseTerms | undefined): string | undefined {
    if (proposal.network !== this.#options.network) return 'that is another network'
    if (proposal.gateway !== gateway) return 'that is another gateway'
    if (proposal.node !== this.#node) return 'that is another node'
    if (lease === undefined) return 'this node has no such lease'
    if (lease.revision !== proposal.revision) return 'the lease is of another revision'
    const {meter} = this.#options
    if (!isStandbyAlone(proposal) && proposal.windowMs > meter.windowsLeftMs(gateway, proposal) + SETTLING_MS) {
      return 'the windows last longer than time has passed here'
    }
    if (meter.elapsedMs < SETTLING_MS) return undefined
    const stoodByMs = meter.standby.measuredMs(proposal.lease)
    if ((proposal.standbyMs ?? 0) > stoodByMs * (1 + TOLERANCE_SHARE) + TOLERANCE_STANDBY_MS) {
      return `more time stood by than was measured here (${stoodByMs} ms)`
    }
    return excess(proposal, meter.measured(gateway, proposal.revision), instanceMibMs(lease.memoryBytes, TOLERANCE_INSTANCE_MS))
  }

  #refuse(proposed: Proposed, reason: string): Answer {
    this.#options.log.warn({reason}, 'receipt refused')
    return {type: 'refuse_receipt', proposalSha256: sha256Hex(proposed.proposal), reason: reason.slice(0, 400)}
  }
}

/** Such windows lie beside those of work, over the same time; what they claim is bounded by what was measured. */
function isStandbyAlone({standbyMs = 0, requests, mibMs, bytesIn, bytesOut}: ReceiptProposal): boolean {
  return standbyMs > 0 && requests + mibMs + bytesIn + bytesOut === 0
}

function excess(proposal: ReceiptProposal, own: MeasuredWork, toleranceMibMs: number): string | undefined {
  const share = 1 + TOLERANCE_SHARE
  if (proposal.mibMs > own.mibMs * share + toleranceMibMs) return `more instance time than was measured here (${own.mibMs} MiB·ms)`
  if (proposal.bytesIn > own.bytesIn * share + TOLERANCE_BYTES) return `more bytes in than were measured here (${own.bytesIn})`
  if (proposal.bytesOut > own.bytesOut * share + TOLERANCE_BYTES) return `more bytes out than were measured here (${own.bytesOut})`
  return undefined
}

function atMost(own: MeasuredWork, proposal: ReceiptProposal): MeasuredWork {
  return {
    mibMs: Math.min(own.mibMs, proposal.mibMs),
    bytesIn: Math.min(own.bytesIn, proposal.bytesIn),
    bytesOut: Math.min(own.bytesOut, proposal.bytesOut)
  }
}
