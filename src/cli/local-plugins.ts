import {stat} from 'node:fs/promises'
import {resolve} from 'node:path'
import {CreoError} from '../core/errors.ts'

/** A package of npm's registry, with or without a version. */
const PACKAGE_NAME = /^(?:@[\w.~-]+\/)?[\w.~][\w.~-]*(?:@[^/:]+)?$/
/** What npm packs a plugin into. */
const ARCHIVE = /\.(tgz|tar\.gz)$/

interface Means {
  /** Makes an archive of a plugin's folder, and answers its path. */
  readonly pack: (folder: string) => Promise<string>
  /** Looks at an archive, or at the package of that name in the registry, before it is installed; throws when it is no plugin. */
  readonly check: (given: {readonly archive: string} | {readonly published: string}) => Promise<void>
}

/**
 * `creo plugins install ./folder` and `creo plugins install plugin.tgz` mean what lies there. The framework's plugin takes every name with a slash for a
 * repository on GitHub, a file's for that of a package, and of two folders the second for the first.
 * @throws {CreoError} `not_found` for what is not there; what `pack` and `check` throw.
 */
export async function withLocalPlugins(args: readonly string[], directory: string, means: Means): Promise<readonly string[]> {
  const [topic, command, ...rest] = args
  if (topic !== 'plugins' || (command !== 'install' && command !== 'add')) return args
  const meant: string[] = []
  for (const arg of rest) {
    if (isLocal(arg)) meant.push(`file:${await archiveOf(resolve(directory, arg), means)}`)
    else {
      if (PACKAGE_NAME.test(arg)) await means.check({published: arg})
      meant.push(arg)
    }
  }
  return [topic, command, ...meant]
}

async function archiveOf(path: string, {pack, check}: Means): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    throw new CreoError('not_found', `${path} is not there.`, {
      hint: "Name a plugin's folder, its .tgz, or the name of a package of npm's registry."
    })
  }
  const archive = found.isDirectory() ? await pack(path) : path
  await check({archive})
  return archive
}

function isLocal(arg: string): boolean {
  return /^(\.{1,2}$|\.{0,2}\/)/.test(arg) || (ARCHIVE.test(arg) && !/^[a-z+]+:/.test(arg) && !arg.startsWith('-'))
}
