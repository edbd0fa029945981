import {formatDecimal, GUTTA_DECIMALS} from '../../src/core/units.ts'

/** Amounts, prices and times in words of the reader's language. Amounts are exact: they go through decimal text, never through a fraction. */

/** What an amount of an incentive is made of. */
export interface Measure {
  readonly decimals: number
  readonly lotMinor: number
}

const PRICE_DECIMALS_MOST = 6
const PERMILLE = 1000

/** Decimal text such as "1234.5" as the language writes it. */
export function formatText(decimal: string, language: string): string {
  const fraction = decimal.split('.')[1]?.length ?? 0
  const format = new Intl.NumberFormat(language, {minimumFractionDigits: fraction, maximumFractionDigits: fraction})
  return format.format(decimal as Intl.StringNumericLiteral)
}

export function formatMinor(minor: number, decimals: number, language: string): string {
  return formatText(formatDecimal(minor, decimals), language)
}

export function formatGutta(microGutta: number, language: string): string {
  return formatMinor(microGutta, GUTTA_DECIMALS, language)
}

export function formatLots(lots: number, {decimals, lotMinor}: Measure, language: string): string {
  return formatText(exactDecimal(BigInt(lots) * BigInt(lotMinor), decimals), language)
}

/** Gutta for one whole unit, as decimal text: a price is micro-gutta per lot. Exact to six decimals, the rest is cut off. */
export function priceText(priceMicroGutta: number, {decimals, lotMinor}: Measure): string {
  const perUnit = (BigInt(priceMicroGutta) * 10n ** BigInt(decimals)) / BigInt(lotMinor)
  return exactDecimal(perUnit, PRICE_DECIMALS_MOST)
}

export function formatPrice(priceMicroGutta: number, measure: Measure, language: string): string {
  return formatText(priceText(priceMicroGutta, measure), language)
}

function exactDecimal(minor: bigint, decimals: number): string {
  const digits = String(minor).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '')
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/** A change in per cent with its sign, to a tenth. */
export function formatChange(before: number, now: number, language: string): string {
  const permille = before === 0 ? 0 : Math.round(((now - before) * PERMILLE) / before) / PERMILLE
  return new Intl.NumberFormat(language, {style: 'percent', signDisplay: 'exceptZero', maximumFractionDigits: 1}).format(permille)
}

export function formatPermille(permille: number, language: string): string {
  return new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: 1}).format(permille / PERMILLE)
}

export function formatTime(atMs: number, language: string): string {
  return new Intl.DateTimeFormat(language, {dateStyle: 'short', timeStyle: 'short'}).format(atMs)
}

export function formatClock(atMs: number, language: string): string {
  return new Intl.DateTimeFormat(language, {hour: '2-digit', minute: '2-digit'}).format(atMs)
}

const SPANS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000]
] as const

/** "3 minutes": the largest unit that fits. */
export function formatSpan(ms: number, language: string): string {
  const [unit, length] = SPANS.find(([, span]) => ms >= span) ?? SPANS[3]
  return new Intl.NumberFormat(language, {style: 'unit', unit, unitDisplay: 'long'}).format(Math.max(1, Math.round(ms / length)))
}

/**
 * What a person typed as an amount, as decimal text that `parseDecimal` takes: with the language's own decimal sign, and without its spaces between thousands.
 */
export function typedDecimal(text: string, language: string): string {
  const sign = new Intl.NumberFormat(language).formatToParts(1.5).find(({type}) => type === 'decimal')?.value ?? '.'
  const bare = text.replace(/[\s\u00a0\u202f]/g, '')
  return sign === ',' && !bare.includes('.') ? bare.replace(',', '.') : bare
}
