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
 * What npm needs to install a folder with what it depends on: it would only link it otherwise, as `creo plugins link` does. Nothing for other command lines; what the user
 * has set stays.
 */
export function localPluginSettings(args: readonly string[]): Readonly<Record<string, string>> {
  const [topic, , ...rest] = args
  return topic === 'plugins' && rest.some((arg) => arg.startsWith('file:')) ? {npm_config_install_links: 'true'} : {}
}

function isLocal(arg: string): boolean {
  return /^(\.{1,2}$|\.{0,2}\/)/.test(arg) || (ARCHIVE.test(arg) && !/^[a-z+]+:/.test(arg) && !arg.startsWith('-'))
}
