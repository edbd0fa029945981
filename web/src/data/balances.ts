import * as z from 'zod/mini'
import {type BalanceKind, balanceViewSchema} from '../../../src/core/protocol/api.ts'
import {usePulse} from './live.ts'
import {type Reading, useSignedRead} from './use-read.ts'

const READ_EVERY_MS = 3_000
const balancesSchema = z.object({sequence: z.int(), balances: z.array(balanceViewSchema)})

export interface Balances {
  readonly assets: readonly string[]
  /** In minor units; nothing is 0. */
  readonly of: (asset: string, kind: BalanceKind) => number
}

export function useBalances(account: string | undefined): Reading<Balances> {
  const news = usePulse(READ_EVERY_MS)
  const read = useSignedRead(account === undefined ? undefined : `/v1/accounts/${account}/balances`, balancesSchema, news)
  if (read.value === undefined) return {...read, value: undefined}
  const {balances} = read.value
  const assets = [...new Set(balances.map(({asset}) => asset))].sort(
    (a, b) => Number(b === 'gutta') - Number(a === 'gutta') || a.localeCompare(b)
  )
  return {
    ...read,
    value: {assets, of: (asset, kind) => balances.find((one) => one.asset === asset && one.kind === kind)?.amountMinor ?? 0}
  }
}
