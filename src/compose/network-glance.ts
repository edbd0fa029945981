import {z} from 'zod'
import {accountViewSchema, appViewSchema, balanceViewSchema, GUTTA, incentiveViewSchema, tradeViewSchema} from '../core/protocol/api.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import {ask} from './ask.ts'
import type {DevNetwork} from './dev-network.ts'

/** What a person wants to see of a running network at a glance. Amounts are decimal strings in whole units. */
export interface NetworkGlance {
  readonly minersConnected: number
  readonly functions: readonly {readonly name: string; readonly requests: number; readonly instances: number}[]
  readonly accounts: readonly {readonly name: string; readonly has: readonly string[]}[]
  readonly lastTrade: {readonly lots: number; readonly incentive: string; readonly priceGuttaPerLot: string} | undefined
  /** To open in a browser. */
  readonly addresses: readonly string[]
}

const statusSchema = z.looseObject({
  revisions: z.array(z.looseObject({revision: z.string(), requests: z.int(), instances: z.int()})),
  miners: z.array(z.unknown())
})
const appsSchema = z.object({apps: z.array(appViewSchema)})
const incentivesSchema = z.object({incentives: z.array(incentiveViewSchema)})
const accountsSchema = z.object({accounts: z.array(accountViewSchema)})
const balancesSchema = z.object({balances: z.array(balanceViewSchema)})
const tradesSchema = z.object({trades: z.array(tradeViewSchema)})

type Incentives = z.output<typeof incentivesSchema>['incentives']
type Api = <T>(path: string, schema: z.ZodType<T>) => Promise<T>

/** Asks the gateway and the coordinator's public API. Rejects with `unavailable` or what the answer says while one of them is gone. */
export async function glanceAt(network: DevNetwork, signal: AbortSignal): Promise<NetworkGlance> {
  const read = async <T>(url: string, schema: z.ZodType<T>): Promise<T> => schema.parse(JSON.parse((await ask(url, {signal})).text))
  const api: Api = (path, schema) => read(`${network.coordinatorUrl}${path}`, schema)
  const [status, {apps}, {incentives}] = await Promise.all([
    read(`${network.gatewayAdminUrl}/.creo/status`, statusSchema),
    api('/v1/apps', appsSchema),
    api('/v1/incentives', incentivesSchema)
  ])
  const current = apps.flatMap((app) => app.revisions.filter((revision) => revision.current))
  return {
    minersConnected: status.miners.length,
    functions: current.map((revision) => {
      const seen = status.revisions.find((entry) => entry.revision === revision.id)
      return {name: `${revision.org}/${revision.app}/${revision.function}`, requests: seen?.requests ?? 0, instances: seen?.instances ?? 0}
    }),
    accounts: await holdings(api, incentives),
    lastTrade: await lastTrade(api, incentives),
    addresses: [...apps.map((app) => `${network.gatewayUrl}/@${app.app}--${app.org}/`), `${network.coordinatorUrl}/v1/network`]
  }
}

async function holdings(api: Api, incentives: Incentives): Promise<NetworkGlance['accounts']> {
  const decimals = new Map([[GUTTA, GUTTA_DECIMALS], ...incentives.map((incentive) => [incentive.id, incentive.decimals] as const)])
  const {accounts} = await api('/v1/accounts', accountsSchema)
  return await Promise.all(
    accounts.map(async (account) => {
      const {balances} = await api(`/v1/accounts/${account.id}/balances`, balancesSchema)
      const available = balances.filter((balance) => balance.kind === 'available' && balance.amountMinor > 0)
      const has = available.map(({asset, amountMinor}) => `${formatDecimal(amountMinor, decimals.get(asset) ?? 0)} ${unitOf(asset)}`)
      return {name: account.name, has: has.length === 0 ? ['nothing yet'] : has}
    })
  )
}

async function lastTrade(api: Api, incentives: Incentives): Promise<NetworkGlance['lastTrade']> {
  const answers = await Promise.all(incentives.map((incentive) => api(`/v1/markets/${incentive.id}/trades?limit=1`, tradesSchema)))
  const last = answers.flatMap((answer) => answer.trades).sort((a, b) => b.seq - a.seq)[0]
  if (last === undefined) return undefined
  return {lots: last.lots, incentive: last.incentive, priceGuttaPerLot: formatDecimal(last.priceMicroGutta, GUTTA_DECIMALS)}
}

function unitOf(asset: string): string {
  return asset === GUTTA ? 'Gutta' : (asset.split('/')[1] ?? asset)
}
