import {readFile, stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {type Document, isNode, LineCounter, parseDocument} from 'yaml'
import {CreoError, type ErrorCode} from '../core/errors.ts'
import {type Manifest, parseManifest} from '../core/manifest.ts'

export const MANIFEST_NAME = 'creo.yaml'
const MANIFEST_BYTES_MAX = 256 * 1024
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
 * @throws {CreoError} `not_found` when there is none; `invalid_manifest` with file:line:column for the first thing that is wrong.
 */
export async function readManifest(folder: string): Promise<FoundManifest> {
  const path = join(resolve(folder), MANIFEST_NAME)
  const text = await readText(path)
  const counter = new LineCounter()
  const document = parseDocument(text, {lineCounter: counter, prettyErrors: false})
  const [error] = document.errors
  if (error) throw invalid(placeText(path, counter.linePos(error.pos[0])), `is not YAML: ${error.message}`)
  const parsed = parseManifest(plain(document, path))
  const at = (where: readonly (string | number)[]): string => placeText(path, counter.linePos(offsetOf(document, where)))
  if (parsed.ok) {
    const problem: FoundManifest['problem'] = (where, code, what, hint) => new CreoError(code, `${at(where)}: ${what}`, {hint})
    return {manifest: parsed.manifest, path, folder: resolve(folder), problem}
  }
  const [first] = parsed.problems
  const where = first.path.map(String).join('.')
  const more = parsed.problems.length === 1 ? '' : ` (and ${parsed.problems.length - 1} more)`
  throw invalid(at(first.path), `${where === '' ? '' : `${where}: `}${first.message}${more}`)
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

function placeText(path: string, {line, col}: {readonly line: number; readonly col: number}): string {
  return `${path}:${line}:${col}`
}

function invalid(at: string, what: string): CreoError {
  return new CreoError('invalid_manifest', `${at}: ${what}`, {hint: 'Mend that line and run the same command again.'})
}
