import type {z} from 'zod'
import type {CandleSpan} from '../core/candle-spans.ts'
import type {TradingRoom} from '../core/exchange/meet-market.ts'
import type {BookLevel, Effect} from '../core/exchange/outcome.ts'
import type {KeyRole} from '../core/protocol/account-keys.ts'
import type {
  accountViewSchema,
  appViewSchema,
  BalanceView,
  BookView,
  epochViewSchema,
  IncentiveView,
  leaseViewSchema,
  nodeViewSchema,
  OfferView,
  OrderView,
  RedemptionView,
  receiptViewSchema,
  revisionViewSchema,
  TradeView
} from '../core/protocol/api.ts'
import type {BlockEvent} from '../core/protocol/blocks.ts'
import type {CommandAnswer, CommandType, SignedCommand} from '../core/protocol/commands.ts'
import type {Candle, RedemptionRecord, Ticker} from '../core/protocol/market-data.ts'
import type {RoutesTable} from '../core/protocol/tables.ts'

export type AccountView = z.output<typeof accountViewSchema>
export type AppView = z.output<typeof appViewSchema>
export type RevisionView = z.output<typeof revisionViewSchema>
export type LeaseView = z.output<typeof leaseViewSchema>
export type NodeView = z.output<typeof nodeViewSchema>
export type ReceiptView = z.output<typeof receiptViewSchema>
export type EpochView = z.output<typeof epochViewSchema>

/** A gateway that is admitted now. */
export interface GatewayView {
  readonly id: string
  readonly publicKey: string
  readonly name: string
  readonly tunnelUrl: string
  readonly publicUrl: string
}

/** What one function did and was paid of an incentive. */
export interface PaidView {
  readonly org: string
  readonly app: string
  readonly function: string
  readonly requests: number
  readonly mibMs: number
  readonly paidMinor: number
}

/** Where an app's paths and functions lead: what the routes table says of it. */
export interface AppRoutes {
  readonly org: string
  readonly app: string
  readonly routes: readonly {readonly path: string; readonly function: string}[]
  readonly functions: RoutesTable['apps'][number]['functions']
}

/** One line of an account's statement: what a command changed in one balance, newest first. */
export interface EntryView {
  /** Its place in the statement: grows with time. */
  readonly number: number
  readonly seq: number
  readonly atMs: number
  readonly command: CommandType
  readonly asset: string
  readonly kind: BalanceView['kind']
  readonly deltaMinor: number
  readonly balanceMinor: number
  /** Of a transfer: who paid it or was paid. */
  readonly counterparty?: {readonly account: string; readonly name: string}
  /** Of a transfer with one. */
  readonly memo?: string
}

/** One journaled group as it is on disk; `body` is exactly what its hash covers: of form 1 a text, of form 2 bytes as base64url. */
export interface JournalGroupView {
  readonly number: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly ruleset: string
  readonly prevHash: string
  readonly hash: string
  readonly form: number
  readonly body: string
}

export type RecentGroup = Pick<CommittedGroup, 'firstSeq' | 'lastSeq' | 'commands'>

/** Where a journaled group stands in the chain. */
export interface GroupHead extends Omit<JournalGroupView, 'form' | 'body' | 'ruleset' | 'prevHash'> {
  /** Of its first command. */
  readonly atMs: number
}

/** Most rows that one read returns, whatever limit it is asked for. */
export const READ_ROWS_MAX = 1000

/** A place in a list: what its order goes by, of the last row that was seen. A read goes on after it, whatever was added meanwhile. */
export type PageKey = readonly (number | string)[]

