import type {ErrorCode} from '../core/errors.ts'
import {orderId, orderSeq} from '../core/exchange/order-ids.ts'
import type {Effect, EntryEffect, OrderChanged, OrderOpened, Outcome, Traded} from '../core/exchange/outcome.ts'
import type {ByteReader, ByteWriter} from './bytes.ts'

/** What a command came to, without the words and results of its answer: these follow from the rest, or say it again. */
export interface JournaledOutcome {
  readonly answer: {readonly status: 'applied'} | {readonly status: 'rejected'; readonly code: ErrorCode}
  readonly effects: readonly Effect[]
  readonly repeats?: number
}

/** Strings of one group, each written once: later ones are the number that it has. */
export class StringTable {
  readonly #numbers = new Map<string, number>()
  readonly #strings: string[] = []

  get size(): number {
    return this.#strings.length
  }

  write(bytes: ByteWriter, value: string): void {
    const known = this.#numbers.get(value)
    bytes.varint(known ?? this.#strings.length)
    if (known !== undefined) return
    bytes.string(value)
    this.#add(value)
  }

  read(bytes: ByteReader): string {
    const number = bytes.varint()
    const known = this.#strings[number]
    if (known !== undefined) return known
    if (number !== this.#strings.length) throw new RangeError('A string is named that was not there before.')
    const value = bytes.string()
    this.#add(value)
    return value
  }

  /** Forgets those that came after it had so many. */
  shorten(size: number): void {
    for (const value of this.#strings.splice(size)) this.#numbers.delete(value)
  }

  #add(value: string): void {
    this.#numbers.set(value, this.#strings.length)
    this.#strings.push(value)
  }
}

const APPLIED = 0
const REJECTED = 1
const REPEATS = 2
/** What an effect begins with. */
const KIND = {json: 0, entry: 1, order: 2, changed: 3, trade: 4} as const
const ORDER_ID = /^ord_[1-9]\d*$/

/** @param seq of the command: orders are named by how many sequences before it they were placed. */
export function writeOutcome(
  bytes: ByteWriter,
  strings: StringTable,
  {answer, effects, repeats}: Outcome | JournaledOutcome,
  seq: number
): void {
  bytes.byte((answer.status === 'applied' ? APPLIED : REJECTED) + (repeats === undefined ? 0 : REPEATS))
  if (repeats !== undefined) bytes.varint(repeats)
  if (answer.status === 'rejected') strings.write(bytes, answer.code)
  bytes.varint(effects.length)
  for (const effect of effects) writeEffect(bytes, strings, effect, seq)
}

export function readOutcome(bytes: ByteReader, strings: StringTable, seq: number): JournaledOutcome {
  const status = bytes.byte()
  if (status > REJECTED + REPEATS) throw new RangeError('An outcome is neither applied nor rejected.')
  const repeats = status >= REPEATS ? bytes.varint() : undefined
  const answer: JournaledOutcome['answer'] =
    status % REPEATS === APPLIED ? {status: 'applied'} : {status: 'rejected', code: strings.read(bytes) as ErrorCode}
  const effects: Effect[] = []
  for (let left = bytes.varint(); left > 0; left -= 1) effects.push(readEffect(bytes, strings, seq))
  return repeats === undefined ? {answer, effects} : {answer, effects, repeats}
}

/** Those that a market makes of each order have a form of their own; all others are JSON. */
function writeEffect(bytes: ByteWriter, strings: StringTable, effect: Effect, seq: number): void {
  if (effect.type === 'entry') writeEntry(bytes, strings, effect)
  else if (effect.type === 'order.changed' && effect.reason !== '' && ORDER_ID.test(effect.id)) writeChanged(bytes, strings, effect, seq)
  else if (effect.type === 'order' && ORDER_ID.test(effect.id)) writeOrder(bytes, strings, effect, seq)
  else if (effect.type === 'trade' && ORDER_ID.test(effect.maker) && ORDER_ID.test(effect.taker)) writeTrade(bytes, strings, effect, seq)
  else {
    bytes.byte(KIND.json)
    bytes.string(JSON.stringify(effect))
  }
}

function readEffect(bytes: ByteReader, strings: StringTable, seq: number): Effect {
  const kind = bytes.byte()
  switch (kind) {
    case KIND.json:
      return JSON.parse(bytes.string()) as Effect
    case KIND.entry:
      return readEntry(bytes, strings)
    case KIND.order:
      return readOrder(bytes, strings, seq)
    case KIND.changed:
      return readChanged(bytes, strings, seq)
    case KIND.trade:
      return readTrade(bytes, strings, seq)
    default:
      throw new RangeError(`An effect is of the unknown kind ${kind}.`)
  }
}

function writeEntry(bytes: ByteWriter, strings: StringTable, {account, asset, kind, deltaMinor, balanceMinor}: EntryEffect): void {
  bytes.byte(KIND.entry)
  strings.write(bytes, account)
  strings.write(bytes, asset)
  strings.write(bytes, kind)
  bytes.signed(deltaMinor)
  bytes.signed(balanceMinor)
}

function readEntry(bytes: ByteReader, strings: StringTable): EntryEffect {
  return {
    type: 'entry',
    account: strings.read(bytes),
    asset: strings.read(bytes),
    kind: strings.read(bytes) as EntryEffect['kind'],
    deltaMinor: bytes.signed(),
    balanceMinor: bytes.signed()
  }
}

function writeOrder(bytes: ByteWriter, strings: StringTable, order: OrderOpened, seq: number): void {
  bytes.byte(KIND.order)
  writeOrderId(bytes, order.id, seq)
  strings.write(bytes, order.account)
  strings.write(bytes, order.incentive)
  strings.write(bytes, order.side)
  bytes.signed(order.priceMicroGutta)
  bytes.signed(order.lots)
}

function readOrder(bytes: ByteReader, strings: StringTable, seq: number): OrderOpened {
  return {
    type: 'order',
    id: readOrderId(bytes, seq),
    account: strings.read(bytes),
    incentive: strings.read(bytes),
    side: strings.read(bytes) as OrderOpened['side'],
    priceMicroGutta: bytes.signed(),
    lots: bytes.signed()
  }
}

function writeChanged(bytes: ByteWriter, strings: StringTable, {id, remainingLots, status, reason}: OrderChanged, seq: number): void {
  bytes.byte(KIND.changed)
  writeOrderId(bytes, id, seq)
  bytes.signed(remainingLots)
  strings.write(bytes, status)
  strings.write(bytes, reason ?? '')
}

function readChanged(bytes: ByteReader, strings: StringTable, seq: number): OrderChanged {
  return {
    type: 'order.changed',
    id: readOrderId(bytes, seq),
    remainingLots: bytes.signed(),
    status: strings.read(bytes) as OrderChanged['status'],
    reason: strings.read(bytes) || null
  }
}

function writeTrade(bytes: ByteWriter, strings: StringTable, trade: Traded, seq: number): void {
  bytes.byte(KIND.trade)
  bytes.varint(trade.index)
  strings.write(bytes, trade.incentive)
  bytes.signed(trade.priceMicroGutta)
  bytes.signed(trade.lots)
  strings.write(bytes, trade.takerSide)
  writeOrderId(bytes, trade.maker, seq)
  writeOrderId(bytes, trade.taker, seq)
  bytes.signed(trade.makerFeeMicroGutta)
  bytes.signed(trade.takerFeeMicroGutta)
}

function readTrade(bytes: ByteReader, strings: StringTable, seq: number): Traded {
  return {
    type: 'trade',
    index: bytes.varint(),
    incentive: strings.read(bytes),
    priceMicroGutta: bytes.signed(),
    lots: bytes.signed(),
    takerSide: strings.read(bytes) as Traded['takerSide'],
    maker: readOrderId(bytes, seq),
    taker: readOrderId(bytes, seq),
    makerFeeMicroGutta: bytes.signed(),
    takerFeeMicroGutta: bytes.signed()
  }
}

function writeOrderId(bytes: ByteWriter, id: string, seq: number): void {
  bytes.signed(seq - orderSeq(id))
}

function readOrderId(bytes: ByteReader, seq: number): string {
  return orderId(seq - bytes.signed())
}
