import {createHash, randomUUID} from 'node:crypto'
import {link, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {isRunning, ownIdentity, type ProcessIdentity} from './process-identity.ts'

const LOCK_NAME = 'creo.lock'
/** Rounds of taking over a lock that others take over at the same time. */
const TRIES_MAX = 20

/**
 * Makes this process the only user of a directory and answers how to release it. The lock of a process that was killed is
 * taken over; the one of a living process is respected.
 * @throws {CreoError} `conflict`, naming the process that uses the directory.
 */
export async function lockDirectory(path: string): Promise<() => Promise<void>> {
  const lockPath = join(path, LOCK_NAME)
  const own = `${lockPath}.${randomUUID()}`
  const content = JSON.stringify({...ownIdentity(), id: randomUUID()})
  await writeFile(own, content, {flag: 'wx', mode: 0o600})
  try {
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      if (await takeFree(own, lockPath)) return () => release(lockPath, content)
      const held = await readText(lockPath)
      if (held === undefined) continue
      refuseIfAlive(held, path)
      if (await takeOver({own, lockPath, held, path})) return () => release(lockPath, content)
    }
    throw new CreoError('conflict', `Several processes try to use ${path} at once.`, {hint: 'Run one of them, then the others elsewhere.'})
  } finally {
    await rm(own, {force: true})
  }
}

/** The living process that uses a directory, or undefined. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const holder = parseIdentity((await readText(join(path, LOCK_NAME))) ?? '')
  return holder !== undefined && isRunning(holder) ? holder : undefined
}

/** link(2) either makes the whole lock or fails because there is one: no reader ever sees half of it. */
async function takeFree(own: string, target: string): Promise<boolean> {
  try {
    await link(own, target)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/**
 * Replaces a dead process's lock. A guard named after the dead lock's content lets one process at a time do that, and the lock is
 * read again under the guard: a process that came late finds it changed and leaves it alone.
 */
async function takeOver(lock: {
  readonly own: string
  readonly lockPath: string
  readonly held: string
  readonly path: string
}): Promise<boolean> {
  const guard = `${lock.lockPath}.${createHash('sha256').update(lock.held).digest('hex').slice(0, 16)}`
  if (!(await takeFree(lock.own, guard))) {
    const taker = await readText(guard)
    if (taker === undefined) return false
    refuseIfAlive(taker, lock.path)
    await rm(guard, {force: true})
    return false
  }
  try {
    if ((await readText(lock.lockPath)) !== lock.held) return false
    await rename(guard, lock.lockPath)
    return true
  } finally {
    await rm(guard, {force: true})
  }
}

async function release(lockPath: string, content: string): Promise<void> {
  if ((await readText(lockPath)) === content) await rm(lockPath, {force: true})
}

function refuseIfAlive(text: string, path: string): void {
  const holder = parseIdentity(text)
  if (holder === undefined || !isRunning(holder)) return
  throw new CreoError('conflict', `Process ${holder.pid} uses ${path} already.`, {
    hint: `End process ${holder.pid}, or choose another folder.`
  })
}

function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const {pid, startTicks, boot} = JSON.parse(text) as Partial<ProcessIdentity>
    return Number.isSafeInteger(pid) && typeof startTicks === 'string' && typeof boot === 'string'
      ? {pid: Number(pid), startTicks, boot}
      : undefined
  } catch {
    return undefined
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
