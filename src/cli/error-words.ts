import {CreoError, ERROR_CODES, type ErrorCode, isCreoError} from '../core/errors.ts'
import {plainLine} from './plain-line.ts'

const DISK_FULL = {
  code: 'data_dir_unwritable',
  says: 'The disk is full',
  hint: 'Free some disk space, then run the same command again.'
} as const

/** What the operating system and the database say, as creo's codes. Anything else that was not foreseen is `internal`. */
const SYSTEM_CODES: Readonly<Record<string, {readonly code: ErrorCode; readonly hint: string; readonly says?: string}>> = {
  EADDRINUSE: {code: 'port_taken', hint: 'End what listens there, or choose another port.'},
  EACCES: {code: 'data_dir_unwritable', hint: 'Give this user the right to write there, or choose another folder with CREO_DATA_DIR.'},
  ENOTDIR: {code: 'data_dir_unwritable', hint: 'Remove the file that stands where a folder should be, or choose another folder.'},
  EROFS: {code: 'data_dir_unwritable', hint: 'Choose a writable folder with CREO_DATA_DIR.'},
  ENOSPC: DISK_FULL,
  SQLITE_FULL: DISK_FULL,
  EDQUOT: {code: 'data_dir_unwritable', hint: 'Free some of what your quota counts, then run the same command again.'},
  ERR_MODULE_NOT_FOUND: {code: 'failed', hint: 'npm run build, or npm ci where a package is missing.'},
  ECONNREFUSED: {code: 'unavailable', hint: 'Check the address, and that the other side is running.'},
  ENOTFOUND: {code: 'unavailable', hint: 'Check the address.'},
  ECONNRESET: {code: 'unavailable', hint: 'Run the same command again.'}
}
const MESSAGE_MARGIN = ' ›   '
const CAUSES_MAX = 5
const PARSER_WORDS = /^Parsing --(\S+) \n\t/
const HELP_WORDS = /\nSee more help with --help$/

/** Where an error happened, for the words: the command line and whether its abort signal had fired. */
export interface ErrorContext {
  readonly commandLine: string
  readonly interrupted: boolean
}

/** Any thrown value as a CreoError: oclif's usage errors, what the system says, interruptions, and the unforeseen. */
export function toCreoError(error: unknown, context: ErrorContext): CreoError {
  if (isCreoError(error)) return withoutParserWords(error)
  if (context.interrupted && isAbort(error)) return new CreoError('interrupted', 'Interrupted.', {cause: error})
  if (isUsageError(error)) {
    return new CreoError('usage', usageMessage(error.message), {hint: `${context.commandLine} --help`, cause: error})
  }
  const system = SYSTEM_CODES[systemCode(error) ?? '']
  const message = error instanceof Error && error.message !== '' ? error.message : String(error)
  if (system) {
    const said = system.says === undefined ? message : `${system.says}: ${message}`
    return new CreoError(system.code, sentence(said), {hint: system.hint, cause: error})
  }
  const hint = 'This is a fault of creo. Run it again with CREO_LOG_LEVEL=debug and report what it prints.'
  return new CreoError('internal', sentence(message), {hint, cause: error})
}

export function exitCodeOf(error: CreoError): number {
  return ERROR_CODES[error.code].exit
}

/** The block that people see on stderr. `width` wraps it for a terminal. */
export function errorBlock(error: CreoError, options: {readonly width?: number; readonly debug: boolean}): string {
  const words = [`Error: ${error.message}`, `Code: ${error.code}`, ...(error.hint === undefined ? [] : [`Try this: ${error.hint}`])]
  if (options.debug) words.push(...causesOf(error))
  const width = (options.width ?? Number.POSITIVE_INFINITY) - MESSAGE_MARGIN.length
  const lines = words.flatMap((word) => word.split('\n')).flatMap((line) => wrap(plainLine(line), Math.max(20, width)))
  return `${lines.map((line) => MESSAGE_MARGIN + line).join('\n')}\n`
}

/** The object that `--json` prints on stdout. */
export function errorJson(error: CreoError): {readonly error: {code: ErrorCode; message: string; hint?: string}} {
  const hint = error.hint === undefined ? {} : {hint: error.hint}
  return {error: {code: error.code, message: error.message, ...hint}, ...error.beside}
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || ('isCanceled' in error && error.isCanceled === true))
}

/** oclif marks every error of its own by an `oclif` property, and whatever a flag's parser throws by its first words. */
function isUsageError(error: unknown): error is Error {
  return error instanceof Error && ('oclif' in error || PARSER_WORDS.test(error.message))
}

function usageMessage(message: string): string {
  return sentence(message.replace(PARSER_WORDS, '--$1: ').replace(HELP_WORDS, '').trim())
}

/** oclif's parser rewrites the message of an error that a flag's own `parse` threw; this gives the flag's name in our form. */
function withoutParserWords(error: CreoError): CreoError {
  if (!PARSER_WORDS.test(error.message)) return error
  const hint = error.hint === undefined ? {} : {hint: error.hint}
  return new CreoError(error.code, usageMessage(error.message), {...hint, cause: error})
}

function sentence(text: string): string {
  return /[.!?:)\]]$/.test(text) ? text : `${text}.`
}

/** The code of the error or of the nearest cause that has one: undici and execa wrap the system's error. */
function systemCode(error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && current.code in SYSTEM_CODES) return current.code
    current = current.cause
  }
  return undefined
}

function causesOf(error: Error): string[] {
  const stacks = [error.stack ?? '']
  let current = error.cause
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    stacks.push(`Caused by: ${current.stack ?? current.message}`)
    current = current.cause
  }
  return stacks
}

export function wrap(line: string, width: number): string[] {
  const lines: string[] = []
  let current = ''
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current)
      current = word
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current]
}
