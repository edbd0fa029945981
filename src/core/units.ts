import {CreoError} from './errors.ts'

/** 1 Gutta = 1,000,000 micro-gutta, the unit of every price and fee. */
export const MICRO_GUTTA_PER_GUTTA = 1_000_000
export const GUTTA_DECIMALS = 6
/** Largest supply of any asset, in its minor unit: sums of it stay exact in a double. */
export const AMOUNT_MAX = Number.MAX_SAFE_INTEGER

/**
 * Reads a decimal amount as a person writes it ("12.5") into minor units of an asset with `decimals` digits.
 * @throws {CreoError} `invalid_input` for anything but a plain non-negative decimal that fits exactly.
 */
export function parseDecimal(text: string, decimals: number): number {
  const match = /^(\d{1,16})(?:\.(\d{1,6}))?$/.exec(text)
  if (!match)
    throw new CreoError('invalid_input', `"${text}" is not an amount.`, {hint: 'Write digits with at most six decimals, for example 12.5.'})
  const whole = match[1] ?? ''
  const fraction = (match[2] ?? '').replace(/0+$/, '')
  if (fraction.length > decimals) {
    throw new CreoError('invalid_input', `"${text}" has more than ${decimals} decimals.`, {hint: `Round it to ${decimals} decimals.`})
  }
  const minor = BigInt(whole + fraction.padEnd(decimals, '0'))
  if (minor > BigInt(AMOUNT_MAX))
    throw new CreoError('invalid_input', `"${text}" is too large.`, {hint: `The most is ${formatDecimal(AMOUNT_MAX, decimals)}.`})
  return Number(minor)
}

/** Minor units as a decimal string without trailing zeros: (12500000, 6) → "12.5". Negative amounts keep their sign. */
export function formatDecimal(minor: number, decimals: number): string {
  const sign = minor < 0 ? '-' : ''
  const digits = String(Math.abs(minor)).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '')
  return sign + whole + (fraction === '' ? '' : `.${fraction}`)
}

/** floor(a × b / c) and its remainder, exact for safe integers of any size; BigInt only where a double would round. */
export function mulDivFloor(a: number, b: number, c: number): {quotient: number; remainder: number} {
  const product = a * b
  if (product <= Number.MAX_SAFE_INTEGER) return {quotient: Math.floor(product / c), remainder: product % c}
  const exact = BigInt(a) * BigInt(b)
  const quotient = exact / BigInt(c)
  if (quotient > BigInt(AMOUNT_MAX)) throw new CreoError('invalid_input', 'An amount is too large to be counted exactly.')
  return {quotient: Number(quotient), remainder: Number(exact % BigInt(c))}
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ki: 2 ** 10
}

/**
 * "256MiB" → bytes.
 * @throws {CreoError} `invalid_input` when it is not a number followed by B, KiB, MiB, GiB, KB, MB or GB.
 */
export function parseBytes(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*([KMG]i?B?|B)$/.exec(text)
  const unit = BYTE_UNITS[match?.[2] ?? '']
  if (!match || unit === undefined)
    throw new CreoError('invalid_input', `"${text}" is not a size.`, {hint: 'Write for example 256MiB or 2GiB.'})
  return Math.floor(Number(match[1]) * unit)
}

/** Bytes as people read them: 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'] as const
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