/** What people and roles ask: synchronous reads of the projections, which show only what is committed. Newest first unless said otherwise. */
export interface LedgerReads {
  /** By name. */
  accounts(page: {readonly limit: number; readonly after?: PageKey}): AccountView[]
  account(idOrName: string): AccountView | undefined
  /** Names of accounts that begin so, and of an org's apps that are there: the first few hundred, for who has to say what was meant. */
  accountNames(beginning: string): string[]
  appNames(org: string): string[]
  accountByKey(keyId: string): {readonly account: string; readonly roles: readonly KeyRole[]} | undefined
  /** Balances that are not zero, ordered by account, asset and kind; the asset of the native currency is `gutta`. */
  balances(filter: {readonly account?: string; readonly asset?: string}): BalanceView[]
  /** The same as they were after the command of that sequence. */
  balancesAt(at: {readonly account: string; readonly seq: number}): BalanceView[]
  /** Sequence of the last command until then; 0 for none. */
  seqAt(atMs: number): number
  /** By id, those after `after`. */
  incentives(page?: {readonly limit?: number; readonly after?: string | undefined}): IncentiveView[]
  incentive(id: string): IncentiveView | undefined
  offers(filter: {readonly incentive?: string; readonly limit?: number; readonly after?: PageKey}): OfferView[]
  offer(id: string): OfferView | undefined
  /** Pictures that offers name, each with the org whose offer it is. */
  offerPictures(): {readonly org: string; readonly digest: string}[]
  book(incentive: string): BookView
  /** Open orders of one side, best first, then oldest first: one more than a command meets. */
  restingOrders(
    incentive: string,
    side: 'buy' | 'sell'
  ): {readonly account: string; readonly priceMicroGutta: number; readonly lots: number}[]
  trades(incentive: string, page: {readonly limit: number; readonly after?: PageKey}): TradeView[]
  /** Newest first. */
  candles(query: {
    readonly incentive: string
    readonly span: CandleSpan
    readonly limit: number
    readonly beforeMs?: number | undefined
  }): Candle[]
  ticker(incentive: string): Ticker
  redemptionRecord(incentive: string): RedemptionRecord
  orders(filter: {
    readonly account?: string
    readonly incentive?: string
    readonly status?: OrderView['status']
    readonly limit: number
    readonly after?: PageKey
  }): OrderView[]
  order(id: string): OrderView | undefined
  redemptions(filter: {
    readonly holder?: string
    readonly incentive?: string
    readonly offer?: string
    readonly status?: RedemptionView['status']
    readonly limit: number
    readonly after?: PageKey
  }): RedemptionView[]
  redemption(id: string): RedemptionView | undefined
  apps(filter: {readonly org?: string; readonly limit?: number; readonly after?: PageKey}): AppView[]
  app(org: string, app: string): AppView | undefined
  /** Routes and current revisions of every app, ordered by org and app. */
  appRoutes(): AppRoutes[]
  revision(id: string): RevisionView | undefined
  /** Of an app, current or not. */
  revisions(filter: {readonly org: string; readonly app: string; readonly limit: number; readonly after?: PageKey}): RevisionView[]
  currentRevisions(): RevisionView[]
  /** Digests of the images of all revisions that get traffic, have a tag, can be gone back to or are leased. */
  liveImages(): string[]
  /** Oldest first; with a limit, the newest of them. */
  leases(filter: {
    readonly node?: string
    readonly revision?: string
    readonly status?: LeaseView['status']
    readonly limit?: number
    readonly after?: PageKey
  }): LeaseView[]
  /** Those that ended and began after this time: what a day's budget has paid for. Newest first. */
  endedLeases(filter: {readonly startedAfterMs: number}): LeaseView[]
  lease(id: string): LeaseView | undefined
  nodes(filter: {readonly owner?: string; readonly limit?: number; readonly after?: PageKey}): NodeView[]
  node(id: string): NodeView | undefined
  nodeByKey(keyId: string): NodeView | undefined
  gateways(): GatewayView[]
  /** What the operator blocks now, by the commands that said so, newest first. */
  blocks(page: {readonly limit: number; readonly after?: PageKey}): BlockEvent[]
  /** All that the operator ever blocked and unblocked, newest first. */
  blockEvents(page: {readonly limit: number; readonly after?: PageKey}): BlockEvent[]
  /** All of them, as `core/protocol/blocks.ts#blockKey` writes them. */
  blockedKeys(): ReadonlySet<string>
  /** Why this is blocked; undefined when it is not. */
  blockReason(target: {readonly kind: BlockEvent['kind']; readonly name: string}): string | undefined
  receipts(filter: {readonly lease?: string; readonly node?: string; readonly limit: number; readonly after?: PageKey}): ReceiptView[]
  /** By its id `gateway/node/revision/window`. */
  receipt(id: string): ReceiptView | undefined
  /** What functions were paid of an incentive since the beginning of the hour of `sinceMs`, which is at most a day ago. */
  paid(filter: {readonly incentive: string; readonly sinceMs: number}): PaidView[]
  epochs(page: {readonly limit: number; readonly after?: PageKey}): EpochView[]
  lastEpoch(): EpochView | undefined
  entries(filter: {readonly account: string; readonly asset?: string; readonly limit: number; readonly after?: PageKey}): EntryView[]
  /** Journaled groups from this number on, oldest first. */
  journal(page: {readonly from: number; readonly limit: number}): JournalGroupView[]
  /** The last journaled groups without what is in them, newest first. */
  lastGroups(limit: number): GroupHead[]
  /** The last journaled groups and what they did, oldest first: as many as have no more commands than this together and are read at once. */
  recentGroups(commandsMax: number): RecentGroup[]
  /** The groups that go on after this sequence, and what they did, oldest first: of so many commands together, and one group at least. */
  groupsAfter(seq: number, commandsMax: number): RecentGroup[]
}

