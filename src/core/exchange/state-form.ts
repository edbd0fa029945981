import type {RestingOrder} from './market.ts'
import {BUY, SELL} from './order-pool.ts'
import {PaidWindows, type Range} from './paid-windows.ts'
import type {
  AccountState,
  AppState,
  FunctionState,
  GatewayState,
  IncentiveState,
  LeaseState,
  LedgerState,
  NodeState,
  NodeWork,
  OfferState,
  OwnerWork,
  RedemptionState,
  RevisionState
} from './state.ts'
import {TakerVolumes} from './taker-volumes.ts'
import {type VolumeBucket, VolumeWindow} from './volume-window.ts'

/**
 * Number of the form that the state's text has. Whatever makes the text of an *old* journal's state another one (a field that is not absent at its
 * default, another order) raises it: digests and snapshots of another form are not compared and not used.
 */
export const STATE_FORM = 2

/** What follows from other fields, or from the genesis. */
type Derived =
  | 'genesis'
  | 'networkId'
  | 'accountsById'
  | 'accountsByName'
  | 'accountsByKey'
  | 'invitesByKey'
  | 'recoveringKeys'
  | 'incentivesById'
  | 'auctions'
  | 'offerCounts'
type Method = {[Name in keyof LedgerState]: LedgerState[Name] extends (...args: never[]) => unknown ? Name : never}[keyof LedgerState]
type Remembered = Exclude<keyof LedgerState, Derived | Method>

/** How one field of the state becomes lines, each an array of JSON values, and comes back from them. */
interface Section {
  lines(state: LedgerState): Iterable<readonly unknown[]>
  take(state: LedgerState, parts: readonly unknown[]): void
}

function section<Parts extends readonly unknown[]>({
  lines,
  take
}: {
  readonly lines: (state: LedgerState) => Iterable<Parts>
  readonly take: (state: LedgerState, ...parts: Parts) => void
}): Section {
  return {lines, take: (state, parts) => take(state, ...(parts as Parts))}
}

/** Every field that the rules remember, in the order in which they can be brought back. A field that is missing here does not compile. */
const SECTIONS: Readonly<Record<Remembered, Section>> = {
  nextEpoch: numberSection('nextEpoch'),
  mintedMicroGutta: numberSection('mintedMicroGutta'),
  carriedMicroGutta: numberSection('carriedMicroGutta'),
  accounts: section<[AccountState]>({
    lines: (state) => each(state.accounts, (account) => [plain(account)]),
    take: takeAccount
  }),
  balances: section<[number, number, number[]]>({
    lines: (state) => state.balances.rows(),
    take: (state, account, asset, amounts) => state.balances.restoreRow(account, asset, amounts)
  }),
  usedTokens: section<[string]>({
    lines: (state) => each(state.usedTokens, (hash) => [hash]),
    take: (state, hash) => state.usedTokens.add(hash)
  }),
  nodeTokens: section<[string, {readonly account: number; readonly expiresAtMs: number}]>({
    lines: (state) => each(state.nodeTokens, ([hash, token]) => [hash, plain(token)]),
    take: (state, hash, token) => state.nodeTokens.set(hash, token)
  }),
  nodes: section<[NodeState]>({
    lines: (state) => each(state.nodes.values(), (node) => [plain(node)]),
    take: (state, node) => state.nodes.set(node.id, node)
  }),
  gateways: section<[GatewayState]>({
    lines: (state) => each(state.gateways.values(), (gateway) => [plain(gateway)]),
    take: (state, gateway) => state.gateways.set(gateway.id, gateway)
  }),
  incentives: section<[Omit<IncentiveState, 'volume' | 'takers'>, VolumeBucket[], ...TakerParts]>({
    lines: (state) =>
      each(state.incentivesById.values(), ({volume, takers, ...terms}) => [plain(terms), volume.buckets(), ...takerParts(takers)]),
    take: takeIncentive
  }),
  offers: section<[Omit<OfferState, 'incentive'>, string]>({
    lines: (state) => each(state.offers.values(), ({incentive, ...terms}) => [plain(terms), incentive.id]),
    take: (state, terms, incentive) => state.addOffer({...terms, incentive: known(state.incentivesById, incentive)})
  }),
  redemptions: section<[Omit<RedemptionState, 'offer'>, string]>({
    lines: (state) => each(state.redemptions.values(), ({offer, ...terms}) => [plain(terms), offer.id]),
    take: (state, terms, offer) => state.redemptions.set(terms.id, {...terms, offer: known(state.offers, offer)})
  }),
  leases: section<[LeaseState]>({
    lines: (state) => each(state.leases.values(), (lease) => [plain(lease)]),
    take: (state, lease) => state.leases.set(lease.id, lease)
  }),
  apps: section<[string, Omit<AppState, 'functions'>, [string, Omit<FunctionState, 'tags'>, [string, string][]][]]>({
    lines: (state) =>
      each(state.apps, ([key, {functions, ...app}]) => [
        key,
        plain(app),
        Array.from(functions, ([name, {tags, ...fn}]) => [name, plain(fn), [...tags]])
      ]),
    take: (state, key, app, functions) =>
      state.apps.set(key, {...app, functions: new Map(functions.map(([name, fn, tags]) => [name, {...fn, tags: new Map(tags)}]))})
  }),
  revisions: section<[Omit<RevisionState, 'work'>, [string, ...PairParts][]]>({
    lines: (state) => each(state.revisions.values(), ({work, ...terms}) => [plain(terms), Array.from(work, pairLine)]),
    take: (state, terms, pairs) =>
      state.revisions.set(terms.id, {...terms, work: new Map(pairs.map(([node, ...parts]) => [node, pairFrom(state, parts)]))})
  }),
  market: section<[RestingOrder]>({
    lines: orderLines,
    take: (state, order) => state.market.rest(order)
  }),
  work: section<[number, OwnerWork]>({
    lines: (state) => each(state.work, ([account, work]) => [account, plain(work)]),
    take: (state, account, work) => state.work.set(account, work)
  }),
  expiries: section<[Parameters<LedgerState['expiries']['push']>[0]]>({
    lines: (state) => each(state.expiries.entries(), (expiry) => [plain(expiry)]),
    take: (state, expiry) => state.expiries.push(expiry)
  }),
  blocks: section<[string, string]>({
    lines: (state) => state.blocks,
    take: (state, key, reason) => state.blocks.set(key, reason)
  })
}

