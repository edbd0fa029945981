import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {initializeNetwork} from '../../src/coordinator/init-network.ts'
import type {CommandBody, SignedCommand} from '../../src/core/protocol/commands.ts'
import {AMOUNT_MAX} from '../../src/core/units.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {Founder, type Signer} from '../coordinator/founder.ts'
import {OWNERS} from './book-events.ts'

export const INCENTIVE = 'bench/WORK'
const ALLOTTED_MICRO_GUTTA = 10 ** 12
const LOTS_EACH = 1_000_000
const PRICE_MICRO_GUTTA = 1000
/** Orders that rest around the price while others trade, of each trader. */
const RESTING_EACH = 10
/** Orders are signed long before they are handed in, off the clock. */
const LIFETIME_MS = 30 * 60_000

/** A ledger with a market: a thousand accounts, of which half have lots to sell, and orders that rest on both sides of the price. */
export class TradingNetwork {
  readonly networkId: string
  readonly ledger: Ledger
  /** Public keys by their ids. */
  readonly keys: ReadonlyMap<string, string>
  readonly #founder: Founder
  readonly #traders: readonly Signer[]
  #pairs = 0
  #funds = 0
  #requests = 0

  private constructor(ledger: Ledger, founder: Founder, traders: readonly Signer[]) {
    this.networkId = ledger.networkId
    this.ledger = ledger
    this.#founder = founder
    this.#traders = traders
    this.keys = new Map(traders.map(({key}) => [key.keyId, key.publicKey]))
  }

  static async make(directory: string, signal: AbortSignal): Promise<TradingNetwork> {
    const choices = {network: 'development', name: 'bench', exchangeOrg: 'creometry', fees: {makerPpm: 500}} as const
    const made = await initializeNetwork(directory, choices, {nowMs: Date.now(), ifMissing: false})
    const ledger = await openTradingLedger(directory, signal)
    try {
      const founder = new Founder(ledger, signal, LIFETIME_MS)
      const operator = {id: 'operator', key: await loadKeyFile(made.operatorKeyPath)}
      await founder.account('creometry', operator)
      const traders = await founder.accounts(Array.from({length: OWNERS}, (_none, at) => `trader${at}`))
      const allot = (account: string): CommandBody => ({type: 'allot', account, amountMicroGutta: ALLOTTED_MICRO_GUTTA})
      await founder.all(traders.map(({id}) => ({by: operator, body: allot(id)})))
      const org = await founder.account('bench')
      await founder.one(org, issueBody('WORK', LOTS_EACH * OWNERS))
      await founder.one(org, orderBody('sell', LOTS_EACH * (OWNERS / 2), PRICE_MICRO_GUTTA))
      const sellers = traders.slice(0, OWNERS / 2)
      await founder.all(sellers.map((by) => ({by, body: orderBody('buy', LOTS_EACH, PRICE_MICRO_GUTTA)})))
      await founder.all(traders.map((by) => ({by, body: issueBody('OWN', AMOUNT_MAX)})))
      const network = new TradingNetwork(ledger, founder, traders)
      await founder.all(network.#restingOrders())
      return network
    } catch (error) {
      await ledger.close()
      throw error
    }
  }

  /** Signed orders of two each that trade one lot: one rests, the other meets it. */
  trades(count: number): SignedCommand[] {
    return Array.from({length: count}, () => {
      this.#pairs += 1
      const seller = this.#trader(this.#pairs % (OWNERS / 2))
      const buyer = this.#trader(OWNERS / 2 + ((this.#pairs * 7) % (OWNERS / 2)))
      return [
        this.#founder.sign(seller, orderBody('sell', 1, PRICE_MICRO_GUTTA)),
        this.#founder.sign(buyer, orderBody('buy', 1, PRICE_MICRO_GUTTA))
      ]
    }).flat()
  }

  /** Requests of so many orders of one account each, those that sell and those that buy by turns; several in one under one signature. */
  requests(orders: number, batch: number): SignedCommand[][] {
    return Array.from({length: Math.ceil(orders / batch)}, () => {
      this.#requests += 1
      const side = this.#requests % 2 === 0 ? 'sell' : 'buy'
      const by = this.#trader(((this.#requests >> 1) % (OWNERS / 2)) + (side === 'sell' ? 0 : OWNERS / 2))
      const body = orderBody(side, 1, PRICE_MICRO_GUTTA)
      return batch === 1 ? [this.#founder.sign(by, body)] : this.#founder.signAll(by, Array<CommandBody>(batch).fill(body))
    })
  }

  /** Signed postings between two balances of an account: two balances change, two entries are written. */
  transfers(count: number): SignedCommand[] {
    return Array.from({length: count}, () => {
      this.#funds += 1
      const at = this.#funds % OWNERS
      return this.#founder.sign(this.#trader(at), {type: 'pool.fund', incentive: `trader${at}/OWN`, amountMinor: 1})
    })
  }

  #trader(at: number): Signer {
    const trader = this.#traders[at]
    if (trader === undefined) throw new Error(`There is no trader ${at}.`)
    return trader
  }

  #restingOrders(): {readonly by: Signer; readonly body: CommandBody}[] {
    return this.#traders.flatMap((by, at) =>
      Array.from({length: RESTING_EACH}, (_none, step) => {
        const [side, sign] = at < OWNERS / 2 ? (['sell', 1] as const) : (['buy', -1] as const)
        return {by, body: orderBody(side, 1, PRICE_MICRO_GUTTA + sign * (1 + ((at + step * OWNERS) % (PRICE_MICRO_GUTTA / 2))))}
      })
    )
  }
}

async function openTradingLedger(directory: string, signal: AbortSignal): Promise<Ledger> {
  const genesisText = await readFile(join(directory, 'genesis.json'), 'utf8')
  return openLedger({directory, genesisText, now: Date.now, signal})
}

function orderBody(side: 'buy' | 'sell', lots: number, priceMicroGutta: number): CommandBody {
  return {type: 'order.place', incentive: INCENTIVE, side, lots, priceMicroGutta, kind: 'limit', timeInForce: 'GTC'}
}

function issueBody(code: string, supplyMinor: number): CommandBody {
  return {
    type: 'incentive.issue',
    code,
    name: 'Work',
    decimals: 2,
    lotMinor: 1,
    supplyMinor,
    tradeVolumeLimitMicroGutta: AMOUNT_MAX,
    captured: 'return',
    transferable: false,
    firstOffer: {item: 'An hour', priceMinor: 500, stock: 10, where: 'in-app'}
  }
}
