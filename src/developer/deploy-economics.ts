import {type CallCosts, callCosts} from '../core/call-costs.ts'
import type {AppView, IncentiveView} from '../core/protocol/api.ts'
import type {Spending} from '../core/protocol/app-reports.ts'
import {formatDecimal} from '../core/units.ts'
import type {AppName} from './app-name.ts'
import type {Context} from './context.ts'

export interface FunctionCosts extends CallCosts {
  readonly function: string
}

/** How long one pool lasts. */
export interface PoolRunway {
  readonly incentive: string
  /** What leases can still reserve, and what they hold and have not paid yet. */
  readonly pool: string
  readonly reserved: string
  /** Paid within the last day to all functions that pay it. */
  readonly paidLastDay: string
  /** Pool and reserved over that; null while there is no traffic. */
  readonly days: number | null
}

export interface Economics {
  readonly costs: readonly FunctionCosts[]
  readonly pools: readonly PoolRunway[]
}

/** What an app's calls cost and how long its pools last, by what the ledger has seen within the last day. */
export async function readEconomics({client}: Pick<Context, 'client'>, {org, app}: AppName, signal: AbortSignal): Promise<Economics> {
  const [view, spending, {incentives}] = await Promise.all([
    client.app(org, app, signal),
    client.spending({org, app}, signal),
    client.incentives(signal)
  ])
  const decimalsOf = new Map(incentives.map(({id, decimals}: IncentiveView) => [id, decimals]))
  return {
    costs: view.revisions.flatMap((revision) => (revision.percent > 0 ? costsOf(revision, spending, decimalsOf) : [])),
    pools: spending.pools.map((pool) => runwayOf(pool, decimalsOf.get(pool.incentive) ?? 0))
  }
}

function costsOf(
  {function: name, spec}: AppView['revisions'][number],
  {functions}: Spending,
  decimalsOf: ReadonlyMap<string, number>
): FunctionCosts[] {
  return spec.rewards.map((line) => {
    const traffic = functions.find((one) => one.function === name && one.incentive === line.incentive)
    const decimals = decimalsOf.get(line.incentive) ?? 0
    return {function: name, ...callCosts(line, {memoryBytes: spec.memoryBytes, decimals, traffic})}
  })
}

function runwayOf({incentive, poolMinor, reservedMinor, paidMinor}: Spending['pools'][number], decimals: number): PoolRunway {
  const left = poolMinor + reservedMinor
  return {
    incentive,
    pool: formatDecimal(poolMinor, decimals),
    reserved: formatDecimal(reservedMinor, decimals),
    paidLastDay: formatDecimal(paidMinor, decimals),
    days: paidMinor === 0 ? null : Math.floor((10 * left) / paidMinor) / 10
  }
}
