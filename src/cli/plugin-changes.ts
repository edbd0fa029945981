import {readFileSync} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {lockDirectory} from '../config/directory-lock.ts'
import {CreoError} from '../core/errors.ts'
import {listInstalled} from './installed-plugins.ts'
import {ARCHIVES, removeUnusedArchives} from './pack-plugin.ts'
import {plainJson} from './plain-line.ts'
import {forgetPlugins, keepPlugins, putBackPlugins} from './plugin-backup.ts'

/** In the folder of the archives: the plugins as they were before what is under way. */
const KEPT = '.before'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Between two looks for a program that began after the interruption. */
const LOOK_MS = 50
const EXIT_INTERRUPTED = 130

/** The same for a command of the framework, which under `--json` would say npm's words and none of its own: answers what is installed then. */
export async function changeByFramework(
  dataFolder: string,
  {change, json}: {readonly change: () => Promise<void>; readonly json: boolean}
): Promise<void> {
  if (json) process.env.CREO_NPM_LOG_LEVEL = 'silent'
  await changePlugins(dataFolder, change)
  if (json) process.stdout.write(`${plainJson(JSON.stringify({plugins: listInstalled(dataFolder)}, null, 2))}\n`)
}

/**
 * Changes the installed plugins wholly or not at all. The framework's commands know no Ctrl-C, and take away the plugin that was there when they can't
 * replace it: so what they begin is ended with the first signal, and what was installed before is put back; by the next change, when this one is killed.
 * @throws {CreoError} `interrupted`; `conflict` while another process changes them; what `change` throws.
 */
export async function changePlugins(dataFolder: string, change: () => Promise<void>): Promise<void> {
  const archives = join(dataFolder, ARCHIVES)
  await mkdir(archives, {recursive: true, mode: 0o700})
  const release = await lockDirectory(archives)
  try {
    await keepPlugins(dataFolder, join(archives, KEPT))
    await changeOrPutBack(dataFolder, change)
    await removeUnusedArchives(dataFolder)
  } finally {
    await release()
  }
}

async function changeOrPutBack(dataFolder: string, change: () => Promise<void>): Promise<void> {
  const kept = join(dataFolder, ARCHIVES, KEPT)
  const interruption = endProgramsOnSignal()
  try {
    await change()
    if (interruption.isThere()) throw new CreoError('interrupted', 'Interrupted.')
    await forgetPlugins(kept)
  } catch (error) {
    interruption.settle()
    await putBackPlugins(dataFolder, kept)
    await removeUnusedArchives(dataFolder)
    if (!interruption.isThere()) throw error
    throw new CreoError('interrupted', 'Interrupted: the plugins are what they were.', {cause: error})
  } finally {
    interruption.close()
  }
}

/** From the first signal on, ends every program that this process has started or starts; a second one ends this process at once. */
function endProgramsOnSignal(): {isThere(): boolean; settle(): void; close(): void} {
  let isInterrupted = false
  let looking: NodeJS.Timeout | undefined
  const onSignal = (): void => {
    if (isInterrupted) process.exit(EXIT_INTERRUPTED)
    isInterrupted = true
    endPrograms()
    looking = setInterval(endPrograms, LOOK_MS)
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  const settle = (): void => clearInterval(looking)
  return {
    isThere: () => isInterrupted,
    settle,
    close: () => {
      settle()
      for (const signal of SIGNALS) process.off(signal, onSignal)
    }
  }
}

/** Where there is no /proc the terminal tells them itself. */
function endPrograms(): void {
  const {pid} = process
  let children = ''
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  } catch {
    return
  }
  for (const child of children.split(' ').filter(Boolean)) {
    try {
      // What the framework takes away since it could not replace it comes back anyhow, and cut short it would be said to be an error.
      const isTakingAway = readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0')[2] === 'uninstall'
      if (!isTakingAway) process.kill(Number(child), 'SIGTERM')
    } catch {
      // It has ended meanwhile.
    }
  }
}
