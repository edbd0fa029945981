import {readdir, readFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'

/** A container's monitor outlives it for a moment to clean up behind it. */
const GONE_TIMEOUT_MS = 15_000
const LOOK_EVERY_MS = 100

export interface LeftoverProcess {
  readonly pid: number
  readonly command: string
}

/** Waits, for 15 s at most, until no process names the folder, and gives those that still do. */
export async function leftBehind(directory: string): Promise<readonly LeftoverProcess[]> {
  const deadlineMs = performance.now() + GONE_TIMEOUT_MS
  let left = await processesNaming(directory)
  while (left.length > 0 && performance.now() < deadlineMs) {
    await delay(LOOK_EVERY_MS)
    left = await processesNaming(directory)
  }
  return left
}

/**
 * Processes whose command line names a folder: a network's roles, their helpers, and each container's monitor carry their data
 * directory in it. Linux only (proc(5)).
 */
async function processesNaming(directory: string): Promise<readonly LeftoverProcess[]> {
  const found: LeftoverProcess[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
    if (command.includes(`${directory}/`)) found.push({pid: Number(name), command: command.slice(0, 120)})
  }
  return found
}
