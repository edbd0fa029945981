import {createHash} from 'node:crypto'
import {chmod, copyFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError} from '../core/errors.ts'
import {exists, readText} from './machine-files.ts'
import type {RuntimeTools} from './port.ts'
import type {RunDirectoryOptions} from './sandbox.ts'

const PREFIX = 'creo-'
const KEY_CHARACTERS = 8
const NAME = new RegExp(`^${PREFIX}[0-9a-f]{${KEY_CHARACTERS}}$`)
/** Holds the path of the state directory that a directory for sockets belongs to. */
const OWNER_FILE = 'owner'
/** One without an owner is of an older version of creo, or being made right now: it is left alone for this long. */
const OWNERLESS_MAX_MS = 3_600_000
/** A directory is removed once nobody uses it, or after 10 s. */
const LOOKS_MAX = 200
const LOOK_MS = 50

/**
 * A private directory for sockets and mounts, whose name follows from the state directory, so that a later process finds it again.
 * Only one that is ours is taken: /tmp is everybody's. Those of state directories that are gone are removed first.
 */
export async function makeRunDirectory(execa: RuntimeTools['execa'], {stateDirectory, bases, mode}: RunDirectoryOptions): Promise<string> {
  const places = bases.filter((base) => base !== undefined)
  for (const base of places) await collectIn(execa, base)
  let cause: unknown
  for (const base of places) {
    const directory = join(base, PREFIX + shortHash(stateDirectory))
    try {
      await mkdir(directory, {recursive: true, mode})
      if (!(await isOurs(directory))) continue
      const owner = join(directory, OWNER_FILE)
      if ((await readText(owner)) !== stateDirectory) await writeFile(owner, stateDirectory, {mode: 0o600})
      return directory
    } catch (error) {
      cause = error
    }
  }
  const hint = `Make one of ${places.join(', ')} writable.`
  throw new CreoError('data_dir_unwritable', 'There is no writable directory for sockets.', {hint, cause})
}

/** With all that is mounted in it. Nothing is removed when something can't be unmounted. */
export async function removeRunDirectory(execa: RuntimeTools['execa'], directory: string): Promise<void> {
  // What a container's monitor starts once it has ended would make the directory anew.
  for (let look = 0; look < LOOKS_MAX && (await isInUse(directory)); look++) await delay(LOOK_MS)
  for (const path of await mountsBelow(directory)) await execa('umount', ['--lazy', path], {stdin: 'ignore'})
  await rm(directory, {recursive: true, force: true})
}

/** A copy with a name of its own: an upgrade of creo doesn't change the program under running containers, and it is on a disk that allows programs. */
export async function copyProgram(source: string, directory: string): Promise<string> {
  const bytes = await readFile(source)
  const path = join(directory, `${basename(source)}-${shortHash(bytes)}`)
  const there = await lstat(path).catch(() => undefined)
  if (there?.size === bytes.length) return path
  const temporary = `${path}.${process.pid}`
  await copyFile(source, temporary)
  await chmod(temporary, 0o755)
  await rename(temporary, path)
  return path
}

/** What killed processes left whose state directory somebody has removed since: nobody can adopt anything from there any more. */
async function collectIn(execa: RuntimeTools['execa'], base: string): Promise<void> {
  const names = (await readdir(base).catch(() => [])).filter((name) => NAME.test(name))
  for (const directory of names.map((name) => join(base, name))) {
    // Another process that looks through them as well may have been quicker.
    if (!(await isLeft(directory).catch(() => false)) || (await isInUse(directory))) continue
    // What can't be unmounted is not to be emptied; and what belongs to ids of containers, only root removes.
    await removeRunDirectory(execa, directory).catch(() => undefined)
  }
}

async function isLeft(directory: string): Promise<boolean> {
  if (!(await isOurs(directory))) return false
  const owner = await readText(join(directory, OWNER_FILE))
  return owner === '' ? isForgotten(directory) : !(await exists(owner))
}

/** Whose it was can't be known: mounts in it may be somebody's. */
async function isForgotten(directory: string): Promise<boolean> {
  const {mtimeMs} = await lstat(directory)
  return Date.now() - mtimeMs > OWNERLESS_MAX_MS && (await mountsBelow(directory)).length === 0
}

async function isOurs(directory: string): Promise<boolean> {
  const status = await lstat(directory)
  return status.isDirectory() && status.uid === process.getuid?.()
}

/** A socket that somebody listens on, or a process that was told of it, as monitors of containers are. */
async function isInUse(directory: string): Promise<boolean> {
  if ((await readText('/proc/net/unix')).includes(`${directory}/`)) return true
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const commands = await Promise.all(pids.map((pid) => readText(`/proc/${pid}/cmdline`)))
  return commands.some((command) => command.includes(`${directory}/`))
}

/** The innermost first. */
async function mountsBelow(directory: string): Promise<string[]> {
  const mounts = (await readText('/proc/self/mounts')).split('\n').map((line) => line.split(' ')[1] ?? '')
  return mounts.filter((path) => path.startsWith(`${directory}/`)).reverse()
}

function shortHash(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, KEY_CHARACTERS)
}
