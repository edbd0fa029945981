import {homedir} from 'node:os'
import {join, resolve} from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** The folder of package.json, as seen from this module in `src`, in `dist` and in the bundle, where it keeps its place. */
const PROGRAM = new URL('../../', import.meta.url)

/** A file or folder that belongs to the program, by its path in the checkout; the program's own folder without one. */
export function programFile(path = ''): URL {
  return new URL(path, PROGRAM)
}

/** Where the settings of this user live: `$CREO_CONFIG_DIR`, else `$XDG_CONFIG_HOME/creo`, else `~/.config/creo`. */
export function configDirectory(env: Environment): string {
  return folder(env, 'CREO_CONFIG_DIR', env.XDG_CONFIG_HOME, '.config')
}

/** Where roles keep what must outlive a process: `$CREO_DATA_DIR`, else `$XDG_DATA_HOME/creo`, else `~/.local/share/creo`. */
export function dataDirectory(env: Environment): string {
  return folder(env, 'CREO_DATA_DIR', env.XDG_DATA_HOME, join('.local', 'share'))
}

/** What can be made again at any time: `$XDG_CACHE_HOME/creo`, else `~/.cache/creo`. bin/run.js and the packaged program's entry know it too. */
export function cacheDirectory(env: Environment): string {
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(env.HOME ?? homedir(), '.cache'), 'creo')
}

function folder(env: Environment, name: string, xdg: string | undefined, underHome: string): string {
  const own = env[name]
  if (own !== undefined && own !== '') return resolve(own)
  return join(xdg !== undefined && xdg !== '' ? resolve(xdg) : join(env.HOME ?? homedir(), underHome), 'creo')
}
