import {stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import {CreoError} from '../core/errors.ts'

/** What npm packs a plugin into. */
const ARCHIVE = /\.(tgz|tar\.gz)$/

/** Makes an archive of a plugin's folder, and answers its path. */
type Pack = (folder: string) => Promise<string>

/**
 * `creo plugins install ./folder` and `creo plugins install plugin.tgz` mean what lies there. The framework's plugin takes every name with a slash for a
 * repository on GitHub, a file's for that of a package, and of two folders the second for the first.
 * @throws {CreoError} `not_found` for what is not there; what `pack` throws.
 */
export async function withLocalPlugins(args: readonly string[], directory: string, pack: Pack): Promise<readonly string[]> {
  const [topic, command, ...rest] = args
  if (topic !== 'plugins' || (command !== 'install' && command !== 'add')) return args
  const meant: string[] = []
  for (const arg of rest) meant.push(isLocal(arg) ? `file:${await archiveOf(resolve(directory, arg), pack)}` : arg)
  return [topic, command, ...meant]
}

async function archiveOf(path: string, pack: Pack): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    throw new CreoError('not_found', `${path} is not there.`, {
      hint: "Name a plugin's folder, its .tgz, or the name of a package of npm's registry."
    })
  }
  return found.isDirectory() ? await pack(path) : path
}

function isLocal(arg: string): boolean {
  return /^(\.{1,2}$|\.{0,2}\/)/.test(arg) || (ARCHIVE.test(arg) && !/^[a-z+]+:/.test(arg) && !arg.startsWith('-'))
}
