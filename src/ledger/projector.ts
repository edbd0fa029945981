import type Database from 'better-sqlite3'
import {REVISIONS_PER_DEPLOY_MAX} from '../core/exchange/limits.ts'
import type {Effect} from '../core/exchange/outcome.ts'
import {AMOUNT_MAX} from '../core/units.ts'
import {ACCOUNTS, type AccountRow, accountView} from './account-rows.ts'
import {CandleWriter} from './candles.ts'
import {AccountNumbers, GatheredBalances, GatheredOrders, GatheredVolumes} from './gathered-rows.ts'
import {GatheredStatements} from './gathered-statements.ts'
import {deedsOf, type JournalGroup} from './group.ts'
import {withOrigins} from './key-origins.ts'
import {PAID_HOUR_MS, PAID_HOURS_KEPT} from './projection-schema.ts'

/** What a function was paid in an hour; of one lease. */
const PAID_HOUR = `
INSERT INTO paid_hours SELECT ?, ?, revisions.org, revisions.app, revisions.function, ?, ?, ? FROM leases JOIN revisions ON revisions.id = leases.revision
  WHERE leases.id = ? ON CONFLICT (incentive, hour, org, app, function) DO UPDATE SET
  requests = requests + excluded.requests, mib_ms = mib_ms + excluded.mib_ms, paid_minor = paid_minor + excluded.paid_minor`

/** The same value can be redeemed and come back without end: the sum stays at the most that an amount can be, and never grows beyond what a column holds. */
const OFFER_EDITED = `
UPDATE offers SET item = coalesce(?, item), price_minor = coalesce(?, price_minor), stock = coalesce(?, stock), place = coalesce(?, place),
  stopped = coalesce(?, stopped), picture = nullif(coalesce(?, picture), '') WHERE id = ?`
const REDEMPTION_TOTAL = `
INSERT INTO redemption_totals VALUES (?, ?, ?, ?) ON CONFLICT (incentive, status) DO UPDATE SET
  redemptions = redemptions + excluded.redemptions, amount_minor = min(${AMOUNT_MAX}, amount_minor + excluded.amount_minor)`

/** Which command an effect is of. */
interface Occasion {
  readonly seq: number
  readonly atMs: number
  readonly command: string
  /** The key that signed it. */
  readonly keyId: string
}

type Write = (effect: Effect, occasion: Occasion) => void
type EffectOf<T extends Effect['type']> = Extract<Effect, {type: T}>
type Writes = {readonly [T in Effect['type']]: (effect: EffectOf<T>, occasion: Occasion) => void}

/** Writes what journaled groups did into the tables that people query, one or more at a time, with the new watermark, in one transaction. */
export class Projector {
  readonly #database: Database.Database
  readonly #writes: Writes
  /** What is written once a transaction, however often its groups change it. */
  readonly #gathered: readonly {flush(): void}[]
  readonly #statements: GatheredStatements
  readonly #watermark: Database.Statement

  constructor(database: Database.Database, {volumeBucketMs}: {readonly volumeBucketMs: number}) {
    this.#database = database
    this.#watermark = database.prepare('UPDATE watermark SET number = ?, seq = ?, hash = ?')
    const numbers = new AccountNumbers(database)
    const balances = new GatheredBalances(database, numbers)
    const orders = new GatheredOrders(database, numbers)
    const volumes = new GatheredVolumes(database, volumeBucketMs)
    const candles = new CandleWriter(database)
    this.#statements = new GatheredStatements(database, balances)
    this.#gathered = [balances, this.#statements, orders, volumes, candles]
    this.#writes = {
      entry: (effect) => this.#statements.add(effect),
      transfer: transferWrite(database),
      ...accountWrites(database),
      ...marketWrites(database),
      ...tradingWrites(database, {orders, volumes, candles}),
      ...networkWrites(database),
      traffic: trafficWrite(database),
      block: blockWrite(database),
      ...workWrites(database)
    }
  }

  /** All of them or none; each is asked for when the one before it has been written. */
  project(groups: Iterable<JournalGroup>): void {
    this.#database
      .transaction(() => {
        for (const group of groups) {
          this.#write(group)
          this.#watermark.run(group.number, group.lastSeq, group.hash)
        }
        for (const rows of this.#gathered) rows.flush()
      })
      .immediate()
  }

  #write(group: JournalGroup): void {
    for (const {seq, atMs, type, keyId, effects} of deedsOf(group)) {
      if (effects.length === 0) continue
      const occasion = {seq, atMs, command: type, keyId}
      for (const effect of effects) (this.#writes[effect.type] as Write)(effect, occasion)
      this.#statements.endCommand(occasion)
    }
  }
}

