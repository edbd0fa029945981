import {constants} from 'node:fs'
import {access, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError} from '../core/errors.ts'
import {readText} from './machine-files.ts'
import type {ControlGroup} from './sandbox.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'
const RETRY_MS = 1
/** The kernel freezes in a moment what does not sit in a system call that can't be interrupted. */
const RETRIES_MAX = 2000
const ATTEMPTS_PER_TRY = 20
const LET_GO_MS = 5

/** A control group's file by which its processes are taken off the CPU, and the one that says whether all are. */
interface Files {
  readonly switchPath: string
  readonly frozenWord: string
  readonly thawedWord: string
  readonly statePath: string
  readonly frozenState: RegExp
  /** What the switch says once it was told to freeze, done or not. */
  readonly freezingState: RegExp
}

/**
 * The control group of the process `pid` that can be frozen. Undefined when no folder on its path is called `name`, the container's own:
 * nobody else's processes are ever frozen.
 */
export async function findControlGroup({pid, name}: {readonly pid: number; readonly name: string}): Promise<ControlGroup | undefined> {
  const lines = (await readText(`/proc/${pid}/cgroup`)).split('\n').map((line) => line.split(':'))
  for (const [, controllers = '', ...rest] of lines) {
    const path = rest.join(':')
    const isOwn = path.split('/').some((folder) => folder === name || folder === `${name}.scope`)
    if (isOwn && controllers.split(',').includes('freezer')) return {version: 1, path}
    if (isOwn && controllers === '') return {version: 2, path}
  }
  return undefined
}

/** Takes all processes of one control group off the CPU, and puts them on again, by the kernel's own files: each in about a millisecond. */
export interface Freezer {
  /** Resolves when all are off. @throws when one stays in the kernel; then none is off. */
  freeze(signal: AbortSignal): Promise<void>
  thaw(): Promise<void>
}

/** Undefined when this process may not freeze the group, or there is none. */
export async function openFreezer(group: ControlGroup): Promise<Freezer | undefined> {
  const files = filesOf(group)
  const mayFreeze = await access(files.switchPath, constants.W_OK).then(
    () => true,
    () => false
  )
  return mayFreeze ? new FreezerFiles(files) : undefined
}

/** True from the moment that the group was told to freeze. False also when there is no such group. */
export async function isFrozen(group: ControlGroup): Promise<boolean> {
  const {switchPath, freezingState} = filesOf(group)
  return freezingState.test(await readText(switchPath))
}

class FreezerFiles implements Freezer {
  readonly #files: Files

  constructor(files: Files) {
    this.#files = files
  }

  /**
   * Told again until it is so: version 1 forgets a process that was just being made. There, a process that has just begun to be another
   * program waits for threads of its own that are frozen already: so now and then all are let go for a moment.
   */
  async freeze(signal: AbortSignal): Promise<void> {
    try {
      for (let attempt = 0; attempt < RETRIES_MAX; attempt++) {
        if (attempt % ATTEMPTS_PER_TRY === 0 && attempt > 0) {
          await this.thaw()
          await delay(LET_GO_MS, undefined, {signal})
        }
        await writeFile(this.#files.switchPath, this.#files.frozenWord)
        if (this.#files.frozenState.test(await readFile(this.#files.statePath, 'utf8'))) return
        await delay(RETRY_MS, undefined, {signal})
      }
      throw new CreoError('timeout', 'The kernel does not freeze a function: a process of it does not leave the kernel.')
    } catch (error) {
      await this.thaw()
      throw error
    }
  }

  async thaw(): Promise<void> {
    await writeFile(this.#files.switchPath, this.#files.thawedWord).catch((error: NodeJS.ErrnoException) => {
      // A group that is gone has nothing frozen in it.
      if (error.code !== 'ENOENT' && error.code !== 'ENODEV') throw error
    })
  }
}

function filesOf({version, path}: ControlGroup): Files {
  return version === 1 ? legacyFiles(path) : unifiedFiles(path)
}

function legacyFiles(path: string): Files {
  const state = join(CGROUP_ROOT, 'freezer', path, 'freezer.state')
  return {
    switchPath: state,
    frozenWord: 'FROZEN',
    thawedWord: 'THAWED',
    statePath: state,
    frozenState: /^FROZEN$/m,
    freezingState: /^FR(OZEN|EEZING)$/m
  }
}

function unifiedFiles(path: string): Files {
  const group = join(CGROUP_ROOT, path)
  return {
    switchPath: join(group, 'cgroup.freeze'),
    frozenWord: '1',
    thawedWord: '0',
    statePath: join(group, 'cgroup.events'),
    frozenState: /^frozen 1$/m,
    freezingState: /^1$/m
  }
}
