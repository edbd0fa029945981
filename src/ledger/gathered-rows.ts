import type Database from 'better-sqlite3'
import type {EntryEffect, OrderChanged, OrderOpened, OrderReplaced, Traded} from '../core/exchange/outcome.ts'

type Balance = Pick<EntryEffect, 'account' | 'asset' | 'kind' | 'balanceMinor'>

/** Balances that a transaction's groups change, each written once, with its last amount. */
export class GatheredBalances {
  readonly #put: Database.Statement
  readonly #last = new Map<string, Balance>()

  constructor(database: Database.Database) {
    this.#put = database.prepare('INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)')
  }

  set(balance: Balance): void {
    this.#last.set(`${balance.account} ${balance.asset} ${balance.kind}`, balance)
  }

  flush(): void {
    for (const {account, asset, kind, balanceMinor} of this.#last.values()) this.#put.run(account, asset, kind, balanceMinor)
    this.#last.clear()
  }
}

interface Order extends Omit<OrderOpened, 'type'> {
  readonly seq: number
  readonly atMs: number
  last: Pick<OrderChanged, 'remainingLots' | 'status' | 'reason'>
  terms: Pick<OrderReplaced, 'priceMicroGutta' | 'lots'>
}

/** Orders that a transaction's groups open or change, each written once: most are open for no longer than that, and are never in the index of open ones. */
export class GatheredOrders {
  readonly #insert: Database.Statement
  readonly #change: Database.Statement
  readonly #replace: Database.Statement
  readonly #opened = new Map<string, Order>()
  /** Of orders that were there before. */
  readonly #changed = new Map<string, OrderChanged>()
  readonly #replaced = new Map<string, OrderReplaced>()

  constructor(database: Database.Database) {
    this.#insert = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    this.#change = database.prepare('UPDATE orders SET remaining = ?, status = ?, reason = ? WHERE id = ?')
    this.#replace = database.prepare('UPDATE orders SET price = ?, lots = ? WHERE id = ?')
  }

  open(order: OrderOpened, {seq, atMs}: {readonly seq: number; readonly atMs: number}): void {
    this.#opened.set(order.id, {...order, seq, atMs, last: {remainingLots: order.lots, status: 'open', reason: null}, terms: order})
  }

  change(change: OrderChanged): void {
    const order = this.#opened.get(change.id)
    if (order === undefined) this.#changed.set(change.id, change)
    else order.last = change
  }

  replace(terms: OrderReplaced): void {
    const order = this.#opened.get(terms.id)
    if (order === undefined) this.#replaced.set(terms.id, terms)
    else order.terms = terms
  }

  flush(): void {
    for (const {seq, id, account, incentive, side, terms, last, atMs} of this.#opened.values()) {
      const {priceMicroGutta, lots} = terms
      this.#insert.run(seq, id, account, incentive, side, priceMicroGutta, lots, last.remainingLots, last.status, last.reason, atMs)
    }
    for (const {id, priceMicroGutta, lots} of this.#replaced.values()) this.#replace.run(priceMicroGutta, lots, id)
    for (const {id, remainingLots, status, reason} of this.#changed.values()) this.#change.run(remainingLots, status, reason, id)
    this.#opened.clear()
    this.#replaced.clear()
    this.#changed.clear()
  }
}

const VOLUME = `
INSERT INTO volume_buckets VALUES (?, ?, ?) ON CONFLICT (incentive, bucket) DO UPDATE SET notional = notional + excluded.notional`

/** What a transaction's groups traded of each incentive in each bucket of the volume window. */
export class GatheredVolumes {
  readonly #add: Database.Statement
  readonly #bucketMs: number
  readonly #gathered = new Map<string, {readonly incentive: string; readonly bucket: number; notional: number}>()

  constructor(database: Database.Database, bucketMs: number) {
    this.#add = database.prepare(VOLUME)
    this.#bucketMs = bucketMs
  }

  add({incentive, priceMicroGutta, lots}: Traded, atMs: number): void {
    const bucket = Math.floor(atMs / this.#bucketMs)
    const key = `${incentive} ${bucket}`
    const gathered = this.#gathered.get(key)
    if (gathered === undefined) this.#gathered.set(key, {incentive, bucket, notional: priceMicroGutta * lots})
    else gathered.notional += priceMicroGutta * lots
  }

  flush(): void {
    for (const {incentive, bucket, notional} of this.#gathered.values()) this.#add.run(incentive, bucket, notional)
    this.#gathered.clear()
  }
}
