import type {z} from 'zod'
import {nearestOf} from './nearest.ts'

export interface ManifestProblem {
  /** Where in the document, for example `['functions', 'api', 'memory']`. */
  readonly path: readonly (string | number)[]
  readonly message: string
  /** What is known and was probably meant. */
  readonly nearest?: string
}

type Issue = z.core.$ZodIssue

/** Unknown keys of one set that are told at once. */
const UNKNOWN_KEYS_MAX = 10
const MISSING = 'is missing'
/** Ends what is said of a word that is like a known one. */
const MEANT = /did you mean "([^"]+)"\?$/

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of keys',
  record: 'a set of keys',
  null: 'empty'
}

/**
 * What zod found, in words for whoever wrote the file: one problem a place, and nothing about a key that is missing only because it is misspelt.
 * Zod must have been asked to report the input.
 */
export function problemsOf(issues: readonly Issue[]): ManifestProblem[] {
  const problems = new Map<string, ManifestProblem>()
  for (const problem of issues.map(problemOf)) if (!problems.has(keyOf(problem.path))) problems.set(keyOf(problem.path), problem)
  const meant = [...problems.values()].flatMap(({path, nearest}) => (nearest === undefined ? [] : [keyOf([...path.slice(0, -1), nearest])]))
  return [...problems.values()].filter(({path, message}) => message !== MISSING || !meant.includes(keyOf(path)))
}

/** In the document as it is looked at again: this path's last key stands in the file as `typed`. */
interface Renamed {
  readonly path: readonly PropertyKey[]
  readonly typed: string
}

/**
 * An unknown key hides others of its set, and what the set as a whole has wrong. So the document is looked at again with the keys that were meant
 * and without the rest, until no unknown one is left.
 * @param look what is wrong with the document as it is then.
 */
export function withHiddenIssues(
  document: unknown,
  first: readonly Issue[],
  look: (mended: unknown) => readonly Issue[]
): readonly Issue[] {
  const issues = [...first]
  const mended: unknown = structuredClone(document)
  const renamed: Renamed[] = []
  let found = first
  for (let round = 0; round < UNKNOWN_KEYS_MAX && found.some(isUnknownKey); round += 1) {
    for (const issue of found.filter(isUnknownKey)) renamed.push(...mendKey(mended, issue))
    found = look(mended)
    issues.push(...found.map((issue) => ({...issue, path: asTyped(issue.path, renamed)})))
  }
  return issues
}

function isUnknownKey(issue: Issue): issue is Extract<Issue, {code: 'unrecognized_keys'}> {
  return issue.code === 'unrecognized_keys'
}

function mendKey(document: unknown, {path, keys: [typed = ''], message}: Extract<Issue, {code: 'unrecognized_keys'}>): Renamed[] {
  const set = path.reduce((value: unknown, part) => (isSet(value) ? value[part] : undefined), document)
  if (!isSet(set) || !Object.hasOwn(set, typed)) return []
  const value = set[typed]
  delete set[typed]
  const meant = MEANT.exec(message)?.[1]
  if (meant === undefined || Object.hasOwn(set, meant)) return []
  set[meant] = value
  return [{path: [...path, meant], typed}]
}

function isSet(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null
}

function asTyped(path: readonly PropertyKey[], renamed: readonly Renamed[]): PropertyKey[] {
  const typed = [...path]
  for (const one of renamed) if (one.path.every((part, depth) => part === path[depth])) typed[one.path.length - 1] = one.typed
  return typed
}

function keyOf(path: ManifestProblem['path']): string {
  return JSON.stringify(path)
}

/** An unknown key is where it stands, not in the object around it. */
function problemOf(issue: Issue): ManifestProblem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  const message = wordsFor(issue)
  const nearest = MEANT.exec(message)?.[1]
  return {
    path: issue.code === 'unrecognized_keys' ? [...path, issue.keys[0] ?? ''] : path,
    message,
    ...(nearest !== undefined && {nearest})
  }
}

function wordsFor(issue: Issue): string {
  if (issue.input === undefined && issue.code !== 'custom') return MISSING
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue)
    case 'invalid_value':
      return wrongChoice(issue.values.map(String), issue.input)
    case 'invalid_key':
      return `"${String(issue.path.at(-1))}" ${issue.issues[0]?.message ?? 'is no name'}`
    case 'too_small':
      return issue.message.startsWith('Too small') ? beyond('least', issue.origin, issue.minimum) : issue.message
    case 'too_big':
      return issue.message.startsWith('Too big') ? beyond('most', issue.origin, issue.maximum) : issue.message
    default:
      return issue.message
  }
}

function wrongType({expected, input, message}: Extract<Issue, {code: 'invalid_type'}>): string {
  if (!message.startsWith('Invalid input')) return message
  return `must be ${KINDS[expected] ?? expected}, not ${kindOf(input)}`
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  return (Array.isArray(value) ? KINDS.array : KINDS[typeof value]) ?? typeof value
}

function wrongChoice(values: readonly string[], input: unknown): string {
  const choice = values.length === 1 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
  const nearest = nearestOf(String(input), values)
  return nearest === undefined ? `must be ${choice}` : `must be ${choice}; did you mean "${nearest}"?`
}

function beyond(end: 'least' | 'most', origin: string, bound: number | bigint): string {
  if (origin === 'string') return end === 'least' && bound === 1 ? 'must not be empty' : `must have at ${end} ${bound} letters`
  if (origin === 'array') return `must have at ${end} ${bound} ${bound === 1 ? 'entry' : 'entries'}`
  return `must be at ${end} ${bound}`
}