function transferWrite(database: Database.Database): Writes['transfer'] {
  const transfer = database.prepare('INSERT INTO transfers VALUES (?, ?, ?, ?)')
  return ({from, to, memo}, {seq}) => transfer.run(seq, from, to, memo ?? null)
}

function accountWrites(database: Database.Database): Pick<Writes, 'account' | 'account.keys'> {
  const account = database.prepare('INSERT INTO accounts VALUES (NULL, ?, ?, ?, ?, NULL, NULL)')
  const known = database.prepare(`${ACCOUNTS} WHERE id = ?`)
  const changed = database.prepare('UPDATE accounts SET keys = ?, invites = ?, recovery = ? WHERE id = ?')
  const forgotten = database.prepare('DELETE FROM account_keys WHERE account = ?')
  const key = database.prepare('INSERT INTO account_keys VALUES (?, ?, ?)')
  const keys = ({id, keys: all}: EffectOf<'account' | 'account.keys'>): void => {
    for (const {keyId, roles} of all) key.run(keyId, id, JSON.stringify(roles))
  }
  const textOf = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
  return {
    account: (effect, {atMs}) => {
      account.run(effect.id, effect.name, atMs, JSON.stringify(effect.keys))
      keys(effect)
    },
    'account.keys': (effect, occasion) => {
      const {keys: all, invites, recovery} = withOrigins(effect, accountView(known.get(effect.id) as AccountRow), occasion)
      changed.run(JSON.stringify(all), textOf(invites), textOf(recovery), effect.id)
      forgotten.run(effect.id)
      keys(effect)
    }
  }
}

type MarketEffects = 'incentive' | 'incentive.limit' | 'offer' | 'offer.stock' | 'offer.edited' | 'redemption' | 'redemption.ended'

