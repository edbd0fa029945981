import {createHash} from 'node:crypto'
import {Agent} from 'undici'
import {ask} from '../ask.ts'

const CONNECTIONS = 8

export interface LoadReport {
  readonly sent: number
  readonly answered: number
  /** The first few that were not answered as computed. */
  readonly failures: readonly string[]
  readonly slowestMs: number
}

/**
 * Asks the example API for primes through the gateway, eight requests at a time, and checks each answer against its own arithmetic,
 * until `count` were sent or `until` fires. `onAnswer` is told of each that was answered rightly.
 */
export async function askForPrimes(
  appUrl: string,
  options: {readonly count: number; readonly until?: AbortSignal; readonly onAnswer?: () => void; readonly signal: AbortSignal}
): Promise<LoadReport> {
  const agent = new Agent({connections: CONNECTIONS})
  let sent = 0
  let answered = 0
  let slowestMs = 0
  const failures: string[] = []
  const worker = async (): Promise<void> => {
    while (sent < options.count && options.until?.aborted !== true && !options.signal.aborted) {
      sent += 1
      const n = 1 + (sent % 200)
      const startedAtMs = performance.now()
      const wrong = await askOne(`${appUrl}/api/prime?n=${n}`, n, {agent, signal: options.signal})
      slowestMs = Math.max(slowestMs, performance.now() - startedAtMs)
      if (wrong !== undefined) failures.push(wrong)
      else {
        answered += 1
        options.onAnswer?.()
      }
    }
  }
  await Promise.all(Array.from({length: CONNECTIONS}, worker))
  await agent.close()
  return {sent, answered, failures: failures.slice(0, 5), slowestMs: Math.round(slowestMs)}
}

async function askOne(url: string, n: number, options: {readonly agent: Agent; readonly signal: AbortSignal}): Promise<string | undefined> {
  try {
    const {status, text} = await ask(url, options)
    if (status !== 200) return `${status} ${text.slice(0, 200)}`
    const answer: unknown = JSON.parse(text)
    return isRightPrime(answer, n) ? undefined : `wrong answer for ${n}: ${text.slice(0, 200)}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function isRightPrime(answer: unknown, n: number): boolean {
  if (typeof answer !== 'object' || answer === null || !('prime' in answer) || !('sha256' in answer)) return false
  const expected = nthPrime(n)
  return answer.prime === expected && answer.sha256 === createHash('sha256').update(String(expected)).digest('hex')
}

const primes: number[] = [2]

/** By trial division, the n-th prime counted from 1: not the way the example computes it. */
function nthPrime(n: number): number {
  for (let candidate = (primes.at(-1) ?? 2) + 1; primes.length < n; candidate += 1) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  }
  return primes[n - 1] ?? 2
}
