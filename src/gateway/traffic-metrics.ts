import type {InstanceTier} from '../core/protocol/tunnel.ts'
import {createMetrics, type Metrics} from '../telemetry/metrics.ts'
import type {RestingCounts} from './resting-seen.ts'

/** Which function was asked, and by whom. */
export interface Asked {
  /** `org/app/function`; empty when nothing has the address. */
  readonly function: string
  readonly from: 'client' | 'function' | 'queue'
}

/** What one function has answered since the metrics were last read. */
interface Tally {
  readonly of: Asked
  /** By the first digit of the status; 0 for clients that left. */
  readonly byClass: number[]
  readonly observe: (seconds: number) => void
}

const CLIENT_GONE = 499
const CLASSES = ['client_gone', '1xx', '2xx', '3xx', '4xx', '5xx'] as const
/** Functions that are told apart between two readings; further ones share one tally. */
const TALLIES_MAX = 1000
const OTHER = 'other'

/** The numbers of the request path. Counts are gathered in plain maps and handed on when somebody reads them. */
export class TrafficMetrics {
  readonly #metrics: Metrics = createMetrics()
  readonly #requests = this.#metrics.counter({
    name: 'creo_gateway_requests_total',
    help: 'Requests by function, class of the status, and who asked: a client, another function, or the queue of calls.',
    labels: ['function', 'class', 'from']
  })
  readonly #latency = this.#metrics.histogram({
    name: 'creo_gateway_request_seconds',
    help: 'From the head of a request to the end of its answer.',
    labels: ['function']
  })
  readonly #coldStarts = this.#metrics.counter({
    name: 'creo_gateway_cold_starts_total',
    help: 'Instances that were asked for and came, by function and the tier that they waited at.',
    labels: ['function', 'tier']
  })
  readonly #activation = this.#metrics.histogram({
    name: 'creo_gateway_activation_seconds',
    help: 'From asking a miner for an instance to its being ready, by the tier that it waited at.',
    labels: ['tier']
  })
  readonly #resting = this.#metrics.gauge({
    name: 'creo_gateway_resting_instances',
    help: 'Containers that wait on connected miners, by tier.',
    labels: ['tier']
  })
  readonly #instances = this.#metrics.gauge({name: 'creo_gateway_instances', help: 'Instances by revision.', labels: ['revision']})
  readonly #calls = this.#metrics.gauge({
    name: 'creo_gateway_async_calls',
    help: 'Calls to be answered later that have not ended, and of these those that are being delivered.',
    labels: ['state']
  })
  readonly #queue = this.#metrics.gauge({name: 'creo_gateway_queue', help: 'Requests that wait for an instance.', labels: ['revision']})
  readonly #ejected = this.#metrics.gauge({
    name: 'creo_gateway_ejected_instances',
    help: 'Instances that are left out because they fail.',
    labels: ['revision']
  })
  readonly #miners = this.#metrics.gauge({name: 'creo_gateway_miners', help: 'Miners connected.'})
  readonly #unsigned = this.#metrics.gauge({name: 'creo_gateway_unsigned_receipts', help: 'Proposals that no miner has signed yet.'})
  readonly #bytes = this.#metrics.counter({
    name: 'creo_gateway_bytes_total',
    help: 'Bytes of bodies, in from clients and out to them.',
    labels: ['direction']
  })
  readonly #tallies = new Map<string, Tally>()
  #requestsInAll = 0
  #bytesIn = 0
  #bytesOut = 0

  get requestsInAll(): number {
    return this.#requestsInAll
  }

  answered(asked: Asked, status: number, ms: number): void {
    this.#requestsInAll += 1
    const tally = this.#tallies.get(keyOf(asked)) ?? this.#newTally(asked)
    const statusClass = status === CLIENT_GONE ? 0 : Math.floor(status / 100)
    tally.byClass[statusClass] = (tally.byClass[statusClass] ?? 0) + 1
    tally.observe(ms / 1000)
  }

  coldStart(functionName: string, {ms, tier}: {readonly ms: number; readonly tier: InstanceTier}): void {
    this.#coldStarts.add(1, {function: functionName, tier})
    this.#activation.observe(ms / 1000, {tier})
  }

  moved(bytes: {readonly in: number; readonly out: number}): void {
    this.#bytesIn += bytes.in
    this.#bytesOut += bytes.out
  }

  /** Prometheus text, with what is so right now. */
  text(now: {
    readonly pools: Iterable<{
      readonly entry: {readonly id: string}
      readonly instances: {readonly size: number}
      readonly waiting: number
      readonly ejected: number
    }>
    readonly resting: RestingCounts
    readonly miners: number
    readonly unsigned: number
    readonly calls: {readonly waiting: number; readonly running: number}
  }): string {
    for (const {of, byClass} of this.#tallies.values()) {
      for (const [index, count] of byClass.entries()) {
        if (count > 0) this.#requests.add(count, {...of, class: CLASSES[index] ?? OTHER})
      }
      byClass.fill(0)
    }
    for (const state of ['waiting', 'running'] as const) this.#calls.set(now.calls[state], {state})
    this.#instances.clear()
    this.#ejected.clear()
    this.#queue.clear()
    this.#bytes.add(this.#bytesIn, {direction: 'in'})
    this.#bytes.add(this.#bytesOut, {direction: 'out'})
    this.#bytesIn = 0
    this.#bytesOut = 0
    for (const pool of now.pools) {
      this.#instances.set(pool.instances.size, {revision: pool.entry.id})
      this.#ejected.set(pool.ejected, {revision: pool.entry.id})
      this.#queue.set(pool.waiting, {revision: pool.entry.id})
    }
    for (const [tier, count] of Object.entries(now.resting)) this.#resting.set(count, {tier})
    this.#miners.set(now.miners)
    this.#unsigned.set(now.unsigned)
    return this.#metrics.text()
  }

  #newTally(asked: Asked): Tally {
    const of = this.#tallies.size < TALLIES_MAX ? asked : {...asked, function: OTHER}
    const tally = this.#tallies.get(keyOf(of)) ?? {
      of,
      byClass: new Array<number>(CLASSES.length).fill(0),
      observe: this.#latency.series({function: of.function})
    }
    this.#tallies.set(keyOf(of), tally)
    return tally
  }
}

function keyOf({function: name, from}: Asked): string {
  return from === 'client' ? name : `${name} ${from}`
}
