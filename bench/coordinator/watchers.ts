import {once} from 'node:events'
import {type ClientRequest, get} from 'node:http'
import {setTimeout as delay} from 'node:timers/promises'
import {readEvents} from '../../src/client/event-stream.ts'
import {WATCHERS_MAX, WATCHERS_PER_CLIENT_MAX} from '../../src/coordinator/events/event-hub.ts'
import {EVENTS_HEARTBEAT_MS} from '../../src/core/protocol/events.ts'
import {type Figure, figure, median} from '../form.ts'
import {cpuSeconds, rssMib} from './process-cost.ts'

/** Opened at a time: clients do not come all at once. */
const BATCH = 100
/** These come and go before anything is measured, so that the code that serves them is there. */
const WARM_UP = 200
const SETTLE_MS = 5000
const REST_ROUNDS = 3
const EVENT_ROUNDS = 5
const EVENTS_PER_ROUND = 40
/** Until all watchers have heard of an event. */
const TOLD_MAX_MS = 60_000
const KIB_PER_MIB = 1024

export interface Watched {
  readonly coordinatorUrl: string
  readonly pid: number
  /** Resolves once something is committed of which watchers of apps are told by one event. */
  happen(): Promise<void>
}

/**
 * As many watchers as a coordinator takes, each on a connection of its own, from as many loopback addresses as they need to be counted apart: what one
 * holds in memory, before and after it was told of events, what all of them cost while nothing happens, and what it costs to tell all of them of one
 * event, beyond what the event itself costs.
 */
export async function watcherFigures({coordinatorUrl, pid, happen}: Watched, signal: AbortSignal): Promise<Figure[]> {
  const name = (of: string): string => `watchers_${WATCHERS_MAX}.${of}`
  const watchers = new Watchers(coordinatorUrl, signal)
  try {
    await watchers.open(WARM_UP)
    await eventRounds({pid, happen, watchers})
    watchers.close()
    await delay(SETTLE_MS, undefined, {signal})
    const aloneUs = median((await eventRounds({pid, happen, watchers})).toSorted((a, b) => a - b))
    const before = await rssMib(pid)
    await watchers.open(WATCHERS_MAX)
    await delay(SETTLE_MS, undefined, {signal})
    const kibEach = async (): Promise<number> => (((await rssMib(pid)) - before) * KIB_PER_MIB) / WATCHERS_MAX
    const atRest = await kibEach()
    const cores: number[] = []
    for (let round = 0; round < REST_ROUNDS; round += 1) {
      const [began, beganMs] = [await cpuSeconds(pid), performance.now()]
      await delay(EVENTS_HEARTBEAT_MS, undefined, {signal})
      cores.push((((await cpuSeconds(pid)) - began) * 1000) / (performance.now() - beganMs))
    }
    const told = await eventRounds({pid, happen, watchers})
    return [
      figure({name: name('kib_each'), unit: 'KiB', samples: [atRest]}),
      figure({name: name('kib_each_after_events'), unit: 'KiB', samples: [await kibEach()]}),
      figure({name: name('cpu_cores'), unit: 'cores', samples: cores}),
      figure({name: name('cpu_us_per_event'), unit: 'µs', samples: told.map((us) => us - aloneUs)})
    ]
  } finally {
    watchers.close()
  }
}

/** Of each round, the coordinator's processor time for an event that the watchers who are there were told, µs: the next happens once all were. */
async function eventRounds({pid, happen, watchers}: Pick<Watched, 'pid' | 'happen'> & {readonly watchers: Watchers}): Promise<number[]> {
  const us: number[] = []
  for (let round = 0; round < EVENT_ROUNDS; round += 1) {
    const began = await cpuSeconds(pid)
    for (let event = 0; event < EVENTS_PER_ROUND; event += 1) {
      const told = watchers.toldOnce()
      await Promise.all([told, happen()])
    }
    us.push((((await cpuSeconds(pid)) - began) * 1_000_000) / EVENTS_PER_ROUND)
  }
  return us
}

class Watchers {
  readonly #url: string
  readonly #signal: AbortSignal
  #requests: ClientRequest[] = []
  #told = 0
  #awaited: {readonly told: number; resolve(): void} | undefined

  constructor(coordinatorUrl: string, signal: AbortSignal) {
    this.#url = `${coordinatorUrl}/v1/events?topic=apps`
    this.#signal = signal
  }

  async open(count: number): Promise<void> {
    for (let from = 0; from < count; from += BATCH) {
      const batch = Array.from({length: Math.min(BATCH, count - from)}, (_none, at) => this.#watch(from + at))
      await Promise.all(batch)
    }
  }

  /** Resolves once each of them has been told of one more event. */
  async toldOnce(): Promise<void> {
    const {promise, resolve, reject} = Promise.withResolvers<void>()
    if (this.#requests.length === 0) return
    this.#awaited = {told: this.#told + this.#requests.length, resolve}
    const timely = AbortSignal.any([this.#signal, AbortSignal.timeout(TOLD_MAX_MS)])
    timely.addEventListener('abort', () => reject(timely.reason), {once: true})
    await promise
  }

  close(): void {
    for (const request of this.#requests) request.destroy()
    this.#requests = []
  }

  /** Resolves when the stream is open. */
  async #watch(index: number): Promise<void> {
    const localAddress = `127.0.2.${1 + Math.floor(index / WATCHERS_PER_CLIENT_MAX)}`
    const request = get(this.#url, {localAddress, agent: false, signal: this.#signal})
    this.#requests.push(request)
    const [response] = await once(request, 'response')
    if (response.statusCode !== 200) throw new Error(`watcher ${index} was answered ${response.statusCode}`)
    const open = Promise.withResolvers<void>()
    const read = async (): Promise<void> => {
      for await (const {name} of readEvents(response)) {
        if (name === 'open') open.resolve()
        else if (name === 'app') this.#heard()
      }
    }
    read().then(() => open.reject(new Error(`the stream of watcher ${index} ended`)), open.reject)
    // Closed by who watches, at the end.
    request.on('error', () => undefined)
    await open.promise
  }

  #heard(): void {
    this.#told += 1
    if (this.#told === this.#awaited?.told) this.#awaited.resolve()
  }
}
