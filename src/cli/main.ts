import {readFile} from 'node:fs/promises'
import {fileURLToPath} from 'node:url'
import {Config, Errors, type Interfaces, run, settings} from '@oclif/core'
import {dataDirectory} from '../config/paths.ts'
import {CreoError} from '../core/errors.ts'
import {nearestOf} from '../core/nearest.ts'
import {tellBrokenPlugins} from './broken-plugins.ts'
import {errorBlock, errorJson, exitCodeOf, toCreoError} from './error-words.ts'
import {withLocalPlugins} from './local-plugins.ts'
import {plainJson} from './plain-line.ts'

/** Asks on a terminal whether the nearest command was meant. */
const NOT_FOUND_PLUGIN = '@oclif/plugin-not-found'
/** With which it ends, and what the framework says without it. */
const COMMAND_NOT_FOUND_EXIT = 127
const COMMAND_NOT_FOUND_WORDS = /^command .+ not found\.?$/i
/** Words of an unknown command that are repeated in the message. */
const COMMAND_WORDS_MAX = 3
/** Of the `plugins` topic, what the framework has npm do. */
const PLUGIN_CHANGES: ReadonlySet<string> = new Set(['install', 'add', 'link', 'uninstall', 'remove', 'unlink', 'reset'])

/**
 * Runs one command line to its end and ends the process with its exit code. The one place where an error of any command, of a
 * plugin or of the command line itself is said: a block on stderr, or `{"error"}` on stdout under `--json`.
 */
export async function runCli(root: URL, given: readonly string[]): Promise<never> {
  settings.enableAutoTranspile = false
  // npm is a part of creo here, and comes with its releases.
  process.env.npm_config_update_notifier ??= 'false'
  tellBrokenPlugins(dataDirectory(process.env))
  let args = withListedSettings(given)
  let exitCode: number
  try {
    const dataFolder = dataDirectory(process.env)
    const perform = async (): Promise<void> => {
      args = await meantArgs(args, dataFolder)
      const canAsk = process.stdin.isTTY && !wantsJson(args)
      const program = canAsk ? {root: fileURLToPath(root)} : await withoutQuestions(root)
      const options = saysRuntimes(args) ? await (await import('./runtime-names.ts')).withRuntimeNames(program) : program
      await run(isPluginChange(args) ? args.filter((arg) => arg !== '--json') : [...args], options)
    }
    if (isPluginChange(args))
      await (await import('./plugin-changes.ts')).changeByFramework(dataFolder, {change: perform, json: wantsJson(args)})
    else await perform()
    exitCode = Number(process.exitCode ?? 0)
  } catch (error) {
    const said = args[0] === 'plugins' ? (await import('./plugin-check.ts')).pluginError(error, args) : undefined
    exitCode = sayError(said ?? (isCommandNotFound(error) ? await commandNotFound(root, args) : error), args)
  }
  await Promise.all([drained(process.stdout), drained(process.stderr)])
  process.exit(exitCode)
}

async function meantArgs(args: readonly string[], dataFolder: string): Promise<readonly string[]> {
  return await withLocalPlugins(args, process.cwd(), {
    pack: async (folder) => (await import('./pack-plugin.ts')).packPlugin(folder, {dataFolder}),
    check: async (given) => {
      const {assertPluginArchive, assertPublishedPlugin} = await import('./plugin-check.ts')
      await ('archive' in given ? assertPluginArchive(given.archive) : assertPublishedPlugin(given.published))
    }
  })
}

/** `creo config --show-origin`: flags of `creo config` alone are those of its list. */
function withListedSettings(args: readonly string[]): readonly string[] {
  const [topic, ...flags] = args
  const isList = topic === 'config' && flags.length > 0 && !flags.includes('--help') && flags[0]?.startsWith('--')
  return isList ? [topic, 'list', ...flags] : args
}

function isPluginChange([topic, command]: readonly string[]): boolean {
  return topic === 'plugins' && PLUGIN_CHANGES.has(command ?? '')
}

/** The help of `mine start`, and what completions are made of. */
function saysRuntimes(args: readonly string[]): boolean {
  const words = args.filter((arg) => !arg.startsWith('-')).join(' ')
  return args[0]?.startsWith('autocomplete') === true || words === 'help mine start' || (words === 'mine start' && args.includes('--help'))
}

function sayError(error: unknown, args: readonly string[]): number {
  if (error instanceof Errors.ExitError) return error.oclif.exit ?? 0
  const creoError = toCreoError(error, {commandLine: 'creo', interrupted: false})
  if (wantsJson(args)) process.stdout.write(`${plainJson(JSON.stringify(errorJson(creoError), null, 2))}\n`)
  else {
    const width = process.stderr.isTTY ? {width: process.stderr.columns} : {}
    process.stderr.write(errorBlock(creoError, {...width, debug: process.env.CREO_LOG_LEVEL === 'debug'}))
  }
  return exitCodeOf(creoError)
}

/** The same program where nobody can answer: without the plugin that asks, and warns besides the error. */
async function withoutQuestions(root: URL): Promise<Interfaces.Options> {
  const pjson = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as Interfaces.PJSON
  const plugins = pjson.oclif.plugins?.filter((name) => name !== NOT_FOUND_PLUGIN) ?? []
  return {root: fileURLToPath(root), pjson: {...pjson, oclif: {...pjson.oclif, plugins}}}
}

function isCommandNotFound(error: unknown): boolean {
  if (!(error instanceof Errors.CLIError)) return false
  return error.oclif.exit === COMMAND_NOT_FOUND_EXIT || COMMAND_NOT_FOUND_WORDS.test(error.message)
}

async function commandNotFound(root: URL, args: readonly string[]): Promise<CreoError> {
  const given = args.filter((arg) => !arg.startsWith('-'))
  const all = given[0] === 'help' ? given.slice(1) : given
  const words = all.slice(0, COMMAND_WORDS_MAX)
  const {commandIDs} = await Config.load(fileURLToPath(root))
  const known = commandIDs.map((id) => id.replaceAll(':', ' '))
  const prefixes = words.map((_, index) => words.slice(0, index + 1).join(' '))
  const exact = prefixes.findLast((prefix) => known.includes(prefix))
  if (exact !== undefined)
    return new CreoError('usage', `creo ${exact} takes no argument "${all[exact.split(' ').length] ?? ''}".`, {
      hint: `creo ${exact} --help`
    })
  const near = prefixes.map((prefix, index) =>
    nearestOf(
      prefix,
      known.filter((name) => name.split(' ').length === index + 1)
    )
  )
  const meant = near.findLast((name) => name !== undefined)
  return new CreoError('usage', `creo has no command "${words.join(' ')}".`, {
    hint: meant === undefined ? 'creo help' : `Did you mean creo ${meant}?`
  })
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
