import {access, constants, readFile} from 'node:fs/promises'
import {join} from 'node:path'

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** The first executable of that name on `path` or where systems keep programs. */
export async function findProgram(name: string, path = ''): Promise<string | undefined> {
  for (const directory of new Set([...path.split(':').filter((entry) => entry.startsWith('/')), ...SYSTEM_DIRECTORIES])) {
    const candidate = join(directory, name)
    if (await exists(candidate, constants.X_OK)) return candidate
  }
  return undefined
}

export async function exists(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false
  )
}

/** A file that may be absent, as an empty string then. */
export async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
