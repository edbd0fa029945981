import {isCreoError} from '../errors.ts'
import {type MeteredWork, plausibleWork, rewardFor} from '../metering.ts'
import type {CommandOf} from '../protocol/commands.ts'
import {
  type ReceiptAttestation,
  type ReceiptProposal,
  receiptAttestationSchema,
  receiptId,
  receiptProposalSchema
} from '../protocol/receipts.ts'
import type {RewardLine} from '../protocol/revisions.ts'
import {AMOUNT_MAX} from '../units.ts'
import {AVAILABLE, RESERVED} from './balances.ts'
import {CLOCK_SKEW_MAX_MS} from './limits.ts'
import {type Paid, refuse} from './outcome.ts'
import {PaidWindows} from './paid-windows.ts'
import {pairOf} from './revision-work.ts'
import type {CommandContext, LeaseState, LedgerState, NodeState, Result, RevisionState} from './state.ts'

/**
 * Pays one window of one node's work from the lease's budget to the node's owner. The edge has checked both signatures and that the attestation
 * names this proposal; here is checked that it fits the lease and was not paid before.
 */
export function payReceipt(context: CommandContext, body: CommandOf<'receipt.pay'>): Result {
  const {state} = context
  const {proposal, attestation} = readReceipt(body)
  const id = receiptId(proposal)
  if (proposal.network !== state.networkId) refuse('forbidden', 'The receipt is of another network.')
  const lease = leaseOf(context, proposal)
  const {node, revision} = parties(state, proposal)
  const pair = pairOf(revision, node.id)
  const windows = pair.paid?.get(proposal.gateway) ?? new PaidWindows()
  if (windows.isForgotten(proposal.window)) refuse('expired', `Receipt ${id} is older than any lease of its node and revision.`)
  if (windows.has(proposal.window)) refuse('replayed', `Receipt ${id} was paid already.`)
  const work = countedWork({lease, revision, atMs: context.atMs}, proposal, attestation)
  pair.carries ??= new Map()
  const paid = payLines(state, {lease, node, revision, work, carries: pair.carries})
  windows.add(proposal.window, numberedByMs(proposal, context.atMs))
  pair.paid ??= new Map()
  pair.paid.set(proposal.gateway, windows)
  if (work.standbyMs !== undefined) lease.standbyMs = (lease.standbyMs ?? 0) + work.standbyMs
  countWork(state, node, revision, work)
  context.effects.push({type: 'receipt', id, lease: lease.id, node: node.id, ...work, paid})
  return {receipt: id, paid: paid.map(({incentive, amountMinor}) => ({incentive, amountMinor: String(amountMinor)}))}
}

/**
 * A time by which every lower window of its gateway had begun. Windows of work are numbered when they begin. A window of standing by gets its number when
 * it is proven, perhaps hours after it began, and windows of work that began since have lower ones: all that is known is that it had one when it was paid.
 */
function numberedByMs({standbyMs, windowStartMs}: ReceiptProposal, atMs: number): number {
  return standbyMs === undefined ? windowStartMs : Math.max(windowStartMs, atMs)
}

