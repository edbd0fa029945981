import {randomBytes} from 'node:crypto'
import type {Answer, NetworkWorld} from './network-world.ts'

export interface Failure {
  /** An HTTP status with the gateway's code, or the client's own error. */
  readonly what: string
  readonly method: 'GET' | 'POST'
  readonly atMs: number
  readonly tookMs: number
}

export interface LoadReport {
  /** How often it was answered with 200. */
  readonly answered: number
  /** When, by the monotonic clock. */
  readonly answeredAtMs: readonly number[]
  readonly failures: readonly Failure[]
  /** Requests of the client that it had to send more than twice until they were answered. */
  readonly failedTwice: number
  readonly slowestMs: number
}

export interface LoadOptions {
  readonly gateway: string
  readonly function: string
  readonly path?: string
  readonly workers: number
  /** Every so many-th request is a POST with a body, which nobody may send twice unasked; none when left out. */
  readonly postEvery?: number
  /** Between two requests of one worker. */
  readonly pauseMs?: number
}

/** Asks a function without pause, each worker one request at a time and again after a failure, until it is stopped. */
export class Load {
  readonly #world: NetworkWorld
  readonly #options: LoadOptions
  readonly #failures: Failure[] = []
  readonly #done: Promise<unknown>
  #stopping = false
  #sent = 0
  readonly #answeredAtMs: number[] = []
  #failedTwice = 0
  #slowestMs = 0

  constructor(world: NetworkWorld, options: LoadOptions) {
    this.#world = world
    this.#options = options
    this.#done = Promise.all(Array.from({length: options.workers}, () => this.#work()))
  }

  get answered(): number {
    return this.#answeredAtMs.length
  }

  get failed(): number {
    return this.#failures.length
  }

  async stop(): Promise<LoadReport> {
    this.#stopping = true
    await this.#done
    const slowestMs = Math.round(this.#slowestMs)
    return {answered: this.answered, answeredAtMs: this.#answeredAtMs, failures: this.#failures, failedTwice: this.#failedTwice, slowestMs}
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      this.#sent += 1
      const {postEvery, pauseMs} = this.#options
      const method = postEvery !== undefined && this.#sent % postEvery === 0 ? 'POST' : 'GET'
      for (let tries = 1; !(await this.#ask(method)); tries += 1) {
        if (tries === 2) this.#failedTwice += 1
        if (this.#stopping) return
        await pause(RETRY_PAUSE_MS)
      }
      if (pauseMs !== undefined) await pause(pauseMs)
    }
  }

  async #ask(method: 'GET' | 'POST'): Promise<boolean> {
    const {gateway, function: name, path = '/'} = this.#options
    const atMs = performance.now()
    const body = method === 'POST' ? randomBytes(2000) : undefined
    const answer = await this.#world.ask(gateway, name, path, {method, ...(body !== undefined && {body})}).catch((error: unknown) => error)
    const tookMs = performance.now() - atMs
    this.#slowestMs = Math.max(this.#slowestMs, tookMs)
    const what = failureOf(answer)
    if (what === undefined) this.#answeredAtMs.push(performance.now())
    else this.#failures.push({what, method, atMs, tookMs})
    return what === undefined
  }
}

const RETRY_PAUSE_MS = 100

function failureOf(answer: unknown): string | undefined {
  if (answer instanceof Error) return `${(answer as NodeJS.ErrnoException).code ?? answer.name}`
  const {status, code} = answer as Answer
  return status === 200 ? undefined : `${status} ${code ?? ''}`
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
