import {z} from 'zod'
import {type BalanceKind, balanceViewSchema} from '../../core/protocol/api.ts'
import type {TourWorld} from './tour.ts'

const balancesSchema = z.object({balances: z.array(balanceViewSchema)})

/** One balance in minor units; 0 when the account never had any. */
export async function balanceOf(world: TourWorld, account: string, asset: string, kind: BalanceKind = 'available'): Promise<number> {
  const {balances} = await world.read(`/v1/accounts/${account}/balances`, balancesSchema)
  return balances.find((balance) => balance.asset === asset && balance.kind === kind)?.amountMinor ?? 0
}
