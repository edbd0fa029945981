import {homedir} from 'node:os'
import {join, resolve} from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** Where the settings of this user live: `$CREO_CONFIG_DIR`, else `$XDG_CONFIG_HOME/creo`, else `~/.config/creo`. */
export function configDirectory(env: Environment): string {
  return folder(env, 'CREO_CONFIG_DIR', env.XDG_CONFIG_HOME, '.config')
}

/** Where roles keep what must outlive a process: `$CREO_DATA_DIR`, else `$XDG_DATA_HOME/creo`, else `~/.local/share/creo`. */
export function dataDirectory(env: Environment): string {
  return folder(env, 'CREO_DATA_DIR', env.XDG_DATA_HOME, join('.local', 'share'))
}

function folder(env: Environment, name: string, xdg: string | undefined, underHome: string): string {
  const own = env[name]
  if (own !== undefined && own !== '') return resolve(own)
  return join(xdg !== undefined && xdg !== '' ? resolve(xdg) : join(env.HOME ?? homedir(), underHome), 'creo')
}
