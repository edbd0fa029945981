import {closeSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {createNonceMemory, GENERATION_MS, type NonceMemory} from './nonces.ts'

const LINE_END = '\n'
const entrySchema = z.tuple([z.int().min(0), z.string(), z.string()])
type Entry = z.output<typeof entrySchema>

/** One of the two files, and when the first nonce in it came: undefined for an empty one. */
interface NonceFile {
  readonly descriptor: number
  sinceMs: number | undefined
}

export interface NonceStore extends NonceMemory {
  close(): void
}

/**
 * Nonces that a process which is started again knows still, however it ended: each is handed to the operating system before its request is taken, a line
 * in one of two files. When all in the older file are too old to be replayed, it is emptied and the next ones go there; so both have as many lines as
 * the memory has room for. What a power cut takes is what the system had not written yet, the last seconds.
 * @throws {CreoError} `data_dir_unwritable`
 */
export function openNonceStore(path: string, memory: NonceMemory = createNonceMemory()): NonceStore {
  const opened = [`${path}.0`, `${path}.1`].map(openNonceFile)
  const entries = opened.flatMap((one) => one.entries).sort(([a], [b]) => a - b)
  for (const [nowMs, keyId, nonce] of entries) memory.remember({keyId, nonce, nowMs})
  const files = opened.map((one) => one.file).sort((a, b) => (b.sinceMs ?? 0) - (a.sinceMs ?? 0))

  const fileFor = (nowMs: number): NonceFile | undefined => {
    const [newer, older] = files
    if (newer?.sinceMs === undefined || older === undefined || nowMs - newer.sinceMs <= GENERATION_MS) return newer
    ftruncateSync(older.descriptor)
    older.sinceMs = undefined
    files.reverse()
    return older
  }

  return {
    remember(entry) {
      const known = memory.remember(entry)
      const file = known === 'new' ? fileFor(entry.nowMs) : undefined
      if (file === undefined) return known
      append(file.descriptor, [entry.nowMs, entry.keyId, entry.nonce])
      file.sinceMs ??= entry.nowMs
      return known
    },
    close() {
      for (const {descriptor} of files.splice(0)) closeSync(descriptor)
    }
  }
}

function openNonceFile(path: string): {readonly file: NonceFile; readonly entries: readonly Entry[]} {
  try {
    const descriptor = openSync(path, 'a+', 0o600)
    const text = readFileSync(descriptor, 'utf8')
    const entries = text.split(LINE_END).flatMap(entryOf)
    return {file: {descriptor, sinceMs: entries[0]?.[0]}, entries}
  } catch (cause) {
    throw new CreoError(
      'data_dir_unwritable',
      `${path} cannot be read and written: ${cause instanceof Error ? cause.message : String(cause)}.`,
      {
        hint: 'Look at the disk and at whom the file belongs to.',
        cause
      }
    )
  }
}

/** What a line that a kill or a full disk cut is followed by must not become a part of it: each begins a new one. */
function append(descriptor: number, entry: Entry): void {
  try {
    const line = Buffer.from(`${LINE_END}${JSON.stringify(entry)}${LINE_END}`)
    const written = writeSync(descriptor, line)
    if (written < line.length) throw new Error(`Only ${written} of ${line.length} bytes were written.`)
  } catch (cause) {
    throw new CreoError('unavailable', 'The coordinator cannot note on its disk that the request came.', {
      hint: 'Look at the disk, then sign the request again.',
      cause
    })
  }
}

function entryOf(line: string): Entry[] {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  } catch {
    return []
  }
}
