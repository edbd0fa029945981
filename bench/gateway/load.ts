import {execFile} from 'node:child_process'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {HOST} from './roles.ts'

const run = promisify(execFile)
const UNITS_MS: Readonly<Record<string, number>> = {us: 0.001, ms: 1, s: 1000}

/** One way of asking: what, and how large the answer is. */
export interface Workload {
  readonly name: string
  readonly path: string
  readonly bodyBytes: number
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Asks as fast as answers come, over so many connections, with wrk in one thread. Any answer but 2xx makes the measurement void. */
export async function load(options: {
  readonly url: string
  readonly workload: Workload
  readonly connections: number
  readonly seconds: number
  readonly directory: string
  readonly signal: AbortSignal
}): Promise<LoadResult> {
  const {url, workload, connections, seconds, directory, signal} = options
  const script: string[] = []
  if (workload.bodyBytes > 0) {
    const path = join(directory, 'post.lua')
    await writeFile(path, `wrk.method = "POST"\nwrk.body = string.rep("x", ${workload.bodyBytes})\n`)
    script.push('-s', path)
  }
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${HOST}`, ...script, `${url}${workload.path}`]
  const {stdout} = await run('wrk', args, {signal})
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk measured nothing that counts:\n${stdout}`)
  return {
    requests,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: percentile(stdout, '50%'),
    p99Ms: percentile(stdout, '99%')
  }
}

function percentile(text: string, name: string): number {
  const match = new RegExp(`${name}\\s+([\\d.]+)(us|ms|s)`).exec(text)
  return Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ''] ?? Number.NaN)
}
