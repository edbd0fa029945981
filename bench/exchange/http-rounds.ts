import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import {PlainConnection, postRequest} from './plain-client.ts'

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
  const url = new URL(coordinatorUrl)
  const requestsBytes = requests.map((commands) => postRequest(url, '/v1/commands', JSON.stringify({commands})))
  const opened: PlainConnection[] = []
  try {
    for (let at = 0; at < connections; at += 1) opened.push(await PlainConnection.open(url, signal))
    const answers: string[] = []
    const left = requestsBytes.entries()
    const askAll = async (connection: PlainConnection): Promise<void> => {
      for (const [at, request] of left) answers[at] = await connection.ask(request)
    }
    const startedAtMs = performance.now()
    await Promise.all(opened.map(askAll))
    const seconds = (performance.now() - startedAtMs) / 1000
    for (const answer of answers) checkApplied(answer)
    return requests.flat().length / seconds
  } finally {
    for (const connection of opened) connection.close()
  }
}

function checkApplied(text: string): void {
  const {answers} = JSON.parse(text) as {readonly answers?: readonly {readonly status: string}[]}
  if (answers?.every(({status}) => status === 'applied') !== true) throw new Error(`An order was refused: ${text.slice(0, 500)}`)
}
