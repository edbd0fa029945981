import {readFile, stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {type Document, isNode, LineCounter, parseDocument, type YAMLParseError} from 'yaml'
import {CreoError, type ErrorCode} from '../core/errors.ts'
import type {Problem} from '../core/issue-words.ts'
import {type Manifest, parseManifest} from '../core/manifest.ts'

export const MANIFEST_NAME = 'creo.yaml'
const MANIFEST_BYTES_MAX = 256 * 1024
const PROBLEMS_SHOWN_MAX = 10
/** Of them in --json. */
const PROBLEMS_TOLD_MAX = 100
const PROBLEM_LETTERS_MAX = 600
/** Nested aliases beyond this are an attack, not a manifest. */
const ALIASES_MAX = 100

export interface FoundManifest {
  readonly manifest: Manifest
  readonly path: string
  /** Folder that `source:` is relative to. */
  readonly folder: string
  /** The error for something in it that is wrong after all: where, and what the user can do. */
  readonly problem: (at: readonly (string | number)[], code: ErrorCode, what: string, hint: string) => CreoError
}

/**
 * Reads `creo.yaml` in a folder.
 * @throws {CreoError} `not_found` when there is none; `invalid_manifest` with file:line:column for what is wrong, in the file's order.
 */
export async function readManifest(folder: string): Promise<FoundManifest> {
  const path = join(resolve(folder), MANIFEST_NAME)
  return {...manifestOf(await readText(path), path), folder: resolve(folder)}
}

/** The same from its text. */
export function manifestOf(text: string, path: string): Omit<FoundManifest, 'folder'> {
  const counter = new LineCounter()
  const document = parseDocument(text, {lineCounter: counter, prettyErrors: false, logLevel: 'error'})
  const at = (offset: number, message: string): ToldProblem => {
    const {line, col} = counter.linePos(offset)
    return {line, column: col, message}
  }
  const [error] = document.errors
  if (error) throw invalid(path, [at(error.pos[0], yamlWords(error))])
  const parsed = parseManifest(plain(document, path))
  if (!parsed.ok) {
    const told = located(document, parsed.problems).map(({offset, words, nearest}) => ({
      ...at(offset, words),
      ...(nearest !== undefined && {nearest})
    }))
    throw invalid(path, told)
  }
  const problem: FoundManifest['problem'] = (place, code, what, hint) =>
    new CreoError(code, problemLine(path, at(offsetOf(document, place), what)), {hint})
  return {manifest: parsed.manifest, path, problem}
}

/** One that is told, under --json as fields. */
interface ToldProblem {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly nearest?: string
}

interface LocatedProblem {
  readonly offset: number
  readonly words: string
  readonly nearest: string | undefined
}

function problemLine(path: string, {line, column, message}: ToldProblem): string {
  return `${path}:${line}:${column}: ${message}`
}

function located(document: Document, problems: readonly Problem[]): readonly LocatedProblem[] {
  const found = problems.map(({path, message, nearest}) => ({
    offset: offsetOf(document, path),
    nearest,
    words: path.length === 0 ? message : `${path.map(partText).join('.')}: ${message}`
  }))
  return found.sort((a, b) => a.offset - b.offset)
}

function partText(part: string | number): string {
  return /^[\w-]{1,64}$/.test(String(part)) ? String(part) : JSON.stringify(String(part).slice(0, 64))
}

function yamlWords({code, message}: YAMLParseError): string {
  return code === 'MULTIPLE_DOCS' ? 'holds more than one document: keep one' : `is not YAML: ${message}`
}

async function readText(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) throw new CreoError('not_found', `There is no ${path}.`, {hint: 'creo init, or name the folder of the app.'})
  if (found.size > MANIFEST_BYTES_MAX) throw new CreoError('invalid_manifest', `${path} is larger than ${MANIFEST_BYTES_MAX} bytes.`)
  return await readFile(path, 'utf8')
}

function plain(document: Document, path: string): unknown {
  try {
    return document.toJS({maxAliasCount: ALIASES_MAX})
  } catch (cause) {
    throw new CreoError('invalid_manifest', `${path} has too many aliases.`, {hint: 'Write the values out.', cause})
  }
}

/** Where the nearest part of the path that stands in the document begins; a key rather than its value. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent = document.getIn(path.slice(0, depth - 1), true)
    const offset = keyOffset(parent, path[depth - 1]) ?? startOf(document.getIn(path.slice(0, depth), true))
    if (offset !== undefined) return offset
  }
  return startOf(document.contents) ?? 0
}

function keyOffset(parent: unknown, key: string | number | undefined): number | undefined {
  if (typeof parent !== 'object' || parent === null || !('items' in parent) || !Array.isArray(parent.items)) return undefined
  const pair = parent.items.find((item) => typeof item === 'object' && item !== null && 'key' in item && String(item.key) === String(key))
  return pair === undefined ? undefined : startOf(pair.key)
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** What stands in the file may be anything, and is shown on a terminal. */
function oneLine(text: string): string {
  const plainText = text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
  return plainText.length > PROBLEM_LETTERS_MAX ? `${plainText.slice(0, PROBLEM_LETTERS_MAX)}…` : plainText
}

function invalid(path: string, problems: readonly ToldProblem[]): CreoError {
  const more = problems.length - PROBLEMS_SHOWN_MAX
  const shown = problems
    .slice(0, PROBLEMS_SHOWN_MAX)
    .map((problem) => oneLine(problemLine(path, problem)))
    .join('\n')
  const told = problems.slice(0, PROBLEMS_TOLD_MAX).map((problem) => ({...problem, message: oneLine(problem.message)}))
  const what = problems.length === 1 ? 'that line' : 'those lines'
  return new CreoError('invalid_manifest', more > 0 ? `${shown}\nand ${more} more` : shown, {
    hint: `Mend ${what} and run the same command again.`,
    beside: {problems: told}
  })
}