/**
 * All that the rules remember, as lines of JSON that the same commands make the same, whether the machine has applied them all or was brought back
 * from such lines on the way. Maps are in the order of their making, which the commands determine.
 */
export function* stateLines(state: LedgerState): Generator<string> {
  for (const [name, {lines}] of Object.entries(SECTIONS)) {
    for (const parts of lines(state)) yield `${JSON.stringify([name, ...parts])}\n`
  }
}

/** Brings one line back into a state that was new before the first. Only for lines whose digest has been checked: their form is this program's own. */
export function takeStateLine(state: LedgerState, [name, ...parts]: readonly [string, ...unknown[]]): void {
  const into = Object.hasOwn(SECTIONS, name) ? SECTIONS[name as Remembered] : undefined
  if (into === undefined) throw new Error(`A state has no ${name}.`)
  into.take(state, parts)
}

/** True where a value is more than data: a map, a set, an object of a class. */
type HasMethod<Value> = Value extends readonly unknown[]
  ? false
  : Value extends object
    ? true extends {[Name in keyof Value]: Value[Name] extends (...args: never[]) => unknown ? true : false}[keyof Value]
      ? true
      : false
    : false
type Plain<Value> = {readonly [Name in keyof Value]: HasMethod<Value[Name]> extends false ? Value[Name] : never}

/** A record with its fields in alphabetical order, so that its text does not say in which order they were set. A field that JSON can't hold does not compile. */
function plain<Value extends object>(record: Value & Plain<Value>): Value {
  const entries = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries) as Value
}

function* each<Item, Parts>(items: Iterable<Item>, line: (item: Item) => Parts): Generator<Parts> {
  for (const item of items) yield line(item)
}

function known<Value>(map: ReadonlyMap<string, Value>, id: string): Value {
  const value = map.get(id)
  if (value === undefined) throw new Error(`A state without ${id}.`)
  return value
}

function numberSection(field: 'nextEpoch' | 'mintedMicroGutta' | 'carriedMicroGutta'): Section {
  return section<[number]>({
    lines: (state) => [[state[field]]],
    take: (state, value) => {
      state[field] = value
    }
  })
}

function takeAccount(state: LedgerState, account: AccountState): void {
  state.accounts.push(account)
  state.accountsById.set(account.id, account)
  state.accountsByName.set(account.name, account)
  for (const key of account.keys) state.accountsByKey.set(key.keyId, {account, key})
  for (const {keyId} of account.invites ?? []) state.invitesByKey.set(keyId, account.index)
  if (account.recovery !== undefined) state.recoveringKeys.set(account.recovery.keyId, account.index)
}

/** Absent where nobody is counted. */
type TakerParts = [] | [[number, VolumeBucket[]][]]

function takerParts(takers: TakerVolumes): TakerParts {
  const entries = takers.entries()
  return entries.length === 0 ? [] : [entries]
}

function takeIncentive(
  state: LedgerState,
  terms: Omit<IncentiveState, 'volume' | 'takers'>,
  buckets: VolumeBucket[],
  ...[counted = []]: TakerParts
): void {
  const {volumeBucketMs, volumeBuckets} = state.genesis
  const volume = new VolumeWindow({bucketMs: volumeBucketMs, fullBuckets: volumeBuckets})
  for (const {bucket, notionalMicroGutta} of buckets) volume.add(bucket * volumeBucketMs, notionalMicroGutta)
  const takers = new TakerVolumes({bucketMs: volumeBucketMs, fullBuckets: volumeBuckets})
  takers.restore(counted)
  const incentive = {...terms, volume, takers}
  if (incentive.auction !== undefined) state.auctions.add(incentive.asset)
  state.incentives[incentive.asset] = incentive
  state.incentivesById.set(incentive.id, incentive)
}

/** One node's work for a revision: ids of leases, carries, paid windows by gateway. */
type PairParts = [string[], [string, number][], [string, number, Range[]][]]

function pairLine([node, {leases, carries, paid}]: [string, NodeWork]): [string, ...PairParts] {
  const windows = Array.from(paid ?? [], ([gateway, of]): [string, number, Range[]] => [gateway, of.floor, [...of.ranges]])
  return [node, Array.from(leases, ({id}) => id), [...(carries ?? [])], windows]
}

function pairFrom(state: LedgerState, [leases, carries, paid]: PairParts): NodeWork {
  return {
    leases: leases.map((id) => known(state.leases, id)),
    ...(carries.length > 0 && {carries: new Map(carries)}),
    ...(paid.length > 0 && {paid: new Map(paid.map(([gateway, floor, ranges]) => [gateway, PaidWindows.of(floor, ranges)]))})
  }
}

/** Book by book, each side as it is served. */
function* orderLines({market}: LedgerState): Generator<[RestingOrder]> {
  for (const book of market.books) {
    for (const side of [BUY, SELL] as const) {
      for (const slot of book?.orders(side) ?? []) yield [market.orderAt(slot)]
    }
  }
}
