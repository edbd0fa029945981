import {join} from 'node:path'
import {Config} from '@oclif/core'
import {installedPlugins} from './installed-plugins.ts'
import {plainLine} from './plain-line.ts'

/** The framework calls these around each command; a plugin that fails in one must not take the command with it. */
const AROUND_EACH_COMMAND: ReadonlySet<string> = new Set(['init', 'prerun', 'postrun', 'finally'])
/** For each of them, of all plugins together. */
const HOOK_TIMEOUT_MS = 5_000
/** Of the words of a plugin, which may be anything. */
const REASON_CHARS_MAX = 200

/**
 * Names each plugin that is broken, in one line on stderr, and goes on without what is broken of it: what the framework would say in a block of its own on
 * each command, and the hooks that would end the command or hold it for ever.
 */
export function tellBrokenPlugins(dataFolder: string, write = (text: string): unknown => process.stderr.write(text)): void {
  const told = new Set<string>()
  const tell = (plugin: string, reason: string): void => {
    if (told.has(plugin)) return
    told.add(plugin)
    const name = plainLine(plugin)
    write(`The plugin ${name} is broken (${plainLine(reason).slice(0, REASON_CHARS_MAX)}). Mend it, or: creo plugins uninstall ${name}\n`)
  }
  const others = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    const broken = brokenPlugin(warning, dataFolder)
    if (broken !== undefined) tell(broken.name, broken.reason)
    else for (const listener of others) listener(warning)
  })
  guardHooks(tell)
}

/** @param hookMs how long the hooks of one event may take, in ms. */
export function guardHooks(tell: (plugin: string, reason: string) => void, hookMs = HOOK_TIMEOUT_MS): void {
  const runHook = Config.prototype.runHook
  Config.prototype.runHook = async function guarded(this: Config, ...[event, opts, timeout, captures]: Parameters<typeof runHook>) {
    if (!AROUND_EACH_COMMAND.has(String(event))) return runHook.call(this, event, opts, timeout, captures)
    // The framework's own limit does not keep the process alive, which would end without a word.
    const alive = setTimeout(() => undefined, hookMs + 1_000)
    const said = await runHook.call(this, event, opts, timeout ?? hookMs, true).finally(() => clearTimeout(alive))
    for (const {error, plugin} of said.failures) {
      if (plugin.type === 'core') throw error
      tell(plugin.name, `its hook ${String(event)}: ${error instanceof Error ? error.message : String(error)}`)
    }
    return said
  } as typeof runHook
}

/** The framework's warnings carry lines of the form "plugin: name" and "message: reason"; one of a folder that is gone its path alone. */
function brokenPlugin(warning: Error, dataFolder: string): {readonly name: string; readonly reason: string} | undefined {
  const said = [warning.message, (warning as {detail?: string}).detail ?? '', warning.name].join('\n')
  if (!said.includes('module: @oclif/core')) return undefined
  const installed = installedPlugins(dataFolder)
  const ofName = /^plugin: (.+)$/m.exec(said)?.[1]
  const named = installed.find(({name}) => name === ofName)
  const found = named ?? installed.find(({name, root}) => said.includes(`${root ?? join(dataFolder, 'node_modules', name)}/`))
  const name = found?.name ?? (ofName === 'creo' ? undefined : ofName)
  if (name === undefined) return undefined
  const reason = /^message: (.+)$/m.exec(said)?.[1] ?? warning.message.split('\n')[0] ?? ''
  const part = /^task: (?:findCommand \((.+)\)|(\S+))$/m.exec(said)
  const where = part?.[1] === undefined ? '' : `its command ${part[1].replaceAll(':', ' ')}: `
  // The loader says of an addon for another processor that its file is not there.
  const addon = /^code: ERR_DLOPEN_FAILED$/m.test(said) ? `an addon does not load on ${process.platform}-${process.arch}: ` : ''
  return {name, reason: where + addon + reason.replace(/^\[[A-Z_]+\] /, '')}
}