function readReceipt(body: CommandOf<'receipt.pay'>): {proposal: ReceiptProposal; attestation: ReceiptAttestation} {
  const proposal = receiptProposalSchema.safeParse(parseJson(body.receipt.proposal))
  const attestation = receiptAttestationSchema.safeParse(parseJson(body.receipt.attestation))
  if (!proposal.success || !attestation.success) refuse('invalid_input', 'The receipt is not of the form creo-receipt-v1.')
  return {proposal: proposal.data, attestation: attestation.data}
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parties(state: LedgerState, proposal: ReceiptProposal): {node: NodeState; revision: RevisionState} {
  const gateway = state.gateways.get(proposal.gateway)
  const endsMs = proposal.windowStartMs + proposal.windowMs
  const admitted = gateway?.terms.some((term) => {
    const from = term.fromMs - CLOCK_SKEW_MAX_MS
    return proposal.windowStartMs >= from && (term.toMs === null || endsMs <= term.toMs + CLOCK_SKEW_MAX_MS)
  })
  if (!admitted) refuse('forbidden', `${proposal.gateway} was not admitted at the time of the receipt.`)
  const node = state.nodes.get(proposal.node)
  const revision = state.revisions.get(proposal.revision)
  if (node === undefined || revision === undefined) refuse('not_found', 'The receipt names a node or revision that is not there.')
  return {node, revision}
}

function leaseOf({state, atMs}: CommandContext, proposal: ReceiptProposal): LeaseState {
  const lease = state.leases.get(proposal.lease)
  if (lease === undefined) refuse('expired', `${proposal.lease} has ended and its budget is returned, or it never was.`)
  if (lease.node !== proposal.node || lease.revision !== proposal.revision)
    refuse('forbidden', `${lease.id} is of another node or revision.`)
  const endsMs = proposal.windowStartMs + proposal.windowMs
  if (endsMs > atMs + CLOCK_SKEW_MAX_MS) refuse('clock_skew', 'The window of the receipt has not ended yet.')
  if (endsMs + CLOCK_SKEW_MAX_MS < lease.startsAtMs || proposal.windowStartMs >= lease.endsAtMs) {
    refuse('expired', `The receipt's window is outside the term of ${lease.id}.`)
  }
  return lease
}

interface Paying {
  readonly lease: LeaseState
  readonly node: NodeState
  readonly revision: RevisionState
  readonly work: MeteredWork
  /** Millionths of a minor unit by incentive. */
  readonly carries: Map<string, number>
}

/** What both attest, as far as one node can have done it. Time stood by is left out where there is none. */
function countedWork(
  {lease, revision, atMs}: {readonly lease: LeaseState; readonly revision: RevisionState; readonly atMs: number},
  proposal: ReceiptProposal,
  attestation: ReceiptAttestation
): MeteredWork {
  const {requests, mibMs, standbyMs} = plausibleWork(revision.spec, proposal.windowMs, {
    requests: proposal.requests,
    mibMs: Math.min(proposal.mibMs, attestation.mibMs),
    standbyMs: Math.min(proposal.standbyMs ?? 0, attestation.standbyMs ?? 0)
  })
  const newMs = Math.min(standbyMs, standbyLeftMs(lease, proposal, atMs))
  return {requests, mibMs, ...(newMs > 0 && {standbyMs: newMs})}
}

/** A lease is stood by for once, whatever gateways say and however their windows overlap: never longer than it has lasted by the window's end. */
function standbyLeftMs(lease: LeaseState, {windowStartMs, windowMs}: ReceiptProposal, atMs: number): number {
  return Math.min(windowStartMs + windowMs, lease.endsAtMs, atMs) - lease.startsAtMs - (lease.standbyMs ?? 0)
}

/** Every line of the revision that the lease has a budget for, never above what is left of it. */
function payLines(state: LedgerState, {lease, node, revision, work, carries}: Paying): Paid[] {
  const rewards = revision.spec.rewards.flatMap((line) => {
    const budget = lease.budgets.find((candidate) => candidate.incentive === line.incentive)
    return budget === undefined ? [] : [{budget, ...reward(line, work, carries.get(line.incentive) ?? 0)}]
  })
  return rewards.map(({budget, carry, amountMinor}) => {
    const paidMinor = Math.min(amountMinor, budget.reservedMinor - budget.paidMinor)
    carries.set(budget.incentive, carry)
    state.balances.move(state.slot(revision.org, budget.asset, RESERVED), state.slot(node.owner, budget.asset, AVAILABLE), paidMinor)
    budget.paidMinor += paidMinor
    return {incentive: budget.incentive, amountMinor: paidMinor}
  })
}

function reward(line: RewardLine, work: MeteredWork, carry: number): {readonly amountMinor: number; readonly carry: number} {
  try {
    return rewardFor(line, work, carry)
  } catch (error) {
    if (isCreoError(error)) refuse('invalid_input', 'The receipt counts more work than any supply could pay.')
    throw error
  }
}

/** Work for the exchange app counts towards the epoch. */
function countWork(state: LedgerState, node: NodeState, revision: RevisionState, work: MeteredWork): void {
  if (state.accountsByName.get(state.genesis.exchangeOrg)?.index !== revision.org) return
  const sum = state.work.get(node.owner) ?? {requests: 0, mibMs: 0}
  sum.requests = Math.min(AMOUNT_MAX, sum.requests + work.requests)
  sum.mibMs = Math.min(AMOUNT_MAX, sum.mibMs + work.mibMs)
  state.work.set(node.owner, sum)
}