/** One change of a lease: what the projections show of it from then on. */
export type LeaseEvent =
  | {readonly type: 'granted'; readonly lease: LeaseView}
  | {readonly type: 'ended'; readonly lease: string; readonly endsAtMs: number}
  | {
      readonly type: 'paid'
      readonly lease: string
      readonly paid: readonly {readonly incentive: string; readonly amountMinor: number}[]
    }

/** What one command did. */
export interface CommittedCommand {
  readonly seq: number
  readonly atMs: number
  readonly effects: readonly Effect[]
  /** The price levels that it changed, as it left them; absent of a group that was read from the journal. */
  readonly levels?: readonly BookLevel[]
}

/** A group that is committed and shown by the projections. */
export interface CommittedGroup {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly types: ReadonlySet<CommandType>
  /** In the order in which they happened. */
  readonly leases: readonly LeaseEvent[]
  readonly commands: readonly CommittedCommand[]
  /** From the moment it was handed to the disk until it was there. */
  readonly commitMs: number
}

export interface SubmitOptions {
  /** Called once the signature is known to hold and before anything is done. */
  readonly admit?: (() => void) | undefined
  /** The public key by which exactly this command's signature was found to hold: it is not checked a second time. */
  readonly provenBy?: string | undefined
}

/** The one writer of the network's money. Everything it answers is on disk; what it can't write, it never answers. */
export interface Ledger {
  readonly networkId: string
  /** Last committed sequence. */
  readonly sequence: number
  readonly reads: LedgerReads
  /** Commands that were applied and are not on disk yet. */
  readonly queued: number
  /** The ledger's time: the clock's, and never before the last command. */
  nowMs(): number
  /** The key that should have signed a command, where that is known before it is read: not for `new`, nor a key that is none of the account's. */
  publicKeyOf(command: Pick<SignedCommand, 'account' | 'keyId'>): string | undefined
  /** When the next order, redemption, lease or join token comes due for `time.advance`; undefined when nothing will. */
  nextExpiryMs(): number | undefined
  /** What may be traded of an incentive now by this account, as of the last command applied. The incentive is there. */
  tradingRoom(of: {readonly incentive: string; readonly account: string | undefined}): TradingRoom
  /**
   * Checks who signed, applies the command and answers once its group is on disk. The same idempotency key with the same body gets the first answer,
   * also a while after its last not-after. An abort ends the wait, not the command.
   * @throws {CreoError} `bad_signature`, `unauthorized`, `expired`, `idempotency_conflict` or `invalid_input` with nothing journaled; `overloaded` when
   * too many commands wait or are remembered; `unavailable` after a failed write, for ever; and what `admit` throws.
   */
  submit(command: SignedCommand, signal: AbortSignal, more?: SubmitOptions): Promise<CommandAnswer>
  /** Resolves when the projections have reached this sequence. */
  projected(sequence: number, signal: AbortSignal): Promise<void>
  /** Called after the projections have the group. Returns what ends the subscription. */
  onCommitted(listener: (group: CommittedGroup) => void): () => void
  /** Called once when the ledger can't go on (a failed write, a broken rule): the process should end, and start again from the journal. */
  onFailed(listener: (error: Error) => void): () => void
  /** Commits what was accepted, then closes the files. */
  close(): Promise<void>
}
