import type {z} from 'zod'
import type {CreoError} from './errors.ts'
import {nearestOf} from './nearest.ts'

/** One thing that is wrong with what came from outside. */
export interface Problem {
  /** Where, for example `['functions', 'api', 'memory']`. */
  readonly path: readonly (string | number)[]
  readonly message: string
  /** What is known and was probably meant. */
  readonly nearest?: string
}

type Issue = z.core.$ZodIssue
type Raw<C extends Issue['code']> = Extract<z.core.$ZodRawIssue, {code: C}>

/** Problems that one sentence tells of. */
const TOLD_MAX = 3
/** Choices that are listed; of more only the nearest is named. */
const CHOICES_MAX = 8
const KNOWN_KEYS_MAX = 40
/** Letters of a word that is said back to whoever sent it. */
const ECHO_MAX = 64
export const MISSING = 'is missing'
/** Ends what is said of a word that is like a known one. */
export const MEANT = /did you mean "([^"]+)"\?$/

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  set: 'a list',
  object: 'a set of keys',
  record: 'a set of keys',
  map: 'a set of keys',
  date: 'a time',
  null: 'empty',
  undefined: 'left out',
  never: 'left out'
}

const FORMATS: Readonly<Record<string, string>> = {
  url: 'an address such as https://example.org',
  email: 'an address such as ann@example.org',
  datetime: 'a time such as 2026-01-31T12:00:00Z',
  date: 'a date such as 2026-01-31',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  base64: 'base64',
  base64url: 'base64url without padding',
  hex: 'digits from 0 to f',
  json_string: 'JSON'
}

/** How all that comes from outside is parsed: what is wrong with it is said in words for whoever wrote it, unless its schema has words of its own. */
export const IN_WORDS = {error: (issue: z.core.$ZodRawIssue) => wordsFor(issue), reportInput: true} as const

/**
 * What `schema` makes of a value from outside.
 * @param refuse makes the error of what is wrong, such as `lots: must be a whole number, not text`.
 */
export function parsedOr<S extends z.ZodType>(
  schema: S,
  value: unknown,
  refuse: (wrong: string, cause: unknown) => CreoError
): z.output<S> {
  const {success, data, error} = schema.safeParse(value, IN_WORDS)
  if (success) return data
  throw refuse(problemsText(error.issues), error)
}

/** The first problems in one line. @param whole what a problem of no place is told of. */
export function problemsText(issues: readonly Issue[], whole = 'all of it'): string {
  const problems = problemsOf([...issues].sort((one, other) => Number(isUnknownKey(other)) - Number(isUnknownKey(one))))
  const told = problems.slice(0, TOLD_MAX).map((problem) => problemText(problem, whole))
  const more = problems.length - told.length
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

function problemText({path, message}: Problem, whole: string): string {
  const words = path.map(echo)
  const named = message.startsWith(`"${words.at(-1)}" `)
  const where = (named ? words.slice(0, -1) : words).join('.') || (named ? '' : whole)
  return `${where}${where === '' ? '' : ': '}${message.replace(/\.$/, '')}`
}

/** One may explain why another key is missing. */
function isUnknownKey({code}: Issue): boolean {
  return code === 'unrecognized_keys'
}

/** What zod found by `IN_WORDS`: one problem a place, and nothing about a key that is missing only because it is misspelt. */
export function problemsOf(issues: readonly Issue[]): Problem[] {
  const problems = new Map<string, Problem>()
  for (const problem of issues.flatMap(fitting).map(problemOf))
    if (!problems.has(keyOf(problem.path))) problems.set(keyOf(problem.path), problem)
  const meant = [...problems.values()].flatMap(({path, nearest}) => (nearest === undefined ? [] : [keyOf([...path.slice(0, -1), nearest])]))
  return [...problems.values()].filter(({path, message}) => message !== MISSING || !meant.includes(keyOf(path)))
}

function keyOf(path: Problem['path']): string {
  return JSON.stringify(path)
}

/** Of several forms that something may have, what is wrong by the one form that it has in the large. */
function fitting(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.input === undefined) return [issue]
  const inside = insideOf(issue.errors)
  if (inside === undefined || issue.message !== unionWords(issue)) return [issue]
  return inside.flatMap((one) => fitting({...one, path: [...issue.path, ...one.path]}))
}

function insideOf(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const near = branches.filter((issues) => issues.every(({path}) => path.length > 0))
  return near.length === 1 ? near[0] : undefined
}

/** An unknown key is where it stands, not in the object around it. */
function problemOf(issue: Issue): Problem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  const message = issue.input === undefined && issue.code !== 'custom' ? MISSING : issue.message
  const nearest = MEANT.exec(message)?.[1]
  return {
    path: issue.code === 'unrecognized_keys' ? [...path, issue.keys[0] ?? ''] : path,
    message,
    ...(nearest !== undefined && {nearest})
  }
}

