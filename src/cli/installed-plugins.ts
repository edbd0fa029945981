import {readFileSync} from 'node:fs'
import {join} from 'node:path'

/** Longer lists of what is installed are not read. */
const INSTALLED_BYTES_MAX = 1_048_576

/** A plugin as the framework's own plugin remembers it. */
export interface Installed {
  readonly name: string
  /** The folder of one that is linked. */
  readonly root?: string
  /** Where one came from that is not of the registry: of a folder or an archive, `file:` and the archive's path. */
  readonly url?: string
  /** What was asked of the registry: a version, a range, or `latest`. */
  readonly tag?: string
}

export interface ListedPlugin {
  readonly name: string
  /** Null where it can't be loaded. */
  readonly version: string | null
  /** `copy` is that of a folder, an archive or a repository; `creo` came with it. */
  readonly source: 'registry' | 'copy' | 'link' | 'creo'
  readonly folder: string
}

/** None where that can't be read. */
export function installedPlugins(dataFolder: string): readonly Installed[] {
  try {
    const text = readFileSync(join(dataFolder, 'package.json'), 'utf8').slice(0, INSTALLED_BYTES_MAX)
    const {plugins = []} = (JSON.parse(text) as {oclif?: {plugins?: readonly (string | Installed)[]}}).oclif ?? {}
    return plugins.map((plugin) => (typeof plugin === 'string' ? {name: plugin} : plugin))
  } catch {
    return []
  }
}

/** What the user installed, by name. */
export function listInstalled(dataFolder: string): readonly ListedPlugin[] {
  const installed = installedPlugins(dataFolder).map(({name, root, url}): ListedPlugin => {
    const folder = root ?? join(dataFolder, 'node_modules', name)
    const source = root !== undefined ? 'link' : url === undefined ? 'registry' : 'copy'
    return {name, version: versionIn(folder), source, folder}
  })
  return installed.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Read anew each time: an update changes it. */
function versionIn(folder: string): string | null {
  try {
    const {version} = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {version?: unknown}
    return typeof version === 'string' ? version : null
  } catch {
    return null
  }
}
