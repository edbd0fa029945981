import {mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import {setTimeout as wait} from 'node:timers/promises'
import {say} from './say.mjs'

const LOCK_WAIT_MAX_MS = 15 * 60_000
const LOCK_POLL_MS = 250

/**
 * Does `work` while this process alone holds the lock file; a second set-up of the same folder waits for the first.
 * The lock of a process that no longer lives is taken over.
 */
export async function withSetUpLock(lockPath, work) {
  await takeLock(lockPath)
  const release = () => rmSync(lockPath, {force: true})
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

async function takeLock(lockPath) {
  mkdirSync(dirname(lockPath), {recursive: true})
  const giveUpAtMs = Date.now() + LOCK_WAIT_MAX_MS
  let said = false
  while (!tryLock(lockPath)) {
    const holder = readHolder(lockPath)
    if (holder !== undefined && !isAlive(holder)) dropStaleLock(lockPath, holder)
    else if (Date.now() > giveUpAtMs)
      throw new Error(`Another set-up (process ${holder}) has held ${lockPath} for too long. End it and try again.`)
    else {
      if (!said) say(`Another set-up is at work here (process ${holder ?? 'starting'}); waiting for it.`)
      said = true
      await wait(LOCK_POLL_MS)
    }
  }
}

function tryLock(lockPath) {
  try {
    writeFileSync(lockPath, String(process.pid), {flag: 'wx'})
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function readHolder(lockPath) {
  try {
    return Number(readFileSync(lockPath, 'utf8')) || undefined
  } catch {
    return undefined
  }
}

/** Moves the dead holder's lock aside; when another process was quicker, what was moved is its lock and goes back. */
function dropStaleLock(lockPath, holder) {
  const aside = `${lockPath}.${process.pid}`
  try {
    renameSync(lockPath, aside)
  } catch {
    return
  }
  if (readHolder(aside) === holder) rmSync(aside, {force: true})
  else renameSync(aside, lockPath)
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
