import Database from 'better-sqlite3'
import type {KeyRole} from '../core/protocol/account-keys.ts'
import type {BalanceView} from '../core/protocol/api.ts'
import {ACCOUNTS, type AccountRow, accountView} from './account-rows.ts'
import {BadGroup, refusalOf} from './bad-group.ts'
import {BlockReads} from './block-reads.ts'
import {FilteredRows, rowsOf} from './filtered-rows.ts'
import {deedsOf, groupHash, type JournalGroup, timeOfStart, toldBody} from './group.ts'
import type {JournalReader} from './journal.ts'
import {MarketDataReads} from './market-data-reads.ts'
import {MarketReads} from './market-reads.ts'
import {NetworkReads} from './network-reads.ts'
import type {AccountView, GroupHead, JournalGroupView, LedgerReads, RecentGroup} from './port.ts'
import {StatementReads} from './statement-reads.ts'

/** Bytes of journal bodies that one page returns at most, beyond its first group. */
const JOURNAL_PAGE_BYTES_MAX = 16 * 2 ** 20

export interface ReadsOptions {
  readonly journal: JournalReader
  readonly now: () => number
  readonly volumeBucketMs: number
  readonly volumeBuckets: number
}

/** Among so many a mistyped name is looked for. */
const NAMES_MAX = 500
const ACCOUNT_NAMES = `SELECT name FROM accounts WHERE name >= @from AND name < @from || char(0x10ffff) ORDER BY name LIMIT ${NAMES_MAX}`
const BALANCES = 'SELECT account, asset, kind, amount_minor AS amountMinor FROM balances'

/** All reads over one read-only connection. It sees what the worker has projected, which is committed. */
export class SqliteReads implements LedgerReads {
  readonly #database: Database.Database
  readonly #journal: JournalReader
  readonly #accounts: FilteredRows<AccountRow, never>
  readonly #account: Database.Statement<[string, string], AccountRow>
  readonly #key: Database.Statement<[string], {account: string; roles: string}>
  readonly #accountNames: Database.Statement<[{from: string}], string>
  readonly #balances: FilteredRows<BalanceView, 'account' | 'asset'>
  readonly #statements: StatementReads
  readonly #market: MarketReads
  readonly #marketData: MarketDataReads
  readonly #network: NetworkReads
  readonly #blocks: BlockReads

  constructor(path: string, options: ReadsOptions) {
    this.#database = new Database(path, {readonly: true, fileMustExist: true})
    this.#journal = options.journal
    this.#accounts = new FilteredRows(this.#database, ACCOUNTS, 'ORDER BY name', {name: 'string'})
    this.#account = this.#database.prepare(`${ACCOUNTS} WHERE id = ? OR name = ?`)
    this.#key = this.#database.prepare('SELECT account, roles FROM account_keys WHERE key_id = ?')
    this.#accountNames = this.#database.prepare<[{from: string}], string>(ACCOUNT_NAMES).pluck()
    this.#balances = new FilteredRows(this.#database, BALANCES, 'ORDER BY account, asset, kind')
    this.#statements = new StatementReads(this.#database)
    this.#market = new MarketReads(this.#database, options)
    this.#marketData = new MarketDataReads(this.#database, options)
    this.#network = new NetworkReads(this.#database)
    this.#blocks = new BlockReads(this.#database)
  }

  accounts(page: Parameters<LedgerReads['accounts']>[0]): AccountView[] {
    return this.#accounts.all({}, page).map(accountView)
  }

  account(idOrName: string): AccountView | undefined {
    const row = this.#account.get(idOrName, idOrName)
    return row && accountView(row)
  }

  accountNames(beginning: string): string[] {
    return this.#accountNames.all({from: beginning})
  }

  accountByKey(keyId: string): {readonly account: string; readonly roles: readonly KeyRole[]} | undefined {
    const row = this.#key.get(keyId)
    return row && {account: row.account, roles: JSON.parse(row.roles) as KeyRole[]}
  }

  balances({account, asset}: {readonly account?: string; readonly asset?: string}): BalanceView[] {
    return this.#balances.all({account, asset}).filter((balance) => balance.amountMinor !== 0)
  }

  /** Times never go back: the last group that begins until then has it. */
  seqAt(atMs: number): number {
    const group = this.#journal.page(this.#journal.numberAt(atMs), 1)[0]
    if (group === undefined) return 0
    refuseDamaged(group)
    return [...deedsOf(group)].findLast((deed) => deed.atMs <= atMs)?.seq ?? group.firstSeq - 1
  }

  journal({from, limit}: {readonly from: number; readonly limit: number}): JournalGroupView[] {
    const groups: JournalGroupView[] = []
    let bytes = 0
    for (const group of this.#journal.groups(from)) {
      const {body, ...place} = group
      bytes += body.length
      if (groups.length === rowsOf(limit) || (groups.length > 0 && bytes > JOURNAL_PAGE_BYTES_MAX)) break
      refuseDamaged(group)
      groups.push({...place, ...toldBody(body)})
    }
    return groups
  }

  lastGroups(limit: number): GroupHead[] {
    return this.#journal.heads(rowsOf(limit)).map(({start, bytes: _, ...head}) => ({...head, atMs: timeOfStart(start)}))
  }

