import {Pool} from 'undici'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'

const REQUEST_TIMEOUT_MS = 60_000

/** Orders of one request, and connections that carry such requests at a time. */
export const BATCHES = [
  {batch: 1, connections: 64, orders: 10_000, goal: 5000},
  {batch: 10, connections: 32, orders: 20_000, goal: 8000},
  {batch: 1000, connections: 8, orders: 40_000, goal: 10_000}
] as const

/** Orders a second through the front door: bodies are ready before the clock runs, answers are looked at after it. */
export async function httpRound(
  coordinatorUrl: string,
  requests: readonly (readonly SignedCommand[])[],
  {connections, signal}: {readonly connections: number; readonly signal: AbortSignal}
): Promise<number> {
  const bodies = requests.map((commands) => JSON.stringify({commands}))
  const pool = new Pool(coordinatorUrl, {connections, pipelining: 1, headersTimeout: REQUEST_TIMEOUT_MS, bodyTimeout: REQUEST_TIMEOUT_MS})
  try {
    const answers: string[] = []
    let next = 0
    const ask = async (): Promise<void> => {
      for (let at = next++; at < bodies.length; at = next++) {
        const {body} = await pool.request({
          method: 'POST',
          path: '/v1/commands',
          headers: {'content-type': 'application/json'},
          body: bodies[at] ?? '',
          signal
        })
        answers[at] = await body.text()
      }
    }
    const startedAtMs = performance.now()
    await Promise.all(Array.from({length: connections}, ask))
    const seconds = (performance.now() - startedAtMs) / 1000
    for (const answer of answers) checkApplied(answer)
    return requests.flat().length / seconds
  } finally {
    await pool.close()
  }
}

function checkApplied(text: string): void {
  const {answers} = JSON.parse(text) as {readonly answers?: readonly {readonly status: string}[]}
  if (answers?.every(({status}) => status === 'applied') !== true) throw new Error(`An order was refused: ${text.slice(0, 500)}`)
}
