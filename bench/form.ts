import {execFileSync} from 'node:child_process'
import {cpus, loadavg} from 'node:os'
import {z} from 'zod'
import {renderTable} from '../src/cli/table.ts'

const BENCH_ROUNDS_MAX = 1_000_000

/** One measured number: the median of its rounds, beside its goal. `holds` is null where there is no goal. */
export const figureSchema = z.strictObject({
  name: z.string().min(1).max(80),
  unit: z.string().max(20),
  value: z.number(),
  min: z.number(),
  max: z.number(),
  rounds: z.int().min(1).max(BENCH_ROUNDS_MAX),
  goal: z.string().max(40).nullable(),
  holds: z.boolean().nullable()
})
export type Figure = z.output<typeof figureSchema>

/** What `npm run bench -- NAME --json` prints. */
export const benchReportSchema = z.strictObject({
  bench: z.string(),
  commit: z.string(),
  machine: z.strictObject({cpu: z.string(), cores: z.int(), node: z.string(), load: z.number()}),
  figures: z.array(figureSchema).min(1).max(200)
})
export type BenchReport = z.output<typeof benchReportSchema>

/** A bound that a figure must keep: `{atMost: 4}` or `{atLeast: 0.45}`. */
export type Goal = {readonly atMost: number} | {readonly atLeast: number}

/** The figure of a series of rounds. */
export function figure(measured: {
  readonly name: string
  readonly unit: string
  readonly samples: readonly number[]
  readonly goal?: Goal
}): Figure {
  const sorted = measured.samples.toSorted((a, b) => a - b)
  const value = median(sorted)
  const {goal} = measured
  return {
    name: measured.name,
    unit: measured.unit,
    value: rounded(value),
    min: rounded(sorted[0] ?? 0),
    max: rounded(sorted.at(-1) ?? 0),
    rounds: sorted.length,
    goal: goal === undefined ? null : 'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`,
    holds: goal === undefined ? null : 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast
  }
}

/** The middle of sorted numbers; the mean of the two middle ones when there is no single one. */
export function median(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/** Ours by the peer's, round by round: rounds lie side by side in time, so that what else the machine did falls on both. */
export function ratios(ours: readonly number[], peer: readonly number[]): number[] {
  return ours.map((value, round) => value / (peer[round] ?? Number.NaN))
}

/** Puts the machine and the commit beside the figures. */
export function report(bench: string, figures: readonly Figure[]): BenchReport {
  const [cpu] = cpus()
  const machine = {cpu: cpu?.model.trim() ?? 'unknown', cores: cpus().length, node: process.version, load: rounded(loadavg()[0] ?? 0)}
  return benchReportSchema.parse({bench, commit: commit(), machine, figures})
}

/** The same for people. */
export function renderReport({bench, commit: at, machine, figures}: BenchReport): string {
  const head = `${bench} at ${at} on ${machine.cores} × ${machine.cpu}, Node ${machine.node}, load ${machine.load}`
  const number = (value: number): string => String(value)
  const table = renderTable(figures, [
    {header: 'figure', value: ({name}) => name},
    {header: 'median', value: ({value}) => number(value), align: 'right'},
    {header: 'min', value: ({min}) => number(min), align: 'right'},
    {header: 'max', value: ({max}) => number(max), align: 'right'},
    {header: 'unit', value: ({unit}) => unit},
    {header: 'rounds', value: ({rounds}) => number(rounds), align: 'right'},
    {header: 'goal', value: ({goal}) => goal ?? '–'},
    {header: 'holds', value: ({holds}) => (holds === null ? '–' : holds ? 'yes' : 'NO')}
  ])
  return `${head}\n${table}`
}

function rounded(value: number): number {
  return Number(value.toPrecision(5))
}

/** The commit that was measured; `+` behind it when files differ from it. */
function commit(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}).trim()
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}
