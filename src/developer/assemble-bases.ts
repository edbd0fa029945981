import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {programFile} from '../config/paths.ts'
import {CreoError} from '../core/errors.ts'
import type {BaseName} from '../images/bases.ts'

/** Only a checkout has it. */
const SCRIPT = fileURLToPath(programFile('packaging/bases/assemble.ts'))
/** Some hundred megabytes of packages, on a slow line. */
const ASSEMBLE_TIMEOUT_MS = 30 * 60_000
const WORDS_MAX = 500

export interface AssembleOptions {
  readonly name: BaseName
  /** Where bases are kept; those that are made lie there afterwards. */
  readonly basesDirectory: string
  /** Told what is done now. */
  readonly note: (text: string) => void
  /** What does it; another one in tests. */
  readonly script?: string
  readonly signal: AbortSignal
}

/**
 * Does what `npm run bases` does: makes every base for all architectures from pinned packages, each digest checked, once.
 * @throws {CreoError} `build_failed` outside of a checkout, or when the packages can't be had.
 */
export async function assembleBases({name, basesDirectory, note, script = SCRIPT, signal}: AssembleOptions): Promise<void> {
  if (!existsSync(script)) throw baseMissing(name)
  const child = execa(process.execPath, [script, '--output', basesDirectory], {
    cancelSignal: signal,
    timeout: ASSEMBLE_TIMEOUT_MS,
    stdin: 'ignore',
    stdout: 'ignore',
    reject: false
  })
  const told = (async (): Promise<void> => {
    for await (const line of child.iterable({from: 'stderr'})) note(`making creo/${name}, once: ${String(line)}`)
  })()
  // Without the stream the words of the end are still there.
  const [{failed, stderr}] = await Promise.all([child, told.catch(() => undefined)])
  signal.throwIfAborted()
  if (failed) throw baseMissing(name, stderr.trim().slice(-WORDS_MAX))
}

/** @param words of what went wrong when it was to be made. */
export function baseMissing(name: BaseName, words?: string): CreoError {
  const where = `The base creo/${name} is neither on this machine nor in the network's registry`
  return new CreoError('build_failed', words === undefined ? `${where}.` : `${where}, and can't be made: ${words}`, {
    hint: words === undefined ? 'Assemble it in a checkout of creo: npm run bases' : 'Where there is a network: npm run bases'
  })
}
