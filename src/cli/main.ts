import {fileURLToPath} from 'node:url'
import {Errors, run, settings} from '@oclif/core'
import {CreoError} from '../core/errors.ts'
import {errorBlock, errorJson, exitCodeOf, toCreoError} from './error-words.ts'
import {plainJson} from './plain-line.ts'

const COMMAND_NOT_FOUND_EXIT = 127
/** Words of an unknown command that are repeated in the message. */
const COMMAND_WORDS_MAX = 3

/**
 * Runs one command line to its end and ends the process with its exit code. The one place where an error of any command, of a
 * plugin or of the command line itself is said: a block on stderr, or `{"error"}` on stdout under `--json`.
 */
export async function runCli(root: URL, args: readonly string[]): Promise<never> {
  settings.enableAutoTranspile = false
  let exitCode: number
  try {
    await run([...args], fileURLToPath(root))
    exitCode = Number(process.exitCode ?? 0)
  } catch (error) {
    exitCode = sayError(error, args)
  }
  await Promise.all([drained(process.stdout), drained(process.stderr)])
  process.exit(exitCode)
}

function sayError(error: unknown, args: readonly string[]): number {
  if (error instanceof Errors.ExitError) return error.oclif.exit ?? 0
  const creoError = isCommandNotFound(error) ? commandNotFound(args) : toCreoError(error, {commandLine: 'creo', interrupted: false})
  if (wantsJson(args)) process.stdout.write(`${plainJson(JSON.stringify(errorJson(creoError), null, 2))}\n`)
  else {
    const width = process.stderr.isTTY ? {width: process.stderr.columns} : {}
    process.stderr.write(errorBlock(creoError, {...width, debug: process.env.CREO_LOG_LEVEL === 'debug'}))
  }
  return exitCodeOf(creoError)
}

/** plugin-not-found has warned on stderr with the nearest command; its error alone doesn't say what was not found. */
function isCommandNotFound(error: unknown): boolean {
  return error instanceof Errors.CLIError && error.oclif.exit === COMMAND_NOT_FOUND_EXIT
}

function commandNotFound(args: readonly string[]): CreoError {
  const words = args.filter((arg) => !arg.startsWith('-')).slice(0, COMMAND_WORDS_MAX)
  return new CreoError('usage', `creo has no command "${words.join(' ')}".`, {hint: 'creo help'})
}

function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? undefined : end).includes('--json')
}

/** Resolves when everything written so far has left the process. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
