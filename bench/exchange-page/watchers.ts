import {once} from 'node:events'
import {type ClientRequest, get} from 'node:http'
import {readEvents} from '../../src/client/event-stream.ts'
import {HOST} from '../gateway/roles.ts'

/** Opened at a time: people do not come all at once. */
const BATCH = 50

/** People who watch one market, each over a connection of its own to the gateway. */
export class PageWatchers {
  readonly #url: string
  readonly #signal: AbortSignal
  #requests: ClientRequest[] = []
  /** Trades that each of them has heard of, and bytes that all of them were sent. */
  readonly #trades: number[] = []
  #bytes = 0
  #lost = 0

  constructor(url: string, signal: AbortSignal) {
    this.#url = url
    this.#signal = signal
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The fewest trades that any of them has heard of. */
  get tradesHeard(): number {
    if (this.#lost > 0) throw new Error(`${this.#lost} of the watchers lost their line.`)
    return Math.min(...this.#trades)
  }

  async open(count: number): Promise<void> {
    for (let from = 0; from < count; from += BATCH)
      await Promise.all(Array.from({length: Math.min(BATCH, count - from)}, () => this.#watch()))
  }

  close(): void {
    this.#lost = 0
    for (const request of this.#requests.splice(0)) request.removeAllListeners('close').destroy()
  }

  /** Resolves when the function has begun to tell it. */
  async #watch(): Promise<void> {
    const request = get(this.#url, {headers: {host: HOST}, agent: false, signal: this.#signal})
    const place = this.#trades.push(0) - 1
    this.#requests.push(request)
    const [response] = await once(request, 'response')
    if (response.statusCode !== 200) throw new Error(`a watcher was answered ${Buffer.concat(await response.toArray())}`)
    response.on('data', (piece: Buffer) => {
      this.#bytes += piece.length
    })
    request.on('close', () => {
      this.#lost += 1
    })
    const begun = Promise.withResolvers<void>()
    const read = async (): Promise<void> => {
      for await (const {name} of readEvents(response)) {
        if (name === 'begin') begun.resolve()
        if (name === 'trade') this.#trades[place] = (this.#trades[place] ?? 0) + 1
      }
    }
    read().then(() => begun.reject(new Error('the stream of a watcher ended')), begun.reject)
    // Closed by who watches, at the end.
    request.on('error', () => undefined)
    await begun.promise
  }
}
