import {open, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {olderLogFile} from '../telemetry/rotating-log-file.ts'
import {pause} from './backoff.ts'

/** What a node keeps of its log, twice: the file that is written and the one before. */
export const LOG_FILE_BYTES_MAX = 5 * 2 ** 20
const LOOK_EVERY_MS = 300
const READ_BYTES_MAX = 2 ** 20
const LEVELS: Readonly<Record<number, string>> = {10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal'}

export interface NodeLogLine {
  readonly at: string
  readonly level: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}

export function nodeLogPath(dataDirectory: string): string {
  return join(dataDirectory, 'miner.log')
}

/** How far a log was read: in which file (0 where there was none), and up to which byte. */
export interface LogPosition {
  readonly ino: number
  readonly offset: number
}

/** The newest lines, oldest of them first, and where they end. No lines where no node ever ran. */
export async function newestLines(
  dataDirectory: string,
  count: number
): Promise<{readonly lines: readonly NodeLogLine[]; readonly end: LogPosition}> {
  const path = nodeLogPath(dataDirectory)
  const older = await readFile(olderLogFile(path), 'utf8').catch(() => '')
  const {ino, bytes} = await readWhole(path)
  const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1)
  const lines = count === 0 ? [] : parsed(older + whole.toString('utf8')).slice(-count)
  return {lines, end: {ino, offset: whole.length}}
}

/** Lines behind a position as they are written, until the signal fires. */
export async function* followLog(dataDirectory: string, from: LogPosition, signal: AbortSignal): AsyncGenerator<NodeLogLine> {
  const path = nodeLogPath(dataDirectory)
  let {ino, offset} = from
  while (!signal.aborted) {
    const now = await stat(path).catch(() => undefined)
    const isNew = now !== undefined && now.ino !== ino
    const older = isNew ? await stat(olderLogFile(path)).catch(() => undefined) : undefined
    const file = older?.ino === ino ? olderLogFile(path) : path
    if (isNew && file === path) offset = 0
    if (isNew && file === path) ino = now.ino
    const bytes = now === undefined ? Buffer.alloc(0) : await readFrom(file, offset)
    const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1)
    offset += whole.length
    yield* parsed(whole.toString('utf8'))
    if (whole.length > 0) continue
    if (isNew && file !== path) ino = 0
    else await pause(LOOK_EVERY_MS, signal)
  }
}

async function readWhole(path: string): Promise<{readonly ino: number; readonly bytes: Buffer}> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return {ino: 0, bytes: Buffer.alloc(0)}
  try {
    return {ino: (await file.stat()).ino, bytes: await file.readFile()}
  } finally {
    await file.close()
  }
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const {buffer, bytesRead} = await file.read({buffer: Buffer.alloc(READ_BYTES_MAX), position: offset})
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

function parsed(text: string): readonly NodeLogLine[] {
  return text.split('\n').flatMap((line) => {
    try {
      const {time, level, msg, role: _role, pid: _pid, ...facts} = JSON.parse(line) as Record<string, unknown>
      return [{at: String(time), level: LEVELS[Number(level)] ?? String(level), message: String(msg ?? ''), facts}]
    } catch {
      return []
    }
  })
}
