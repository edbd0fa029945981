import type {KeyRole} from '../protocol/account-keys.ts'
import {GUTTA} from '../protocol/api.ts'
import type {Genesis} from '../protocol/genesis.ts'
import type {RevisionSpec, TrafficShare} from '../protocol/revisions.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../units.ts'
import {Balances} from './balances.ts'
import {ExpiryQueue} from './expiry-queue.ts'
import {Market} from './market.ts'
import {type Effect, refuse} from './outcome.ts'
import type {PaidWindows} from './paid-windows.ts'
import type {TakerVolumes} from './taker-volumes.ts'
import type {VolumeWindow} from './volume-window.ts'

/** Number of the native currency among the assets. */
export const GUTTA_ASSET = 0

export interface AccountState {
  readonly index: number
  readonly id: string
  readonly name: string
  keys: readonly AccountKey[]
  /** Those that nobody has accepted; absent for none. */
  invites?: readonly AccountInvite[]
  /** Absent while nobody recovers the account. */
  recovery?: AccountRecovery
  openOrders: number
  /** Join tokens that wait to be used. */
  openTokens: number
  incentives: number
}

export interface AccountKey {
  readonly keyId: string
  readonly publicKey: string
  readonly roles: readonly KeyRole[]
}

/** A one-use key with which somebody may add a key of their own. */
export interface AccountInvite {
  readonly keyId: string
  readonly roles: readonly KeyRole[]
  readonly expiresAtMs: number
  /** The owner key that signed it: without that one it is worth nothing. */
  readonly madeBy: string
}

/** A key that takes the place of the owner keys, unless one of them cancels it before. */
export interface AccountRecovery {
  readonly keyId: string
  readonly publicKey: string
  /** The recovery key that began it. */
  readonly startedBy: string
  readonly dueAtMs: number
}

export interface NodeState {
  readonly id: string
  readonly owner: number
  readonly keyId: string
  readonly publicKey: string
}

export interface GatewayState {
  readonly id: string
  readonly publicKey: string
  /** Terms of admission, oldest first; the last is open (`null`) while the gateway is admitted. */
  readonly terms: {readonly fromMs: number; toMs: number | null}[]
}

export interface IncentiveState {
  /** Its number among the assets, which is also its book's. */
  readonly asset: number
  readonly id: string
  readonly org: number
  readonly scope: {readonly app: string; readonly function: string} | null
  readonly decimals: number
  readonly lotMinor: number
  readonly captured: 'burn' | 'return'
  /** Absent: it goes to its issuer and through the market alone. */
  readonly transferable?: true
  readonly volume: VolumeWindow
  tradeVolumeLimitMicroGutta: number
  /** Of that limit, what one owner may take; absent: all of it, and nobody counts who took. */
  ownerSharePermille?: number
  readonly takers: TakerVolumes
  openOrders: number
  /** Absent while orders meet as they come. */
  auction?: AuctionState
  /** Of trades, where the network has bands; absent before the first. */
  prices?: {
    /** The last auction's. */
    referenceMicroGutta: number
    lastMicroGutta: number
  }
}

/** Orders gather until then, and trade at one price. */
export interface AuctionState {
  readonly kind: 'opening' | 'breach'
  readonly endsAtMs: number
}

export interface OfferState {
  readonly id: string
  readonly incentive: IncentiveState
  priceMinor: number
  stock: number
  /** Absent while it can be redeemed. */
  stopped?: true
}

export interface RedemptionState {
  readonly id: string
  readonly offer: OfferState
  readonly holder: number
  readonly quantity: number
  readonly amountMinor: number
  readonly timeoutAtMs: number
}

export interface AppState {
  readonly org: number
  readonly name: string
  readonly functions: Map<string, FunctionState>
  routes: readonly {readonly path: string; readonly function: string}[]
}

export interface FunctionState {
  /** Those that can get traffic, in the order of their making: the current ones, and of the others the newest. */
  revisions: readonly string[]
  /** Percents that make 100. */
  traffic: readonly TrafficShare[]
  /** Revisions by tag. */
  tags: ReadonlyMap<string, string>
}

export interface RevisionState {
  readonly id: string
  readonly org: number
  readonly app: string
  readonly function: string
  readonly imageDigest: string
  readonly spec: RevisionSpec
  /** True while it gets traffic or has a tag. */
  isCurrent: boolean
  /** True while traffic can be sent to it. */
  isKept: boolean
  /** By node. */
  readonly work: Map<string, NodeWork>
}

/** One node's work for one revision: as many as there are leases, most of which have nothing paid yet. */
export interface NodeWork {
  /** Those that are not settled, oldest first: one, or two while one follows another. */
  leases: readonly LeaseState[]
  /** Millionths of a minor unit by incentive; absent for none. */
  carries?: Map<string, number>
  /** By gateway; absent for none. */
  paid?: Map<string, PaidWindows>
}

