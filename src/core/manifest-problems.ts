import type {z} from 'zod'
import {MEANT} from './issue-words.ts'

type Issue = z.core.$ZodIssue

/** Unknown keys of one set that are told at once. */
const UNKNOWN_KEYS_MAX = 10

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
