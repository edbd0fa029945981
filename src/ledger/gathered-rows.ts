import assert from 'node:assert'
import type Database from 'better-sqlite3'
import {orderSeq} from '../core/exchange/order-ids.ts'
import type {EntryEffect, OrderChanged, OrderOpened, OrderReplaced, Traded} from '../core/exchange/outcome.ts'
import {accountNumbers} from './account-rows.ts'

/** Accounts, and balances, whose numbers are known without a look into the file. */
const KNOWN_MAX = 50_000

/** Numbers of accounts. What it remembers may be of a transaction that was taken back: after such an error nothing more is projected. */
export class AccountNumbers {
  readonly #number: Database.Statement<[string], number>
  readonly #known = new Map<string, number>()

  constructor(database: Database.Database) {
    this.#number = accountNumbers(database)
  }

  of(account: string): number {
    const known = this.#known.get(account)
    if (known !== undefined) return known
    const number = this.#number.get(account)
    assert(number !== undefined, `an effect on the account ${account}, which is not projected`)
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(account, number)
    return number
  }
}

interface Balance {
  readonly holder: number
  readonly slot: number
  amountMinor: number
}

/** Balances that a transaction's groups change, each written once, with its last amount. */
export class GatheredBalances {
  readonly #numbers: AccountNumbers
  readonly #slot: Database.Statement<[string, string, string], number>
  readonly #insert: Database.Statement
  readonly #update: Database.Statement
  readonly #known = new Map<string, Balance>()
  readonly #changed = new Set<Balance>()

  constructor(database: Database.Database, numbers: AccountNumbers) {
    this.#numbers = numbers
    this.#slot = database
      .prepare<[string, string, string], number>('SELECT slot FROM balances WHERE account = ? AND asset = ? AND kind = ?')
      .pluck()
    this.#insert = database.prepare('INSERT INTO balances VALUES (NULL, ?, ?, ?, ?)')
    this.#update = database.prepare('UPDATE balances SET amount_minor = ? WHERE slot = ?')
  }

  /** The numbers of the account and of its balance, which has this amount from now on. */
  set(entry: EntryEffect): Pick<Balance, 'holder' | 'slot'> {
    const name = `${entry.account} ${entry.asset} ${entry.kind}`
    let balance = this.#known.get(name)
    if (balance === undefined) {
      balance = this.#find(entry)
      this.#known.set(name, balance)
    }
    balance.amountMinor = entry.balanceMinor
    this.#changed.add(balance)
    return balance
  }

  flush(): void {
    for (const {slot, amountMinor} of this.#changed) this.#update.run(amountMinor, slot)
    this.#changed.clear()
    if (this.#known.size > KNOWN_MAX) this.#known.clear()
  }

  #find({account, asset, kind, balanceMinor}: EntryEffect): Balance {
    const slot = this.#slot.get(account, asset, kind) ?? Number(this.#insert.run(account, asset, kind, balanceMinor).lastInsertRowid)
    return {holder: this.#numbers.of(account), slot, amountMinor: balanceMinor}
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
  readonly #numbers: AccountNumbers
  readonly #opened = new Map<string, Order>()
  /** Of orders that were there before. */
  readonly #changed = new Map<string, OrderChanged>()
  readonly #replaced = new Map<string, OrderReplaced>()

  constructor(database: Database.Database, numbers: AccountNumbers) {
    this.#numbers = numbers
    this.#insert = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    this.#change = database.prepare('UPDATE orders SET remaining = ?, status = ?, reason = ? WHERE seq = ?')
    this.#replace = database.prepare('UPDATE orders SET price = ?, lots = ? WHERE seq = ?')
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
    for (const {seq, account, incentive, side, terms, last, atMs} of this.#opened.values()) {
      const {priceMicroGutta, lots} = terms
      this.#insert.run(
        seq,
        this.#numbers.of(account),
        incentive,
        side,
        priceMicroGutta,
        lots,
        last.remainingLots,
        last.status,
        last.reason,
        atMs
      )
    }
    for (const {id, priceMicroGutta, lots} of this.#replaced.values()) this.#replace.run(priceMicroGutta, lots, orderSeq(id))
    for (const {id, remainingLots, status, reason} of this.#changed.values()) this.#change.run(remainingLots, status, reason, orderSeq(id))
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
