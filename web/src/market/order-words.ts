import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {formatGutta, formatLots} from '../format.ts'
import type {Speech} from '../words.ts'

/** What an order has come to, from what the ledger answered. */
export function orderWords(result: Readonly<Record<string, unknown>>, {t, language}: Speech, incentive: IncentiveView): string {
  const lots = (name: string): string => formatLots(Number(result[name]), incentive, language)
  const values = {
    filled: lots('filledLots'),
    lots: lots('lots'),
    rest: lots('remainingLots'),
    code: incentive.id.split('/')[1] ?? '',
    gutta: formatGutta(Number(result.notionalMicroGutta), language),
    fee: formatGutta(Number(result.feeMicroGutta), language)
  }
  const {status, reason} = result
  const done = Number(result.filledLots) > 0 ? t('done.filled', values) : ''
  if (status === 'open') return `${done} ${t('done.waits', values)}`.trim()
  if (status === 'filled') return done
  return `${done} ${t('done.ended', {...values, why: reasonWords(t, String(reason))})}`.trim()
}

const REASONS = [
  'by_owner',
  'volume_limit',
  'price_band',
  'immediate',
  'time',
  'would_self_trade',
  'crossing_limit',
  'open_orders_limit'
] as const

/** Why the rest of an order ended. */
export function reasonWords(t: Speech['t'], reason: string): string {
  const known = REASONS.find((one) => one === reason)
  return known === undefined ? reason : t(`reason.${known}`)
}
