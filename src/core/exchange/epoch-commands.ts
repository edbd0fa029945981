import type {CommandOf} from '../protocol/commands.ts'
import {AMOUNT_MAX, mulDivFloor} from '../units.ts'
import {AVAILABLE, FEE, ISSUED} from './balances.ts'
import {scheduledEmission} from './emission.ts'
import {refuse} from './outcome.ts'
import {type CommandContext, GUTTA_ASSET, type LedgerState, type OwnerWork, type Result} from './state.ts'

const PER_MILLION = 1_000_000
const PER_MILLE = 1000
/** Good answers that everybody is credited with beside those of their probes: so few probes that one is bad luck take a third at most. */
const GOOD_BEFORE = 2

interface Share {
  readonly account: number
  readonly workPoints: number
  readonly amountMicroGutta: number
}

interface Probes {
  readonly good: number
  readonly failed: number
}

/**
 * Shares one epoch's emission and the market's fees among owners by their verified work. Fees are given out first, the rest is minted; what no
 * share took stays for the next epoch. Without work nothing is minted and this epoch's amount lapses.
 */
export function closeEpoch(context: CommandContext, body: CommandOf<'epoch.close'>): Result {
  const {state, atMs} = context
  const {emission, createdAtMs} = state.genesis
  if (body.epoch !== state.nextEpoch) refuse('conflict', `The next epoch to close is ${state.nextEpoch}, not ${body.epoch}.`)
  const endsAtMs = createdAtMs + (body.epoch + 1) * emission.epochMs
  if (atMs < endsAtMs) refuse('rejected', `Epoch ${body.epoch} ends in ${endsAtMs - atMs} ms.`)
  const probes = probesByOwner(state, body.probes ?? [])
  const points = workPoints(state, probes)
  const pointsTotal = points.reduce((sum, [, owned]) => sum + owned, 0)
  state.nextEpoch += 1
  state.work.clear()
  const {minted, shares} = pointsTotal === 0 ? {minted: 0, shares: []} : share(state, body.epoch, points, pointsTotal)
  context.effects.push({
    type: 'epoch',
    epoch: body.epoch,
    mintedMicroGutta: minted,
    shares: shares.map((part) => ({
      account: state.accountName(part.account),
      workPoints: part.workPoints,
      amountMicroGutta: part.amountMicroGutta,
      ...(probes.has(part.account) && {probes: probes.get(part.account)})
    }))
  })
  return {epoch: body.epoch, mintedMicroGutta: String(minted), shares: shares.length}
}

function share(
  state: LedgerState,
  epoch: number,
  points: readonly (readonly [number, number])[],
  pointsTotal: number
): {minted: number; shares: Share[]} {
  const {emission} = state.genesis
  const exchange = state.exchangeOrg().index
  const issued = state.slot(exchange, GUTTA_ASSET, ISSUED)
  const fee = state.slot(exchange, GUTTA_ASSET, FEE)
  const mintable = Math.min(
    scheduledEmission(emission, epoch) + state.carriedMicroGutta,
    emission.totalMicroGutta - state.mintedMicroGutta,
    AMOUNT_MAX + state.balances.at(issued)
  )
  const fees = Math.min(state.balances.at(fee), AMOUNT_MAX - mintable)
  const pot = mintable + fees
  const shareMax = mulDivFloor(pot, emission.ownerShareMaxPermille, PER_MILLE).quotient
  const shares = points.map(([account, owned]) => ({
    account,
    workPoints: owned,
    amountMicroGutta: Math.min(shareMax, mulDivFloor(pot, owned, pointsTotal).quotient)
  }))
  let feesLeft = fees
  let minted = 0
  for (const {account, amountMicroGutta} of shares) {
    const fromFees = Math.min(feesLeft, amountMicroGutta)
    const to = state.slot(account, GUTTA_ASSET, AVAILABLE)
    state.balances.move(fee, to, fromFees)
    state.balances.move(issued, to, amountMicroGutta - fromFees)
    feesLeft -= fromFees
    minted += amountMicroGutta - fromFees
  }
  state.mintedMicroGutta += minted
  state.carriedMicroGutta = mintable - minted
  return {minted, shares}
}

/** Of all nodes of an owner together: whose node it was is what a share goes by. A node that is not known is passed over. */
function probesByOwner(state: LedgerState, probes: NonNullable<CommandOf<'epoch.close'>['probes']>): Map<number, Probes> {
  const byOwner = new Map<number, Probes>()
  for (const {node, good, failed} of probes) {
    const owner = state.nodes.get(node)?.owner
    if (owner === undefined) continue
    const sum = byOwner.get(owner) ?? {good: 0, failed: 0}
    byOwner.set(owner, {good: sum.good + good, failed: sum.failed + failed})
  }
  return byOwner
}

/**
 * Points by what the probes say of them: floor(points × (good + 2) / (good + failed + 2)), the share of good answers after additive smoothing (Laplace's rule of
 * succession, with two good answers assumed and no bad one). Who was not probed keeps all.
 */
export function weighedPoints(points: number, {good, failed}: Probes): number {
  return mulDivFloor(points, good + GOOD_BEFORE, good + failed + GOOD_BEFORE).quotient
}

/** Owners with points, by account number; bounded so that their sum is exact. */
function workPoints(state: LedgerState, probes: ReadonlyMap<number, Probes>): [number, number][] {
  const pointsMax = Math.floor(AMOUNT_MAX / Math.max(1, state.work.size))
  return [...state.work]
    .map(([account, work]): [number, number] => [
      account,
      weighedPoints(Math.min(pointsMax, pointsOf(state, work)), probes.get(account) ?? {good: 0, failed: 0})
    ])
    .filter(([, points]) => points > 0)
    .sort(([a], [b]) => a - b)
}

function pointsOf(state: LedgerState, work: OwnerWork): number {
  const {workPerRequest, workPerMillionMibMs} = state.genesis.emission
  const forRequests = Math.min(AMOUNT_MAX, work.requests * workPerRequest)
  const forTime = Math.min(
    AMOUNT_MAX,
    Math.floor(work.mibMs / PER_MILLION) * workPerMillionMibMs +
      Math.floor(((work.mibMs % PER_MILLION) * workPerMillionMibMs) / PER_MILLION)
  )
  return Math.min(AMOUNT_MAX, forRequests + forTime)
}
