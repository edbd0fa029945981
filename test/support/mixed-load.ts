import {Agent, request} from 'node:http'
import {setTimeout as sleep} from 'node:timers/promises'
import {expect} from 'vitest'

const CLIENTS = 8
const PIECES = 4
const PIECE_MS = 15
/** What one piece of a body is. */
export const PIECE = 'x'.repeat(20_000)
const STATE_TIMEOUT_MS = 90_000

export interface MixedLoadOptions {
  /** Without a slash at the end. */
  readonly url: string
  readonly host: string
  /** Answers that are waited for in each state. */
  readonly answersEach: number
}

/** Writes a body slowly. */
export async function inPieces(write: (piece: string) => void): Promise<void> {
  for (let piece = 0; piece < PIECES; piece += 1) {
    write(PIECE)
    await sleep(PIECE_MS)
  }
}

/**
 * Clients that ask without pause: POST at once and in pieces, to be sent back, and GET of a piece (`/`) and of all pieces slowly (`/slow`). Each request
 * has a number of its own in `x-id`.
 */
export class MixedLoad {
  readonly #options: MixedLoadOptions
  readonly #agent = new Agent({keepAlive: true, maxSockets: CLIENTS})
  readonly #clients: Promise<void>[]
  #isOver = false
  #ids = 0
  readonly failures: string[] = []
  /** The revision that gave each answer. */
  readonly answers: string[] = []

  constructor(options: MixedLoadOptions) {
    this.#options = options
    this.#clients = Array.from({length: CLIENTS}, () => this.#run())
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  /** Resolves after so many further answers, once the last of them came from all of these revisions and from no other. */
  async answeredBy(...revisions: readonly string[]): Promise<void> {
    const {answersEach} = this.#options
    const from = this.answers.length
    const wanted = revisions.toSorted()
    const seen = (): string[] => (this.answers.length < from + answersEach ? [] : [...new Set(this.answers.slice(-answersEach))].sort())
    await expect.poll(seen, {timeout: STATE_TIMEOUT_MS, interval: 20}).toEqual(wanted)
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      this.#ids += 1
      const id = String(this.#ids)
      await this.#ask(id, this.#ids % 4).catch((error: Error) => this.failures.push(`${id}: ${error.message}`))
    }
  }

  #ask(id: string, kind: number): Promise<void> {
    const {url, host} = this.#options
    const [method, path] = kind < 2 ? ['POST', '/'] : ['GET', kind === 2 ? '/slow' : '/']
    const expected = PIECE.repeat(path === '/slow' || kind === 1 ? PIECES : 1)
    return new Promise((resolve, reject) => {
      const asked = request(`${url}${path}`, {method, headers: {host, 'x-id': id}, agent: this.#agent}, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          this.answers.push(String(response.headers['creo-revision']))
          if (response.statusCode !== 200 || text !== expected)
            this.failures.push(`${id} ${method} ${path}: ${response.statusCode} with ${text.length} bytes, ${text.slice(0, 200)}`)
          resolve()
        })
      })
      asked.on('error', reject)
      if (kind === 1) void inPieces((piece) => asked.write(piece)).then(() => asked.end())
      else asked.end(kind === 0 ? PIECE : undefined)
    })
  }
}
