import {readdir, readFile, readlink} from 'node:fs/promises'
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

/** Ids of the processes whose root lies in a folder: those inside a network's containers. */
export async function containedProcesses(directory: string): Promise<readonly number[]> {
  const ownMounts = await readlink('/proc/self/ns/mnt')
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const contained = await Promise.all(ids.map(async (id) => ((await rootOf(id, ownMounts)).includes(`${directory}/`) ? [Number(id)] : [])))
  return contained.flat()
}

/**
 * Processes whose command line names a folder, as a network's roles, their helpers and each container's monitor do, and those whose
 * root lies in it, which are the containers. Linux only (proc(5)).
 */
async function processesNaming(directory: string): Promise<readonly LeftoverProcess[]> {
  const found: LeftoverProcess[] = []
  const ownMounts = await readlink('/proc/self/ns/mnt')
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const command = (await textOf(`/proc/${name}/cmdline`)).replaceAll('\0', ' ').trim()
    const isOurs = command.includes(`${directory}/`) || (command !== '' && (await rootOf(name, ownMounts)).includes(`${directory}/`))
    if (isOurs) found.push({pid: Number(name), command: command.slice(0, 120)})
  }
  return found
}

/** What a process has mounted as `/`; empty when it sees the same mounts as we. */
async function rootOf(pid: string, ownMounts: string): Promise<string> {
  const mounts = await readlink(`/proc/${pid}/ns/mnt`).catch(() => ownMounts)
  if (mounts === ownMounts) return ''
  const lines = (await textOf(`/proc/${pid}/mountinfo`)).split('\n')
  return lines.find((line) => line.split(' ')[4] === '/') ?? ''
}

/** Empty for a process that has just ended. */
function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