function wordsFor(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue)
    case 'invalid_value':
      return wrongChoice(issue.values.map(String), issue.input)
    case 'invalid_format':
      return wrongFormat(issue)
    case 'invalid_key':
      return `"${echo(issue.path?.at(-1))}" ${issue.issues[0]?.message ?? 'is no name'}`
    case 'invalid_element':
      return `has an entry that ${issue.issues[0]?.message ?? 'is not right'}`
    case 'invalid_union':
      return unionWords(issue)
    case 'unrecognized_keys':
      return unknownKey(issue)
    case 'too_small':
      return beyond('least', issue.origin, issue.minimum, issue)
    case 'too_big':
      return beyond('most', issue.origin, issue.maximum, issue)
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    default:
      return 'is not right'
  }
}

function wrongType({expected, input}: Raw<'invalid_type'>): string {
  if (expected === 'never' || expected === 'undefined') return 'must be left out'
  const kind = `must be ${KINDS[expected] ?? expected}`
  if (typeof input !== 'number') return `${kind}, not ${kindOf(input)}`
  return Number.isNaN(input) ? kind : `${kind}, not ${expected === 'int' ? input : kindOf(input)}`
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  return (Array.isArray(value) ? KINDS.array : KINDS[typeof value]) ?? typeof value
}

function wrongFormat({
  format,
  input,
  pattern,
  prefix,
  suffix,
  includes
}: Raw<'invalid_format'> & {readonly [part: string]: unknown}): string {
  if (format === 'starts_with') return `must start with ${String(prefix)}`
  if (format === 'ends_with') return `must end with ${String(suffix)}`
  if (format === 'includes') return `must have ${String(includes)} in it`
  if (format === 'regex') return input === '' ? 'must not be empty' : `must match ${String(pattern)}`
  return FORMATS[format] === undefined ? `has not the form ${format}` : `must be ${FORMATS[format]}`
}

function wrongChoice(values: readonly string[], input: unknown): string {
  const choice = values.length > CHOICES_MAX ? `one of ${values.length} known words` : oneOf(values)
  const nearest = values.length === 1 ? undefined : nearestOf(String(input), values)
  return nearest === undefined ? `must be ${choice}` : `must be ${choice}; did you mean "${nearest}"?`
}

function oneOf(values: readonly string[]): string {
  return values.length <= 1 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}

interface UnionIssue {
  readonly errors: readonly (readonly Issue[])[]
  readonly discriminator?: string | undefined
  readonly options?: readonly unknown[] | undefined
  readonly input?: unknown
}

/** What none of the forms takes that something may have; by a word that says which form it has, which words there are. */
function unionWords({errors: branches, discriminator, options, input}: UnionIssue): string {
  if (discriminator !== undefined) {
    const given = isSet(input) ? input[discriminator] : input
    return given === undefined ? MISSING : wrongChoice((options ?? []).map(String), given)
  }
  const inside = insideOf(branches)?.[0]
  if (inside !== undefined) return `${inside.path.join('.')}: ${inside.message}`
  const kinds = branches.map(([first]) => (first?.code === 'invalid_type' ? KINDS[first.expected] : undefined))
  if (branches.length > 0 && kinds.every((kind) => kind !== undefined)) return `must be ${oneOf([...new Set(kinds)])}, not ${kindOf(input)}`
  const said = branches.flatMap(([first]) => (first === undefined ? [] : [first.message]))
  return said.length === 0 ? 'has none of the forms that it may have' : [...new Set(said)].slice(0, TOLD_MAX).join(', or ')
}

function isSet(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null
}

/** The key that was probably meant, or all there are. */
function unknownKey({keys: [key = ''], inst}: Raw<'unrecognized_keys'>): string {
  const shape = inst !== undefined && 'shape' in inst._zod.def ? inst._zod.def.shape : {}
  const known = isSet(shape) ? Object.keys(shape) : []
  const said = `"${echo(key)}" is not known here`
  const nearest = nearestOf(key, known)
  if (nearest !== undefined) return `${said}; did you mean "${nearest}"?`
  return known.length === 0 || known.length > KNOWN_KEYS_MAX ? said : `${said}; known are ${known.join(', ')}`
}

function echo(word: unknown): string {
  return String(word).slice(0, ECHO_MAX)
}

function beyond(
  end: 'least' | 'most',
  origin: string,
  bound: number | bigint,
  {inclusive, exact}: {readonly inclusive?: boolean | undefined; readonly exact?: boolean | undefined}
): string {
  const count = `${exact ? 'exactly' : `at ${end}`} ${bound}`
  if (origin === 'string') return end === 'least' && bound === 1 ? 'must not be empty' : `must have ${count} letters`
  if (['array', 'set', 'map', 'object', 'record'].includes(origin)) return `must have ${count} ${bound === 1 ? 'entry' : 'entries'}`
  if (inclusive === false) return `must be ${end === 'least' ? 'above' : 'below'} ${bound}`
  return `must be at ${end} ${bound}`
}
