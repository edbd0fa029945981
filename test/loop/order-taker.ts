import {randomUUID} from 'node:crypto'
import {expect} from 'vitest'
import type {Client} from '../../src/client/client.ts'
import {balanceOf} from '../../src/compose/tour/balances.ts'
import {LEAF} from '../../src/compose/tour/steps-network.ts'
import {isCreoError} from '../../src/core/errors.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import type {LoopWorld} from './loop-world.ts'

const WORKERS = 4
/** Orders that were answered before the world may go under. */
const WARM_ORDERS = 30
const ORDERS_MAX = 400
const LOT_MINOR = 100
/** Far above what anybody pays, so that nothing is traded. */
const PRICE_MICRO_GUTTA = 900_000_000

type OrderCommand = Extract<CommandBody, {type: 'order.place' | 'order.cancel'}>

interface Sent {
  readonly body: OrderCommand
  readonly idempotencyKey: string
}

/** Sells an incentive without pause, cancels every third order, and remembers what was acknowledged and what was not. */
export class OrderTaker {
  /** Resolves once a few dozen orders were acknowledged. */
  readonly warm: Promise<void>
  readonly #world: LoopWorld
  readonly #account: string
  readonly #client: Client
  readonly #onWarm: () => void
  readonly #heldBeforeMinor: number
  readonly #open = new Map<string, number>()
  readonly #cancelled = new Set<string>()
  readonly #unanswered: Sent[] = []

  private constructor(world: LoopWorld, account: string, client: Client, heldBeforeMinor: number) {
    this.#world = world
    this.#account = account
    this.#client = client
    this.#heldBeforeMinor = heldBeforeMinor
    const {promise, resolve} = Promise.withResolvers<void>()
    this.warm = promise
    this.#onWarm = resolve
  }

  static async open(world: LoopWorld, account: string): Promise<OrderTaker> {
    return new OrderTaker(world, account, await world.client(account), await balanceOf(world, account, LEAF, 'held'))
  }

  /** Until the coordinator no longer answers. */
  async trade(): Promise<void> {
    const worker = async (number: number): Promise<void> => {
      for (let index = number; index < ORDERS_MAX; index += WORKERS) {
        const order = await this.#send(sellOrder(index))
        if (order === undefined) return
        if (index % 3 === 0 && (await this.#send({type: 'order.cancel', order})) === undefined) return
      }
    }
    await Promise.all(Array.from({length: WORKERS}, (_, number) => worker(number)))
    expect(this.#unanswered.length, 'commands were under way when it was killed').toBeGreaterThan(0)
  }

  /** Each acknowledged order is there as it was acknowledged; a cancel that got no answer may have been carried out or not. */
  async checkAcknowledged(): Promise<void> {
    const {orders} = await this.#client.orders(this.#account)
    const statuses = new Map(orders.map(({id, status}) => [id as string, status]))
    const unsure = new Set(this.#unanswered.map(({body}) => (body.type === 'order.cancel' ? body.order : '')))
    for (const id of this.#cancelled) expect(statuses.get(id)).toBe('cancelled')
    for (const id of this.#open.keys()) if (!unsure.has(id)) expect(statuses.get(id)).toBe('open')
  }

  /** Sends what got no answer again, twice, under its first key: it is carried out once. */
  async repeatUnanswered(): Promise<void> {
    for (const {body, idempotencyKey} of this.#unanswered.splice(0)) {
      const first = await this.#client.submit(body, {idempotencyKey})
      const second = await this.#client.submit(body, {idempotencyKey})
      expect(second).toEqual(first)
      this.#acknowledge(body, first)
    }
  }

  /** What is held is what the open orders hold, of acknowledged and repeated ones alike. */
  async checkHeld(): Promise<void> {
    const lots = [...this.#open.values()].reduce((sum, some) => sum + some, 0)
    expect((await balanceOf(this.#world, this.#account, LEAF, 'held')) - this.#heldBeforeMinor).toBe(lots * LOT_MINOR)
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  /** Answers the order's id, or undefined when there was no answer. */
  async #send(body: OrderCommand): Promise<string | undefined> {
    const idempotencyKey = randomUUID()
    try {
      return this.#acknowledge(body, await this.#client.submit(body, {idempotencyKey}))
    } catch (error) {
      if (!isCreoError(error) || error.code !== 'unavailable') throw error
      this.#unanswered.push({body, idempotencyKey})
      return undefined
    }
  }

  #acknowledge(body: OrderCommand, {seq}: {readonly seq: number}): string {
    if (body.type === 'order.cancel') {
      this.#open.delete(body.order)
      this.#cancelled.add(body.order)
      return body.order
    }
    const order = `ord_${seq}`
    this.#open.set(order, body.lots)
    if (this.#open.size + this.#cancelled.size >= WARM_ORDERS) this.#onWarm()
    return order
  }
}

function sellOrder(index: number): OrderCommand {
  const terms = {incentive: LEAF, side: 'sell', kind: 'post-only', timeInForce: 'GTC'} as const
  return {type: 'order.place', ...terms, priceMicroGutta: PRICE_MICRO_GUTTA + index, lots: 1 + (index % 7)}
}
