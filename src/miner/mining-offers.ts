import type {Client} from '../client/client.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {DAY_MS, type EarningEstimate, estimatePerDay, type RedemptionRecord, redemptionRecord} from '../core/earning-estimate.ts'
import {CreoError} from '../core/errors.ts'
import {priceText} from '../core/market-units.ts'
import type {IncentiveView, LeaseView, OfferView, RevisionView} from '../core/protocol/api.ts'
import {genesisSchema} from '../core/protocol/genesis.ts'
import type {RewardLine} from '../core/protocol/revisions.ts'
import {dailyBudgetMinor, isOneFunction} from '../core/traffic.ts'
import {formatDecimal, GUTTA_DECIMALS, mulDivFloor} from '../core/units.ts'
import {defaultTerms} from './host-defaults.ts'
import {loadSettings, termsOf} from './settings.ts'
import {readStatus} from './status-file.ts'

/** Functions whose leases are asked for; a network with more shows the rest without an estimate by what was paid. */
const REVISIONS_ASKED_MAX = 100
/** What was paid longer ago says little about tomorrow. */
const LOOK_BACK_MS = 7 * DAY_MS
/** Tenths of 10^6 MiB·ms in one GiB for one hour. */
const GIB_HOUR_TENTHS = 36_864
/** Tenths of 10^6 ms in one hour. */
const HOUR_TENTHS = 36

/** What one function pays for, per million requests, per GiB-hour and per hour of standing by, and what that may come to here. */
interface ShownWork {
  readonly function: string
  readonly perMillionRequests: string
  readonly perGibHour: string
  /** For an hour of standing ready without running it. */
  readonly perStandbyHour: string
  readonly dailyBudget: string
  readonly nodes: number
  readonly expectedPerDay: string
  readonly mostPerDay: string
}

export interface ShownChoice {
  /** What to give to --earn. */
  readonly earn: string
  readonly name: string
  readonly buys: readonly {
    readonly offer: string
    readonly item: string
    readonly price: string
    readonly stock: number
    readonly where: string
  }[]
  readonly redeemed: RedemptionRecord
  readonly work: readonly ShownWork[]
  readonly expectedPerDay: string
  readonly mostPerDay: string
  /** Gutta per 1.00. */
  readonly bestBid: string | null
  readonly lastTrade: string | null
}

export interface MiningOffers {
  /** The native currency, paid by epochs for work on the exchange's own functions. */
  readonly gutta: {
    readonly earn: 'gutta'
    readonly exchangeOrg: string
    readonly functions: number
    readonly epochMs: number
    readonly lastEpoch: {readonly minted: string; readonly owners: number} | null
    /** An equal part of the last epoch, every epoch of a day. */
    readonly expectedPerDay: string
  }
  readonly choices: readonly ShownChoice[]
}

interface OffersAsked {
  readonly client: Client
  readonly terms: OwnerTerms
  /** This machine's, when it is a node already. */
  readonly node: string | undefined
  readonly nowMs: number
}

/** What a volunteer can earn: what it buys and whether it was redeemed first, then what the work pays, and last a price. */
export async function miningOffers(asked: OffersAsked, signal: AbortSignal): Promise<MiningOffers> {
  const {client} = asked
  const [{incentives}, {offers}, {apps}] = await Promise.all([
    client.incentives(signal),
    client.offers({}, signal),
    client.apps({}, signal)
  ])
  const revisions = apps.flatMap((app) => app.revisions).filter(({current}) => current)
  const leases = new Map<string, readonly LeaseView[]>()
  for (const {id} of revisions.slice(0, REVISIONS_ASKED_MAX)) leases.set(id, (await client.leases({revision: id}, signal)).leases)
  const choices: (ShownChoice & {readonly paying: number})[] = []
  for (const incentive of incentives) choices.push(await choiceOf(asked, {incentive, offers, revisions, leases}, signal))
  choices.sort((a, b) => b.paying - a.paying || b.redeemed.captured - a.redeemed.captured || a.earn.localeCompare(b.earn))
  return {gutta: await guttaOf(asked, revisions, signal), choices: choices.map(({paying: _, ...choice}) => choice)}
}

interface World {
  readonly incentive: IncentiveView
  readonly offers: readonly OfferView[]
  readonly revisions: readonly RevisionView[]
  readonly leases: ReadonlyMap<string, readonly LeaseView[]>
}

