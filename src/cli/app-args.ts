import {CreoError} from '../core/errors.ts'

/** An app that stands first in a command line: the only word with a slash in its middle. */
const APP = /^[^/=]+\//

export interface AppArgs {
  /** Undefined: the app of creo.yaml in this folder. */
  readonly app: string | undefined
  readonly rest: readonly string[]
}

/**
 * ORG/APP may stand first or be left out, in every command that takes one and something else.
 * @param most words that may follow it.
 * @throws {CreoError} `invalid_input` for a word too many: then the first one was meant as an app.
 */
export function splitApp(words: readonly (string | undefined)[], most = Number.POSITIVE_INFINITY): AppArgs {
  const given = words.filter((word) => word !== undefined)
  const [first = ''] = given
  if (APP.test(first)) return {app: first, rest: given.slice(1)}
  if (given.length <= most) return {app: undefined, rest: given}
  throw new CreoError('invalid_input', `"${first}" is not an app.`, {hint: 'Write ORG/APP, for example colibris/shop.'})
}

/** @param what the word is, as the help calls it. @throws {CreoError} `usage` when it is not there. */
export function neededWord(word: string | undefined, what: string, command: string): string {
  if (word !== undefined) return word
  throw new CreoError('usage', `${what} is missing.`, {hint: `creo ${command} --help`})
}
