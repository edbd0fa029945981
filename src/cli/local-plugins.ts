import {resolve} from 'node:path'

/** What npm packs a plugin into. */
const ARCHIVE = /\.(tgz|tar\.gz)$/

/**
 * `creo plugins install ./folder` and `creo plugins install plugin.tgz` mean what lies there. The framework's plugin takes every name with a slash for a
 * repository on GitHub, and a file's for that of a package.
 */
export function withLocalPlugins(args: readonly string[], directory: string): readonly string[] {
  const [topic, command, ...rest] = args
  if (topic !== 'plugins' || (command !== 'install' && command !== 'add')) return args
  return [topic, command, ...rest.map((arg) => (isLocal(arg) ? `file:${resolve(directory, arg)}` : arg))]
}

/**
 * What npm needs to have a folder's copy, with what it depends on, whenever it touches what is installed: it would else put a link in its place, without
 * that, also at an update and when another plugin comes or goes. Nothing for other command lines; what the user has set stays.
 */
export function localPluginSettings(args: readonly string[]): Readonly<Record<string, string>> {
  const [topic = '', command] = args
  return topic.split(':')[0] === 'plugins' && command !== 'link' ? {npm_config_install_links: 'true'} : {}
}

function isLocal(arg: string): boolean {
  return /^(\.{1,2}$|\.{0,2}\/)/.test(arg) || (ARCHIVE.test(arg) && !/^[a-z+]+:/.test(arg) && !arg.startsWith('-'))
}
