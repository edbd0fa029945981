import {readFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {join} from 'node:path'
import type Conf from 'conf'
import {CreoError} from '../core/errors.ts'
import {makeFolders} from './make-folder.ts'
import {configDirectory} from './paths.ts'
import {type NetworkContext, parseSettings, pickContext, type UserSettings} from './user-settings.ts'

/** The settings file of this user. Every write replaces the file as a whole. */
export interface UserConfig {
  readonly path: string
  read(): UserSettings
  /** The named context, or the current one. @throws {CreoError} `not_found` when there is none. */
  context(name?: string): NetworkContext & {readonly name: string}
  /** Stores a context and makes it the current one. */
  saveContext(name: string, context: NetworkContext): void
  setDefaultAccount(name: string): void
  /** Replaces all of them. @throws {CreoError} `invalid_input` for what are no settings. */
  change(to: (settings: UserSettings) => UserSettings): void
}

/**
 * Opens the settings, making them at the first write.
 * @throws {CreoError} `invalid_input` when the file was edited into something else; `data_dir_unwritable` when its folder can't be made.
 */
export function openUserConfig(env: Readonly<Record<string, string | undefined>>): UserConfig {
  const directory = configDirectory(env)
  makeFolders(directory, 'CREO_CONFIG_DIR')
  const path = join(directory, 'config.json')
  const read = (): UserSettings => parseSettings(readJson(path), path)
  const write = (settings: UserSettings): void => {
    const store = openStore(directory)
    store.store = parseSettings(settings, path)
  }
  return {
    path,
    read,
    context: (name) => pickContext(read(), name),
    saveContext: (name, context) => {
      const settings = read()
      write({...settings, contexts: {...settings.contexts, [name]: context}, currentContext: name})
    },
    setDefaultAccount: (name) => write({...read(), defaultAccount: name}),
    change: (to) => write(to(read()))
  }
}

const require = createRequire(import.meta.url)

/**
 * Loads the library without the listeners that it brings: they are for files half written at the end of a process, which its whole writes never leave,
 * and each sends the signal that it heard once more, so that a process that drains would hear a second one and end.
 */
function loadConf(): typeof Conf {
  const before = new Map(process.eventNames().map((event) => [event, process.listeners(event as NodeJS.Signals)]))
  const {default: Store} = require('conf') as {readonly default: typeof Conf}
  for (const event of process.eventNames()) {
    const brought = process.listeners(event as NodeJS.Signals).filter((listener) => !before.get(event)?.includes(listener))
    for (const listener of brought) process.off(event, listener)
  }
  return Store
}

function openStore(directory: string): Conf<Record<string, unknown>> {
  const Store = loadConf()
  return new Store({cwd: directory, configName: 'config', configFileMode: 0o600, accessPropertiesByDotNotation: false})
}

/** Without the library, which takes longer to load than all else that a command needs. Nothing is there before the first write. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    // A fault that the system has (no right) is passed on.
    if (!(error instanceof SyntaxError)) throw error
    throw new CreoError('invalid_input', `The settings in ${path} can't be read: they are no JSON.`, {
      hint: 'Mend or delete that file.',
      cause: error
    })
  }
}
