import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import {AMOUNT_MAX, MICRO_GUTTA_PER_GUTTA} from '../../src/core/units.ts'
import {Customer, type Market, NodeAgent, type Scene, Trader} from './agents.ts'
import {Draws} from './draws.ts'
import {HOUR_MS, MarketWorld} from './market-world.ts'
import {HOURS_PER_DAY, MarketRecord, recorder, sum} from './markets.ts'

const ORGS = 6
const NODES = 48
const CUSTOMERS = 24
const TRADERS = 24
/** Customers that would pay what an hour of a node costs ordinarily: half of those that want something. */
const WANTS_PER_NODE_HOUR = 2
const DAYS = 30
const WARM_UP_DAYS = 5
const HYPE_DAY = 12
/** What is said of the famous org at the height of it, and how soon it is forgotten. */
const HYPE_PEAK = 8
const HYPE_FADES_DAYS = 3
const HYPE_WEEK_DAYS = 7

/** What issuers set. */
export interface Policy {
  readonly name: string
  /** Limit in days of what the org pays ordinarily, at 1 Gutta a unit; null for none. */
  readonly limitDays: number | null
  /** No limit is above this part of what all orgs together pay in a day. Absent: any. */
  readonly networkShareMax?: number
  readonly ownerSharePermille: number
  /** As part of three days' mean price. Absent: any price. Kept by the agents here: what a band of the ledger would let them do. */
  readonly band?: number
  /** An org gets no more nodes than can sell a day's pay under its limit at the price of the day. Absent: as many as come. */
  readonly leasesWithinLimit?: boolean
}

export interface Outcome {
  /** Variance of the logarithm of the famous org's price, hour by hour: of the last trade, and of the middle between bid and ask. */
  readonly priceVariance: number
  readonly middleVariance: number
  /** The mean of all markets' variances. */
  readonly allVariance: number
  /** Largest part of the nodes that work for one org, mean over the hours, and the mean of the week after the shock. */
  readonly largestShare: number
  readonly largestShareInHype: number
  /** Highest price of the famous org's incentive, Gutta. */
  readonly peak: number
  /** Part of the customers who would have paid the last price that got what they wanted. */
  readonly served: number
}

/** Zipf's law: the second has half the fame of the first, the third a third. */
function fames(): number[] {
  const weights = Array.from({length: ORGS}, (_none, rank) => 1 / (rank + 1))
  return weights.map((weight) => weight / sum(weights))
}

function limitMicroGutta(fame: number, {limitDays, networkShareMax = 1}: Policy): number {
  if (limitDays === null) return AMOUNT_MAX
  const networkADay = NODES * HOURS_PER_DAY
  const gutta = Math.min(limitDays * fame, networkShareMax) * networkADay
  return Math.round(gutta * MICRO_GUTTA_PER_GUTTA)
}

/** One network through a month with one shock. Deterministic: the same seed and policy give the same outcome. */
export function simulate(seed: number, policy: Policy, days = DAYS): Outcome {
  const {scene, nodes, customers, traders} = populate(seed, policy)
  const {world, markets, draws} = scene
  const watched = new Watch(scene, nodes)
  for (let hour = 0; hour < days * HOURS_PER_DAY; hour += 1) {
    world.nowMs += HOUR_MS
    world.advance()
    scene.hype = hypeAt(hour / HOURS_PER_DAY)
    if (hour % HOURS_PER_DAY === 0) for (const customer of customers) customer.day(scene)
    for (const node of nodes) node.hour(scene)
    for (let want = 0; want < NODES * WANTS_PER_NODE_HOUR; want += 1) customers[draws.below(customers.length)]?.want(scene)
    for (const trader of traders) trader.hour(scene)
    for (const {record} of markets) record.endHour()
    if (hour >= WARM_UP_DAYS * HOURS_PER_DAY) watched.hour(hour / HOURS_PER_DAY)
  }
  const served = sum(customers.map(({bought}) => bought)) / sum(customers.map(({wanted}) => wanted))
  assertInvariants(world.machine)
  return {...watched.outcome(), served}
}

