import {readFileSync} from 'node:fs'

/** A process that can't be mistaken for a later one with the same id: its start time in ticks since boot, and the boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTicks: string
  readonly boot: string
}

export function ownIdentity(): ProcessIdentity {
  return {pid: process.pid, startTicks: startTicksOf(process.pid), boot: bootId()}
}

/** True while that very process lives. Where /proc is missing, any process with its id counts. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (identity.boot !== bootId()) return false
  try {
    process.kill(identity.pid, 0)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false
  }
  return startTicksOf(identity.pid) === identity.startTicks
}

/** Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and parentheses, so counting starts behind its end. */
function startTicksOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`)
  return (
    stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(19) ?? ''
  )
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id').trim()
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
