import assert from 'node:assert'
import {type BalanceKind, balanceKinds} from '../protocol/api.ts'
import {AMOUNT_MAX} from '../units.ts'

/** Room for kinds in a slot number; a power of two above their number. */
const KINDS_WIDTH = 8
/** Assets that one account's rows can be told apart for: account × this + asset stays a safe integer. */
const ASSETS_MAX = 2 ** 22
const ROWS_AT_START = 256

export const AVAILABLE = balanceKinds.indexOf('available')
export const HELD = balanceKinds.indexOf('held')
export const POOL = balanceKinds.indexOf('pool')
export const RESERVED = balanceKinds.indexOf('reserved')
export const ISSUED = balanceKinds.indexOf('issued')
export const FEE = balanceKinds.indexOf('fee')
export const SINK = balanceKinds.indexOf('sink')

/** One balance that a command changed: whose, of what, by how much and to what. */
export interface BalanceChange {
  readonly account: number
  readonly asset: number
  readonly kind: BalanceKind
  readonly delta: number
  readonly balance: number
}

/**
 * Every balance of (account, asset, kind), by dense account and asset numbers. Value only moves from one balance of an asset to another of the
 * same asset, so each asset sums to zero whatever happens. Changes since `begin` can be taken back as a whole.
 */
export class Balances {
  #rowOf = new Map<number, number>()
  #rowCount = 0
  #rowAccount: number[] = []
  #rowAsset: number[] = []
  #amounts = new Float64Array(ROWS_AT_START * KINDS_WIDTH)
  #touched: number[] = []
  #before: number[] = []
  #lastTouch = new Float64Array(ROWS_AT_START * KINDS_WIDTH)
  #command = 0

  /** The number of a balance, for `move` and `at`. Valid for ever. */
  slot(account: number, asset: number, kind: number): number {
    assert(asset < ASSETS_MAX, 'too many assets')
    const key = account * ASSETS_MAX + asset
    const known = this.#rowOf.get(key)
    if (known !== undefined) return known * KINDS_WIDTH + kind
    const row = this.#rowCount
    this.#rowCount += 1
    this.#rowOf.set(key, row)
    this.#rowAccount.push(account)
    this.#rowAsset.push(asset)
    if (this.#rowCount * KINDS_WIDTH > this.#amounts.length) this.#grow()
    return row * KINDS_WIDTH + kind
  }

  at(slot: number): number {
    return this.#amounts[slot] ?? 0
  }

  of(account: number, asset: number, kind: number): number {
    const row = this.#rowOf.get(account * ASSETS_MAX + asset)
    return row === undefined ? 0 : this.at(row * KINDS_WIDTH + kind)
  }

  /** Moves value between two balances of one asset. The caller has checked that it is there: below zero (except `issued`) is a broken rule. */
  move(from: number, to: number, amount: number): void {
    if (amount === 0) return
    assert(Number.isSafeInteger(amount) && amount > 0, `a posting of ${amount}`)
    assert(this.#rowAsset[Math.floor(from / KINDS_WIDTH)] === this.#rowAsset[Math.floor(to / KINDS_WIDTH)], 'a posting between assets')
    this.#set(from, this.at(from) - amount)
    this.#set(to, this.at(to) + amount)
  }

  begin(): void {
    this.#touched.length = 0
    this.#before.length = 0
    this.#command += 1
  }

  rollback(): void {
    for (let index = 0; index < this.#touched.length; index += 1) this.#amounts[this.#touched[index] ?? 0] = this.#before[index] ?? 0
    this.begin()
  }

  /** Tells what changed since `begin`, in the order of first touch. */
  eachChange(tell: (change: BalanceChange) => void): void {
    for (let index = 0; index < this.#touched.length; index += 1) {
      const slot = this.#touched[index] ?? 0
      const balance = this.at(slot)
      const delta = balance - (this.#before[index] ?? 0)
      if (delta === 0) continue
      const {account, asset, kind} = this.#describe(slot)
      tell({account, asset, kind, delta, balance})
    }
  }

  /** Every balance that is not zero, in the order the rows came to be. */
  *all(): Generator<Omit<BalanceChange, 'delta'>> {
    for (let slot = 0; slot < this.#rowCount * KINDS_WIDTH; slot += 1) {
      if (this.at(slot) !== 0) yield {...this.#describe(slot), balance: this.at(slot)}
    }
  }

  /** Account, asset and the balances by kind of every row that holds something, in an order that does not say when the rows came to be. */
  *rows(): Generator<[number, number, number[]]> {
    for (const key of Float64Array.from(this.#rowOf.keys()).sort()) {
      const start = (this.#rowOf.get(key) ?? 0) * KINDS_WIDTH
      const amounts = Array.from(this.#amounts.subarray(start, start + balanceKinds.length))
      if (amounts.some((amount) => amount !== 0)) yield [Math.floor(key / ASSETS_MAX), key % ASSETS_MAX, amounts]
    }
  }

  /** Brings back what `rows` gave, before the first command. */
  restoreRow(account: number, asset: number, amounts: readonly number[]): void {
    this.#amounts.set(amounts, this.slot(account, asset, 0))
  }

  #describe(slot: number): {account: number; asset: number; kind: BalanceKind} {
    const row = Math.floor(slot / KINDS_WIDTH)
    return {account: this.#rowAccount[row] ?? 0, asset: this.#rowAsset[row] ?? 0, kind: balanceKinds[slot % KINDS_WIDTH] ?? 'sink'}
  }

  #set(slot: number, amount: number): void {
    assert(Math.abs(amount) <= AMOUNT_MAX, 'a balance beyond 2^53 - 1')
    assert(amount >= 0 || slot % KINDS_WIDTH === ISSUED, `${balanceKinds[slot % KINDS_WIDTH]} below zero`)
    if (this.#lastTouch[slot] !== this.#command) {
      this.#lastTouch[slot] = this.#command
      this.#touched.push(slot)
      this.#before.push(this.at(slot))
    }
    this.#amounts[slot] = amount
  }

  #grow(): void {
    const amounts = new Float64Array(this.#amounts.length * 2)
    amounts.set(this.#amounts)
    this.#amounts = amounts
    const lastTouch = new Float64Array(amounts.length)
    lastTouch.set(this.#lastTouch)
    this.#lastTouch = lastTouch
  }
}
