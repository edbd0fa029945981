import {type DestinationStream, destination, type Logger, pino} from 'pino'
import {CreoError} from '../core/errors.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LEVELS)[number]
export type Log = Logger

/**
 * JSON lines about what a role does, to stderr or to `stream`. `CREO_LOG_LEVEL` decides how much.
 * @throws {CreoError} `usage` for a level that does not exist.
 */
export function createLog(options: {
  readonly role: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly levelDefault?: LogLevel
  readonly stream?: DestinationStream
}): Log {
  const level = options.env.CREO_LOG_LEVEL ?? options.levelDefault ?? 'info'
  if (!(LEVELS as readonly string[]).includes(level)) {
    throw new CreoError('usage', `CREO_LOG_LEVEL is "${level}".`, {hint: `Use one of: ${LEVELS.join(', ')}.`})
  }
  const settings = {level, base: {role: options.role, pid: process.pid}, timestamp: rfc3339}
  return pino(settings, options.stream ?? destination({dest: 2, sync: true}))
}

/** Log lines to stderr, and to another stream as well. */
export function teeLog(other: DestinationStream): DestinationStream {
  const stderr = destination({dest: 2, sync: true})
  return {
    write: (line) => {
      stderr.write(line)
      other.write(line)
    }
  }
}

/** A stream that appends to a log file of the owner's alone; each line is on disk when the call that wrote it returns. */
export function logFile(path: string): DestinationStream {
  return destination({dest: path, append: true, sync: true, mkdir: true, mode: 0o600})
}

function rfc3339(): string {
  return `,"time":"${new Date().toISOString()}"`
}