function nodesWithinLimit(market: Market | undefined, policy: Policy): number {
  if (market === undefined) return 0
  return limitMicroGutta(market.fame, policy) / MICRO_GUTTA_PER_GUTTA / (HOURS_PER_DAY * market.record.dayPrice)
}

function hypeAt(day: number): number {
  return day < HYPE_DAY ? 1 : 1 + (HYPE_PEAK - 1) * Math.exp((HYPE_DAY - day) / HYPE_FADES_DAYS)
}

function populate(seed: number, policy: Policy) {
  const records = new Map<string, MarketRecord>()
  const owners = new Set<string>()
  const world = new MarketWorld(recorder(records, (account) => owners.has(account)))
  const markets = fames().map((fame, rank) => {
    const issued = world.org(`org${rank}`, limitMicroGutta(fame, policy), policy.ownerSharePermille)
    const record = new MarketRecord()
    records.set(issued.incentive, record)
    return {issued, record, fame}
  })
  const nodes: NodeAgent[] = []
  const takes = (place: number): boolean => {
    const working = nodes.filter(({works}) => works === place).length
    return policy.leasesWithinLimit !== true || working <= nodesWithinLimit(markets[place], policy)
  }
  const scene: Scene = {world, markets, draws: new Draws(seed), hype: 1, band: policy.band, takes}
  for (let at = 0; at < NODES; at += 1) nodes.push(new NodeAgent(scene, `node${at}`))
  for (const [id, {name}] of world.machine.state.accountsById) if (name.startsWith('node')) owners.add(id)
  const customers = Array.from({length: CUSTOMERS}, (_none, at) => new Customer(scene, `customer${at}`))
  const traders = Array.from({length: TRADERS}, (_none, at) => new Trader(scene, `trader${at}`))
  return {scene, nodes, customers, traders}
}

/** Looks at prices and nodes hour by hour. */
class Watch {
  readonly #scene: Scene
  readonly #nodes: readonly NodeAgent[]
  readonly #prices: readonly number[][]
  readonly #middles: number[] = []
  readonly #shares: {readonly day: number; readonly largest: number}[] = []

  constructor(scene: Scene, nodes: readonly NodeAgent[]) {
    this.#scene = scene
    this.#nodes = nodes
    this.#prices = scene.markets.map(() => [])
  }

  hour(day: number): void {
    const {world, markets} = this.#scene
    markets.forEach(({record}, place) => void this.#prices[place]?.push(Math.log(record.last)))
    const [famous] = markets
    const {bid, ask} = world.best(famous?.issued.incentive ?? '')
    if (bid !== undefined && ask !== undefined) this.#middles.push(Math.log((bid + ask) / 2))
    const working = markets.map((_market, place) => this.#nodes.filter(({works}) => works === place).length)
    this.#shares.push({day, largest: Math.max(...working) / this.#nodes.length})
  }

  outcome(): Omit<Outcome, 'served'> {
    const [famous = []] = this.#prices
    const inHype = this.#shares.filter(({day}) => day >= HYPE_DAY && day < HYPE_DAY + HYPE_WEEK_DAYS)
    const variances = this.#prices.map(variance)
    return {
      priceVariance: variance(famous),
      middleVariance: variance(this.#middles),
      allVariance: sum(variances) / variances.length,
      largestShare: sum(this.#shares.map(({largest}) => largest)) / this.#shares.length,
      largestShareInHype: sum(inHype.map(({largest}) => largest)) / inHype.length,
      peak: Math.exp(Math.max(...famous))
    }
  }
}

function variance(values: readonly number[]): number {
  const mean = sum(values) / values.length
  return sum(values.map((value) => (value - mean) ** 2)) / values.length
}