  recentGroups(commandsMax: number): RecentGroup[] {
    let [commands, bytes] = [0, 0]
    const whole = this.#journal.heads(rowsOf(commandsMax)).filter((head) => {
      commands += head.lastSeq - head.firstSeq + 1
      bytes += head.bytes
      return commands <= commandsMax && bytes <= JOURNAL_PAGE_BYTES_MAX
    })
    return whole.reverse().flatMap(({number}) => this.#journal.page(number, 1).map(recentGroup))
  }

  groupsAfter(seq: number, commandsMax: number): RecentGroup[] {
    const groups: RecentGroup[] = []
    let [commands, bytes] = [0, 0]
    for (const group of this.#journal.groups(this.#journal.numberAfter(seq))) {
      commands += group.lastSeq - group.firstSeq + 1
      bytes += group.body.length
      if (groups.length > 0 && (commands > commandsMax || bytes > JOURNAL_PAGE_BYTES_MAX)) break
      groups.push(recentGroup(group))
    }
    return groups
  }

  balancesAt: LedgerReads['balancesAt'] = (at) => this.#statements.balancesAt(at)
  entries: LedgerReads['entries'] = (filter) => this.#statements.entries(filter)
  incentives: LedgerReads['incentives'] = (page) => this.#market.incentives(page)
  incentive: LedgerReads['incentive'] = (id) => this.#market.incentive(id)
  offers: LedgerReads['offers'] = (filter) => this.#market.offers(filter)
  offer: LedgerReads['offer'] = (id) => this.#market.offer(id)
  offerPictures: LedgerReads['offerPictures'] = () => this.#market.offerPictures()
  book: LedgerReads['book'] = (incentive) => this.#market.book(incentive)
  restingOrders: LedgerReads['restingOrders'] = (incentive, side) => this.#market.restingOrders(incentive, side)
  trades: LedgerReads['trades'] = (incentive, page) => this.#market.trades(incentive, page)
  candles: LedgerReads['candles'] = (query) => this.#marketData.candles(query)
  ticker: LedgerReads['ticker'] = (incentive) => this.#marketData.ticker(incentive)
  redemptionRecord: LedgerReads['redemptionRecord'] = (incentive) => this.#marketData.redemptionRecord(incentive)
  orders: LedgerReads['orders'] = (filter) => this.#market.orders(filter)
  order: LedgerReads['order'] = (id) => this.#market.order(id)
  redemptions: LedgerReads['redemptions'] = (filter) => this.#market.redemptions(filter)
  redemption: LedgerReads['redemption'] = (id) => this.#market.redemption(id)
  apps: LedgerReads['apps'] = (filter) => this.#network.apps(filter)
  appNames: LedgerReads['appNames'] = (org) => this.#network.appNames(org)
  app: LedgerReads['app'] = (org, app) => this.#network.app(org, app)
  appRoutes: LedgerReads['appRoutes'] = () => this.#network.appRoutes()
  revision: LedgerReads['revision'] = (id) => this.#network.revision(id)
  revisions: LedgerReads['revisions'] = (filter) => this.#network.revisions(filter)
  blocks: LedgerReads['blocks'] = (page) => this.#blocks.blocks(page)
  blockEvents: LedgerReads['blockEvents'] = (page) => this.#blocks.blockEvents(page)
  blockedKeys: LedgerReads['blockedKeys'] = () => this.#blocks.blockedKeys()
  blockReason: LedgerReads['blockReason'] = (target) => this.#blocks.blockReason(target)
  currentRevisions: LedgerReads['currentRevisions'] = () => this.#network.currentRevisions()
  liveImages: LedgerReads['liveImages'] = () => this.#network.liveImages()
  leases: LedgerReads['leases'] = (filter) => this.#network.leases(filter)
  endedLeases: LedgerReads['endedLeases'] = (filter) => this.#network.endedLeases(filter)
  lease: LedgerReads['lease'] = (id) => this.#network.lease(id)
  nodes: LedgerReads['nodes'] = (filter) => this.#network.nodes(filter)
  node: LedgerReads['node'] = (id) => this.#network.node(id)
  nodeByKey: LedgerReads['nodeByKey'] = (keyId) => this.#network.nodeByKey(keyId)
  gateways: LedgerReads['gateways'] = () => this.#network.gateways()
  receipts: LedgerReads['receipts'] = (filter) => this.#network.receipts(filter)
  receipt: LedgerReads['receipt'] = (id) => this.#network.receipt(id)
  paid: LedgerReads['paid'] = (filter) => this.#network.paid(filter)
  epochs: LedgerReads['epochs'] = (page) => this.#network.epochs(page)
  lastEpoch: LedgerReads['lastEpoch'] = () => this.#network.epochs({limit: 1})[0]

  close(): void {
    this.#database.close()
    this.#journal.close()
  }
}

/** A start looks only at what came after its snapshot: what lies before is checked when somebody asks for it. */
function refuseDamaged(group: JournalGroup): void {
  if (groupHash(group) === group.hash) return
  throw refusalOf(new BadGroup(group.number, 'does not match its hash'))
}

function recentGroup(group: JournalGroup): RecentGroup {
  refuseDamaged(group)
  const {firstSeq, lastSeq} = group
  return {firstSeq, lastSeq, commands: [...deedsOf(group)].map(({seq, atMs, effects}) => ({seq, atMs, effects}))}
}