async function choiceOf(asked: OffersAsked, world: World, signal: AbortSignal): Promise<ShownChoice & {readonly paying: number}> {
  const {incentive, offers, revisions, leases} = world
  const {id, decimals} = incentive
  const [{redemptions}, book, {trades}] = await Promise.all([
    asked.client.redemptions({incentive: id}, signal),
    asked.client.book(id, signal),
    asked.client.trades(id, {limit: 1}, signal)
  ])
  const lines = revisions.flatMap((revision) => {
    const whole = revision.spec.rewards.find((reward) => reward.incentive === id)
    if (whole === undefined) return []
    const line = {
      ...whole,
      dailyBudgetMinor: dailyBudgetMinor(
        whole,
        revision,
        revisions.filter((other) => isOneFunction(other, revision))
      )
    }
    const sofar = paidSoFar(revision, id, leases.get(revision.id) ?? [], asked)
    return [{revision, line, nodes: sofar.nodes, estimate: estimatePerDay(line, revision.spec, asked.terms, sofar)}]
  })
  const [bid, trade] = [book.bids[0], trades[0]]
  const expected = lines.reduce((sum, {estimate}) => sum + estimate.expectedMinor, 0)
  return {
    earn: id,
    name: incentive.name,
    buys: offers
      .filter((offer) => offer.incentive === id)
      .map(({id: offer, item, priceMinor, stock, where}) => ({offer, item, price: formatDecimal(priceMinor, decimals), stock, where})),
    redeemed: redemptionRecord(redemptions),
    work: lines.map((one) => shownWork(one, decimals)),
    expectedPerDay: formatDecimal(expected, decimals),
    mostPerDay: formatDecimal(Math.max(0, ...lines.map(({estimate}) => estimate.mostMinor)), decimals),
    bestBid: bid === undefined ? null : priceText(bid.priceMicroGutta, incentive),
    lastTrade: trade === undefined ? null : priceText(trade.priceMicroGutta, incentive),
    paying: Math.min(1, lines.length)
  }
}

function shownWork(
  work: {readonly revision: RevisionView; readonly line: RewardLine; readonly nodes: number; readonly estimate: EarningEstimate},
  decimals: number
): ShownWork {
  const {revision, line, nodes, estimate} = work
  return {
    function: `${revision.org}/${revision.app}/${revision.function}`,
    perMillionRequests: formatDecimal(line.requestsPerMillionMinor, decimals),
    perGibHour: formatDecimal(mulDivFloor(line.mibMsPerMillionMinor, GIB_HOUR_TENTHS, 10).quotient, decimals),
    perStandbyHour: formatDecimal(mulDivFloor(line.standbyMsPerMillionMinor ?? 0, HOUR_TENTHS, 10).quotient, decimals),
    dailyBudget: formatDecimal(line.dailyBudgetMinor, decimals),
    nodes,
    expectedPerDay: formatDecimal(estimate.expectedMinor, decimals),
    mostPerDay: formatDecimal(estimate.mostMinor, decimals)
  }
}

function paidSoFar(
  revision: RevisionView,
  incentive: string,
  leases: readonly LeaseView[],
  {node, nowMs}: OffersAsked
): {readonly paidMinor: number; readonly overMs: number; readonly nodes: number} {
  const recent = leases.filter(({startsAtMs}) => startsAtMs > nowMs - LOOK_BACK_MS)
  const paid = recent.flatMap(({budgets}) => budgets.filter((budget) => budget.incentive === incentive).map(({paidMinor}) => paidMinor))
  const holders = new Set(leases.filter(({status}) => status === 'active').map((lease) => lease.node))
  holders.add(node ?? '')
  return {
    paidMinor: paid.reduce((sum, minor) => sum + minor, 0),
    overMs: Math.min(LOOK_BACK_MS, Math.max(0, nowMs - revision.deployedAtMs)),
    nodes: holders.size
  }
}

async function guttaOf({client}: OffersAsked, revisions: readonly RevisionView[], signal: AbortSignal): Promise<MiningOffers['gutta']> {
  const [{epochs}, {genesis}] = await Promise.all([client.epochs(signal), client.network(signal)])
  const parsed = genesisSchema.safeParse(JSON.parse(genesis))
  if (!parsed.success)
    throw new CreoError('verification_failed', 'The genesis of this network is not one that this version knows.', {hint: 'Upgrade creo.'})
  const {exchangeOrg, emission} = parsed.data
  const last = [...epochs].sort((a, b) => b.epoch - a.epoch)[0]
  const perDay = last === undefined ? 0 : Math.floor(last.mintedMicroGutta / Math.max(1, last.shares.length)) * (DAY_MS / emission.epochMs)
  return {
    earn: 'gutta',
    exchangeOrg,
    functions: revisions.filter(({org}) => org === exchangeOrg).length,
    epochMs: emission.epochMs,
    lastEpoch: last === undefined ? null : {minted: formatDecimal(last.mintedMicroGutta, GUTTA_DECIMALS), owners: last.shares.length},
    expectedPerDay: formatDecimal(Math.floor(perDay), GUTTA_DECIMALS)
  }
}

/** What a machine lends before anybody has said anything: what its node remembers, or the defaults. */
export async function termsHere(directory: string): Promise<{readonly terms: OwnerTerms; readonly node: string | undefined}> {
  const settings = await loadSettings(directory)
  if (settings === undefined) return {terms: defaultTerms(), node: undefined}
  return {terms: termsOf(settings), node: (await readStatus(directory))?.node}
}
