import {GUTTA, type IncentiveView} from '../core/protocol/api.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {Context} from './context.ts'

export interface ShownBalance {
  readonly asset: string
  readonly kind: string
  /** In whole units of the asset. */
  readonly amount: string
}

/** What an account holds. */
export async function balancesOf({client}: Context, idOrName: string, signal: AbortSignal): Promise<readonly ShownBalance[]> {
  const [{balances}, {incentives}] = await Promise.all([client.balances(idOrName, signal), client.incentives(signal)])
  return balances.map(({asset, kind, amountMinor}) => ({asset, kind, amount: formatDecimal(amountMinor, decimalsOf(asset, incentives))}))
}

function decimalsOf(asset: string, incentives: readonly IncentiveView[]): number {
  return asset === GUTTA ? GUTTA_DECIMALS : (incentives.find(({id}) => id === asset)?.decimals ?? 0)
}
