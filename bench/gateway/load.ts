import {execFile} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {ask} from '../function/ask.ts'
import {HOST} from './roles.ts'

const run = promisify(execFile)
const UNITS_MS: Readonly<Record<string, number>> = {us: 0.001, ms: 1, s: 1000}
const UNITS_BYTES: Readonly<Record<string, number>> = {B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30}

/** wrk prints bytes with three digits or more. */
const ROUNDING = 1.01

/** One way of asking, and how large its answer must be. */
export interface Workload {
  readonly name: string
  readonly path: string
  /** Posted when larger than 0. */
  readonly bodyBytes: number
  readonly answerBytes: number
}

export interface LoadOptions {
  readonly port: number
  readonly workload: Workload
  readonly connections: number
  readonly seconds: number
  readonly directory: string
  readonly signal: AbortSignal
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Asks once and looks at the whole answer: 200, and as large as it must be. */
export async function checkAnswer({port, workload, signal}: Pick<LoadOptions, 'port' | 'workload' | 'signal'>): Promise<void> {
  const {name, path, bodyBytes, answerBytes} = workload
  const {bytes} = await ask({to: {port}, path, host: HOST, bodyBytes, signal})
  if (bytes !== answerBytes) throw new Error(`${name} at port ${port} was answered with ${bytes} bytes instead of ${answerBytes}`)
}

/**
 * Asks as fast as answers come, over so many connections, with wrk in one thread. Errors, statuses that aren't 2xx, and answers too
 * small to be the function's make the measurement void: it throws.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const {port, workload, connections, seconds, directory, signal} = options
  const script: string[] = []
  if (workload.bodyBytes > 0) {
    const path = join(directory, `post-${workload.bodyBytes}.lua`)
    await writeFile(path, `wrk.method = "POST"\nwrk.body = string.rep("x", ${workload.bodyBytes})\n`)
    script.push('-s', path)
  }
  const url = `http://127.0.0.1:${port}${workload.path}`
  const {stdout} = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${HOST}`, ...script, url], {
    signal
  })
  return parseWrk(stdout, workload.answerBytes)
}

/** @throws when what wrk printed holds a failure, or a number is missing. */
export function parseWrk(text: string, answerBytes: number): LoadResult {
  const [, count, amount, unit] = /(\d+) requests in [^,]+, ([\d.]+)([KMG]?B) read/.exec(text) ?? []
  const requests = Number(count)
  const bytes = Number(amount) * (UNITS_BYTES[unit ?? ''] ?? Number.NaN)
  const result = {
    requests,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50Ms: percentile(text, '50%'),
    p99Ms: percentile(text, '99%')
  }
  const isWhole = requests > 0 && bytes * ROUNDING >= requests * answerBytes && Object.values(result).every(Number.isFinite)
  if (!isWhole || /Non-2xx|Socket errors/.test(text)) throw new Error(`wrk measured nothing that counts:\n${text}`)
  return result
}

function percentile(text: string, name: string): number {
  const match = new RegExp(`${name}\\s+([\\d.]+)(us|ms|s)`).exec(text)
  return Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ''] ?? Number.NaN)
}