export interface LeaseState {
  readonly id: string
  readonly node: string
  readonly revision: string
  readonly startsAtMs: number
  endsAtMs: number
  /** True when a command ended it before its time: it waits for its last receipts. */
  isEnded: boolean
  /** Time that its node was counted as standing by, over all gateways; absent for none. */
  standbyMs?: number
  readonly budgets: {readonly asset: number; readonly incentive: string; readonly reservedMinor: number; paidMinor: number}[]
}

/** Verified work of one owner since the last epoch was closed. */
export interface OwnerWork {
  requests: number
  mibMs: number
}

/** Everything the rules remember. Only the machine's commands change it. */
export class LedgerState {
  readonly genesis: Genesis
  readonly networkId: string
  readonly balances = new Balances()
  readonly accounts: AccountState[] = []
  readonly accountsById = new Map<string, AccountState>()
  readonly accountsByName = new Map<string, AccountState>()
  readonly accountsByKey = new Map<string, {readonly account: AccountState; readonly key: AccountKey}>()
  /** Account numbers by the key of an open invitation, and by the key that a recovery will add. */
  readonly invitesByKey = new Map<string, number>()
  readonly recoveringKeys = new Map<string, number>()
  /** Hashes of the join tokens that were used: one a node. */
  readonly usedTokens = new Set<string>()
  /** Those that wait to be used. */
  readonly nodeTokens = new Map<string, {readonly account: number; readonly expiresAtMs: number}>()
  readonly nodes = new Map<string, NodeState>()
  readonly gateways = new Map<string, GatewayState>()
  /** By asset number; the native currency has none. */
  readonly incentives: (IncentiveState | undefined)[] = [undefined]
  readonly incentivesById = new Map<string, IncentiveState>()
  readonly offers = new Map<string, OfferState>()
  /** How many each incentive has, by its number; those that have none are left out. */
  readonly offerCounts = new Map<number, number>()
  readonly market: Market
  /** Asset numbers of those that are in an auction. */
  readonly auctions = new Set<number>()
  /** Those that are held. */
  readonly redemptions = new Map<string, RedemptionState>()
  /** By `org/app`. */
  readonly apps = new Map<string, AppState>()
  /** Those that traffic can be sent to or that a lease refers to. */
  readonly revisions = new Map<string, RevisionState>()
  /** Those whose receipts are still paid. */
  readonly leases = new Map<string, LeaseState>()
  /** By account number. */
  readonly work = new Map<number, OwnerWork>()
  readonly expiries = new ExpiryQueue()
  /** What the operator keeps out, with the reason, by its key (`core/protocol/blocks.ts`). */
  readonly blocks = new Map<string, string>()
  nextEpoch = 0
  mintedMicroGutta = 0
  /** Emission of closed epochs that no share took: the next epoch's on top. */
  carriedMicroGutta = 0

  constructor(genesis: Genesis, networkId: string) {
    this.genesis = genesis
    this.networkId = networkId
    this.market = new Market(Math.max(genesis.fees.makerPpm, genesis.fees.takerPpm))
  }

  assetName(asset: number): string {
    return asset === GUTTA_ASSET ? GUTTA : (this.incentives[asset]?.id ?? String(asset))
  }

  /** For people: in whole units, with the asset's name. */
  amountText(asset: number, minor: number): string {
    if (asset === GUTTA_ASSET) return `${formatDecimal(minor, GUTTA_DECIMALS)} Gutta`
    return `${formatDecimal(minor, this.incentives[asset]?.decimals ?? 0)} ${this.assetName(asset)}`
  }

  accountName(index: number): string {
    return this.accounts[index]?.id ?? String(index)
  }

  slot(account: number, asset: number, kind: number): number {
    return this.balances.slot(account, asset, kind)
  }

  /** Adds what the command changed in balances to its other effects. */
  addEntries(effects: Effect[]): void {
    this.balances.eachChange(({account, asset, kind, delta, balance}) => {
      effects.push({
        type: 'entry',
        account: this.accountName(account),
        asset: this.assetName(asset),
        kind,
        deltaMinor: delta,
        balanceMinor: balance
      })
    })
  }

  /** The org that owns the exchange app: Gutta is its incentive, fees are its until an epoch shares them. */
  exchangeOrg(): AccountState {
    const {exchangeOrg} = this.genesis
    return this.accountsByName.get(exchangeOrg) ?? refuse('not_found', `The exchange's org "${exchangeOrg}" has no account yet.`)
  }

  addOffer(offer: OfferState): void {
    this.offers.set(offer.id, offer)
    this.offerCounts.set(offer.incentive.asset, (this.offerCounts.get(offer.incentive.asset) ?? 0) + 1)
  }

  incentive(id: string): IncentiveState {
    return this.incentivesById.get(id) ?? refuse('not_found', `There is no incentive ${id}.`)
  }
}

/** What a command's rule is given: the state, who asked (absent for the coordinator, the operator and new keys), and where effects go. */
export interface CommandContext {
  readonly state: LedgerState
  readonly seq: number
  readonly atMs: number
  readonly keyId: string
  readonly hash: () => string
  readonly bodyKeyIds: readonly string[]
  readonly signer: AccountState | undefined
  readonly effects: Effect[]
}

export type Result = Readonly<Record<string, unknown>>
