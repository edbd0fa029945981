import type {PastMoment} from '../client/reads.ts'
import {GUTTA, type IncentiveView} from '../core/protocol/api.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {Context} from './context.ts'

export interface ShownBalance {
  readonly asset: string
  readonly kind: string
  /** In whole units of the asset. */
  readonly amount: string
}

/** Rows that a page of a statement is read in. */
const PAGE_ROWS = 1000

export interface ShownEntry {
  readonly at: string
  readonly seq: number
  /** Type of the command that changed the balance. */
  readonly command: string
  readonly asset: string
  readonly kind: string
  /** In whole units of the asset; what went out is below zero. */
  readonly change: string
  /** After it. */
  readonly balance: string
  /** Name of who paid it or was paid, of a payment. */
  readonly counterparty?: string
  /** What was said with a payment, if anything was. */
  readonly memo?: string
}

export interface StatementQuery {
  readonly asset: string | undefined
  readonly sinceMs: number | undefined
  /** Of the newest entries. */
  readonly limit: number
}

/** What an account holds, or held then. */
export async function balancesOf(
  {client}: Context,
  {idOrName, at}: {readonly idOrName: string; readonly at?: PastMoment | undefined},
  signal: AbortSignal
): Promise<{readonly sequence: number; readonly balances: readonly ShownBalance[]}> {
  const read = at === undefined ? client.balances(idOrName, signal) : client.balancesAt(idOrName, at, signal)
  const [{sequence, balances}, {incentives}] = await Promise.all([read, client.incentives(signal)])
  const shown = balances.map(({asset, kind, amountMinor}) => ({
    asset,
    kind,
    amount: formatDecimal(amountMinor, decimalsOf(asset, incentives))
  }))
  return {sequence, balances: shown}
}

/** What changed an account's balances, newest first. */
export async function* statementOf(
  {client}: Context,
  {idOrName, asset, sinceMs = 0, limit}: StatementQuery & {readonly idOrName: string},
  signal: AbortSignal
): AsyncGenerator<ShownEntry> {
  const {incentives} = await client.incentives(signal)
  let [left, cursor] = [limit, undefined as string | undefined]
  do {
    const page = await client.entries(idOrName, {asset, limit: Math.min(left, PAGE_ROWS), cursor}, signal)
    for (const {atMs, seq, command, asset: of, kind, deltaMinor, balanceMinor, counterparty, memo} of page.entries) {
      if (atMs < sinceMs) return
      const decimals = decimalsOf(of, incentives)
      const [change, balance] = [formatDecimal(deltaMinor, decimals), formatDecimal(balanceMinor, decimals)]
      const payment = {...(counterparty && {counterparty: counterparty.name}), ...(memo !== undefined && {memo})}
      yield {at: new Date(atMs).toISOString(), seq, command, asset: of, kind, change, balance, ...payment}
    }
    left -= page.entries.length
    cursor = page.next
  } while (cursor !== undefined && left > 0)
}

function decimalsOf(asset: string, incentives: readonly IncentiveView[]): number {
  return asset === GUTTA ? GUTTA_DECIMALS : (incentives.find(({id}) => id === asset)?.decimals ?? 0)
}
