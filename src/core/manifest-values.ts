import {z} from 'zod'
import {CreoError} from './errors.ts'
import {parseBytes, parseDecimal} from './units.ts'

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000}
const CPU_DECIMALS = 3
/** Enough for every rate; how many an incentive has is checked when it is known. */
const DECIMAL = /^\d{1,16}(\.\d{1,6})?$/

/** "128MiB" → bytes. */
export const bytesText = z.string('must be a size such as 128MiB').transform((text, context) => readBy(parseBytes, text, context))

/** A number that `schema` takes, with its bounds in the words of whoever wrote the text it was read from. */
export function within(schema: z.ZodNumber, message: string): z.ZodNumber {
  return z.number().refine((value) => schema.safeParse(value).success, message)
}

/** 0.5 → 500 thousandths of a CPU. */
export const cpuMillis = numberText('must be a number of CPUs such as 0.5').transform((text, context) =>
  readBy((value) => parseDecimal(value, CPU_DECIMALS), text, context)
)

/** "30s" → milliseconds. */
export const durationMs = z.string('must be a duration such as 30s').transform((text, context) => readBy(parseDuration, text, context))

/** A value of an environment variable: what YAML reads as a number or a truth is meant as its text. */
export const envText = z.union([z.string(), z.number(), z.boolean()], 'must be text').transform(String)

/** A decimal amount of an incentive, kept as text until its decimals are known. */
export const amountText = numberText('must be an amount such as "0.5"').refine(
  (text) => DECIMAL.test(text),
  'must be an amount such as "0.5"'
)

/** YAML reads 0.5 as a number and "0.5" as a string: both mean the same here. */
function numberText(message: string): z.ZodPipe<z.ZodUnion<readonly [z.ZodString, z.ZodNumber]>, z.ZodTransform<string, string | number>> {
  return z.union([z.string(), z.number()], message).transform(String)
}

function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text)
  const unit = DURATION_UNITS_MS[match?.[2] ?? '']
  if (!match || unit === undefined)
    throw new CreoError('invalid_input', `"${text}" is not a duration.`, {hint: 'Write for example 30s or 5m.'})
  return Number(match[1]) * unit
}

function readBy(read: (text: string) => number, text: string, context: z.core.$RefinementCtx<string>): number {
  try {
    return read(text)
  } catch (error) {
    context.addIssue(error instanceof CreoError ? [error.message, error.hint].filter(Boolean).join(' ') : String(error))
    return z.NEVER
  }
}
