import {createMetrics, type Metrics} from '../telemetry/metrics.ts'

/** What one function has answered since the metrics were last read. */
interface Tally {
  readonly byClass: Map<string, number>
}

/** The numbers of the request path. Counts are gathered in plain maps and handed on when somebody reads them. */
export class TrafficMetrics {
  readonly #metrics: Metrics = createMetrics()
  readonly #requests = this.#metrics.counter({
    name: 'creo_gateway_requests_total',
    help: 'Requests by function and class of the status.',
    labels: ['function', 'class']
  })
  readonly #latency = this.#metrics.histogram({
    name: 'creo_gateway_request_seconds',
    help: 'From the head of a request to the end of its answer.',
    labels: ['function']
  })
  readonly #coldStarts = this.#metrics.histogram({
    name: 'creo_gateway_cold_start_seconds',
    help: 'From asking a miner for an instance to its being ready.',
    labels: ['function']
  })
  readonly #instances = this.#metrics.gauge({name: 'creo_gateway_instances', help: 'Instances by revision.', labels: ['revision']})
  readonly #queue = this.#metrics.gauge({name: 'creo_gateway_queue', help: 'Requests that wait for an instance.', labels: ['revision']})
  readonly #miners = this.#metrics.gauge({name: 'creo_gateway_miners', help: 'Miners connected.'})
  readonly #unsigned = this.#metrics.gauge({name: 'creo_gateway_unsigned_receipts', help: 'Proposals that no miner has signed yet.'})
  readonly #bytes = this.#metrics.counter({
    name: 'creo_gateway_bytes_total',
    help: 'Bytes of bodies, in from clients and out to them.',
    labels: ['direction']
  })
  readonly #tallies = new Map<string, Tally>()
  #requestsInAll = 0

  get requestsInAll(): number {
    return this.#requestsInAll
  }

  answered(functionName: string, status: number, ms: number): void {
    this.#requestsInAll += 1
    let tally = this.#tallies.get(functionName)
    if (tally === undefined) {
      tally = {byClass: new Map()}
      this.#tallies.set(functionName, tally)
    }
    const statusClass = status === 499 ? 'client_gone' : `${Math.floor(status / 100)}xx`
    tally.byClass.set(statusClass, (tally.byClass.get(statusClass) ?? 0) + 1)
    this.#latency.observe(ms / 1000, {function: functionName})
  }

  coldStart(functionName: string, ms: number): void {
    this.#coldStarts.observe(ms / 1000, {function: functionName})
  }

  moved(bytes: {readonly in: number; readonly out: number}): void {
    if (bytes.in > 0) this.#bytes.add(bytes.in, {direction: 'in'})
    if (bytes.out > 0) this.#bytes.add(bytes.out, {direction: 'out'})
  }

  /** Prometheus text, with what is so right now. */
  text(now: {
    readonly pools: Iterable<{readonly entry: {readonly id: string}; readonly instances: {readonly size: number}; readonly waiting: number}>
    readonly miners: number
    readonly unsigned: number
  }): string {
    for (const [functionName, {byClass}] of this.#tallies) {
      for (const [statusClass, count] of byClass) this.#requests.add(count, {function: functionName, class: statusClass})
      byClass.clear()
    }
    this.#instances.clear()
    this.#queue.clear()
    for (const pool of now.pools) {
      this.#instances.set(pool.instances.size, {revision: pool.entry.id})
      this.#queue.set(pool.waiting, {revision: pool.entry.id})
    }
    this.#miners.set(now.miners)
    this.#unsigned.set(now.unsigned)
    return this.#metrics.text()
  }
}