function marketWrites(database: Database.Database): Pick<Writes, MarketEffects> {
  const incentive = database.prepare('INSERT INTO incentives VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const limit = database.prepare('UPDATE incentives SET trade_volume_limit = ?, owner_share = coalesce(?, owner_share) WHERE id = ?')
  const offer = database.prepare('INSERT INTO offers VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)')
  const stock = database.prepare('UPDATE offers SET stock = ? WHERE id = ?')
  const edited = database.prepare(OFFER_EDITED)
  const redemption = database.prepare("INSERT INTO redemptions VALUES (?, ?, ?, ?, ?, ?, ?, 'held', ?, NULL, ?, ?, NULL)")
  const redemptionOf = database.prepare('SELECT incentive, amount_minor AS amountMinor FROM redemptions WHERE id = ?')
  const total = database.prepare(REDEMPTION_TOTAL)
  const redemptionEnded = database.prepare('UPDATE redemptions SET status = ?, ended_at_ms = ?, reason = ? WHERE id = ?')
  return {
    incentive: (effect, {atMs}) => {
      const scope = effect.scope === null ? null : JSON.stringify(effect.scope)
      const terms = [effect.decimals, effect.lotMinor, effect.supplyMinor, effect.tradeVolumeLimitMicroGutta]
      incentive.run(
        effect.id,
        effect.org,
        effect.name,
        scope,
        ...terms,
        effect.captured,
        effect.transferable ? 1 : 0,
        atMs,
        effect.ownerSharePermille ?? null
      )
    },
    'incentive.limit': (effect) => limit.run(effect.tradeVolumeLimitMicroGutta, effect.ownerSharePermille ?? null, effect.id),
    offer: ({id, incentive: of, item, priceMinor, stock: count, where, picture}, {seq}) =>
      offer.run(id, of, item, priceMinor, count, where, seq, picture ?? null),
    'offer.stock': (effect) => stock.run(effect.stock, effect.id),
    'offer.edited': ({id, item, priceMinor, stock: left, where, stopped, picture}) => {
      const terms = [item ?? null, priceMinor ?? null, left ?? null, where ?? null, stopped === undefined ? null : Number(stopped)]
      // An empty text takes it away; null leaves it.
      edited.run(...terms, picture === null ? '' : (picture ?? null), id)
    },
    redemption: (effect, {seq, atMs}) => {
      const {id, offer: from, incentive: of, holder, quantity, amountMinor, code} = effect
      redemption.run(seq, id, from, of, holder, quantity, amountMinor, atMs, code?.salt ?? null, code?.hash ?? null)
      total.run(effect.incentive, 'held', 1, effect.amountMinor)
    },
    'redemption.ended': (effect, {atMs}) => {
      const {incentive: of, amountMinor} = redemptionOf.get(effect.id) as {incentive: string; amountMinor: number}
      redemptionEnded.run(effect.status, atMs, effect.reason ?? null, effect.id)
      total.run(of, 'held', -1, -amountMinor)
      total.run(of, effect.status, 1, amountMinor)
    }
  }
}

interface Gathering {
  readonly orders: GatheredOrders
  readonly volumes: GatheredVolumes
  readonly candles: CandleWriter
}

function tradingWrites(
  database: Database.Database,
  {orders, volumes, candles}: Gathering
): Pick<Writes, 'order' | 'order.changed' | 'order.replaced' | 'trade' | 'market.phase'> {
  const phase = database.prepare('INSERT OR REPLACE INTO market_phases VALUES (?, ?, ?)')
  const continuous = database.prepare('DELETE FROM market_phases WHERE incentive = ?')
  const trade = database.prepare('INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)')
  return {
    'market.phase': (effect) => {
      if (effect.endsAtMs === null) continuous.run(effect.incentive)
      else phase.run(effect.incentive, effect.phase, effect.endsAtMs)
    },
    order: (effect, occasion) => orders.open(effect, occasion),
    'order.changed': (effect) => orders.change(effect),
    'order.replaced': (effect) => orders.replace(effect),
    trade: (effect, {seq, atMs}) => {
      trade.run(effect.incentive, seq, effect.index, effect.priceMicroGutta, effect.lots, effect.takerSide, atMs)
      volumes.add(effect, atMs)
      candles.add({...effect, atMs})
    }
  }
}

function networkWrites(database: Database.Database): Pick<Writes, 'node' | 'gateway' | 'gateway.revoked' | 'app' | 'app.destroyed'> {
  const node = database.prepare('INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  const gateway = database.prepare('INSERT OR REPLACE INTO gateways VALUES (?, ?, ?, ?, ?, 1)')
  const revoked = database.prepare('UPDATE gateways SET admitted = 0 WHERE id = ?')
  const app = database.prepare('INSERT OR REPLACE INTO apps VALUES (?, ?, ?)')
  const unrouted = database.prepare("UPDATE apps SET routes = '[]' WHERE org = ? AND app = ?")
  const ended = database.prepare(
    `UPDATE revisions SET traffic_at_ms = iif(current = 1, ?, traffic_at_ms), percent = 0, current = 0, tags = '[]', served = 0
      WHERE org = ? AND app = ? AND (current = 1 OR served = 1)`
  )
  const replaced = database.prepare(
    "UPDATE revisions SET percent = 0, current = tags <> '[]', traffic_at_ms = ? WHERE org = ? AND app = ? AND function = ? AND percent > 0"
  )
  const revision = database.prepare("INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?, ?, ?)")
  return {
    node: (effect, {seq, atMs}) =>
      node.run(effect.id, effect.owner, effect.name, effect.architecture, effect.keyId, effect.publicKey, atMs, seq),
    gateway: (effect) => gateway.run(effect.id, effect.publicKey, effect.name, effect.tunnelUrl, effect.publicUrl),
    'gateway.revoked': (effect) => revoked.run(effect.id),
    'app.destroyed': (effect, {atMs}) => {
      unrouted.run(effect.org, effect.app)
      ended.run(atMs, effect.org, effect.app)
    },
    app: (effect, {seq, atMs}) => {
      app.run(effect.org, effect.app, JSON.stringify(effect.routes))
      for (const [index, made] of effect.revisions.entries()) {
        const takes = made.noTraffic === true ? 0 : 1
        if (takes === 1) replaced.run(atMs, effect.org, effect.app, made.function)
        const what = [made.id, effect.org, effect.app, made.function, made.imageDigest, JSON.stringify(made.spec)]
        revision.run(seq * REVISIONS_PER_DEPLOY_MAX + index, ...what, takes, takes * 100, takes, atMs, atMs)
      }
    }
  }
}

function trafficWrite(database: Database.Database): Writes['traffic'] {
  const known = database.prepare<[string, string, string, string], {id: string; percent: number; tags: string}>(
    'SELECT id, percent, tags FROM revisions WHERE org = ? AND app = ? AND function = ? AND (current = 1 OR id IN (SELECT value FROM json_each(?)))'
  )
  const set = database.prepare(
    'UPDATE revisions SET percent = ?, tags = ?, current = ?, served = max(served, ?), traffic_at_ms = ? WHERE id = ?'
  )
  return (effect, {atMs}) => {
    const named = [...effect.traffic, ...effect.tags].map(({revision}) => revision)
    for (const before of known.all(effect.org, effect.app, effect.function, JSON.stringify(named))) {
      const percent = effect.traffic.find(({revision}) => revision === before.id)?.percent ?? 0
      const own = effect.tags.filter(({revision}) => revision === before.id).map(({tag}) => tag)
      const tags = JSON.stringify(own.sort())
      if (percent === before.percent && tags === before.tags) continue
      set.run(percent, tags, percent > 0 || own.length > 0 ? 1 : 0, percent > 0 ? 1 : 0, atMs, before.id)
    }
  }
}

function blockWrite(database: Database.Database): Writes['block'] {
  const event = database.prepare('INSERT INTO block_events VALUES (?, ?, ?, ?, ?, ?, ?)')
  const block = database.prepare('INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)')
  const unblock = database.prepare('DELETE FROM blocks WHERE kind = ? AND name = ?')
  return ({action, kind, name, reason, by}, {seq, atMs}) => {
    event.run(seq, atMs, action, kind, name, reason, by)
    if (action === 'block') block.run(kind, name, seq)
    else unblock.run(kind, name)
  }
}

function workWrites(database: Database.Database): Pick<Writes, 'lease' | 'lease.ended' | 'receipt' | 'epoch'> {
  const lease = database.prepare("INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, 'active')")
  const budget = database.prepare('INSERT INTO lease_budgets VALUES (?, ?, ?, ?, 0)')
  const leaseEnded = database.prepare("UPDATE leases SET status = 'ended', ends_at_ms = ? WHERE id = ?")
  const receipt = database.prepare('INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const paidHour = database.prepare(PAID_HOUR)
  const oldHours = database.prepare('DELETE FROM paid_hours WHERE incentive = ? AND hour <= ?')
  const paid = database.prepare('UPDATE lease_budgets SET paid_minor = paid_minor + ? WHERE lease = ? AND incentive = ?')
  const epoch = database.prepare('INSERT INTO epochs VALUES (?, ?, ?, ?)')
  return {
    lease: (effect, {seq, atMs}) => {
      lease.run(seq, effect.id, effect.node, effect.revision, atMs, effect.endsAtMs)
      for (const [position, {incentive, amountMinor}] of effect.budgets.entries()) budget.run(effect.id, position, incentive, amountMinor)
    },
    'lease.ended': (effect) => leaseEnded.run(effect.endsAtMs, effect.id),
    receipt: (effect, {seq, atMs}) => {
      const {id, lease: of, node, requests, mibMs, standbyMs = 0} = effect
      receipt.run(seq, id, of, node, requests, mibMs, standbyMs, JSON.stringify(effect.paid), atMs)
      const hour = Math.floor(atMs / PAID_HOUR_MS)
      for (const {incentive, amountMinor} of effect.paid) {
        paid.run(amountMinor, effect.lease, incentive)
        oldHours.run(incentive, hour - PAID_HOURS_KEPT)
        paidHour.run(incentive, hour, requests, mibMs, amountMinor, of)
      }
    },
    epoch: (effect, {seq}) => epoch.run(effect.epoch, seq, effect.mintedMicroGutta, JSON.stringify(effect.shares))
  }
}
