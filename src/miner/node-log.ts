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

/** The newest lines, oldest of them first. Empty where no node ever ran. */
export async function newestLines(dataDirectory: string, count: number): Promise<readonly NodeLogLine[]> {
  const path = nodeLogPath(dataDirectory)
  const texts = await Promise.all([olderLogFile(path), path].map((file) => readFile(file, 'utf8').catch(() => '')))
  return parsed(texts.join('')).slice(-count)
}

/** Lines as they are written, until the signal fires. */
export async function* followLog(dataDirectory: string, signal: AbortSignal): AsyncGenerator<NodeLogLine> {
  const path = nodeLogPath(dataDirectory)
  let {ino, size: offset} = await stat(path).catch(() => ({ino: 0, size: 0}))
  let rest = ''
  while (!signal.aborted) {
    await pause(LOOK_EVERY_MS, signal)
    const now = await stat(path).catch(() => undefined)
    if (now === undefined || (now.ino === ino && now.size <= offset)) continue
    if (now.ino !== ino) offset = 0
    ino = now.ino
    const bytes = await readFrom(path, offset)
    offset += bytes.length
    const text = rest + bytes.toString('utf8')
    rest = text.slice(text.lastIndexOf('\n') + 1)
    yield* parsed(text.slice(0, text.length - rest.length))
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
