import type {z} from 'zod'
import {nearestOf} from './nearest.ts'

export interface ManifestProblem {
  /** Where in the document, for example `['functions', 'api', 'memory']`. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

type Issue = z.core.$ZodIssue

const MISSING = 'is missing'
/** Ends what is said of an unknown key that is like a known one. */
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
  const meant = [...problems.values()].flatMap(({path, message}) => {
    const key = MEANT.exec(message)?.[1]
    return key === undefined ? [] : [keyOf([...path.slice(0, -1), key])]
  })
  return [...problems.values()].filter(({path, message}) => message !== MISSING || !meant.includes(keyOf(path)))
}

function keyOf(path: ManifestProblem['path']): string {
  return JSON.stringify(path)
}

/** An unknown key is where it stands, not in the object around it. */
function problemOf(issue: Issue): ManifestProblem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  return {path: issue.code === 'unrecognized_keys' ? [...path, issue.keys[0] ?? ''] : path, message: wordsFor(issue)}
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
