import {readFile} from 'node:fs/promises'
import type {ProcessLimits} from './sandbox.ts'

/** What a function may open and start at most, if its host may as many: processes are bounded by the control group. */
const OPEN_FILES_WANTED = 65_536
const PROCESSES_WANTED = 1_048_576
/** The kernel's own sign for "start no collector of core dumps"; at 0 a collector that the host has is started for every crash, as root. */
const CORE_BYTES_WANTED = 1

/**
 * Limits for containers started by the process `pid`. Some runtimes lower their own at start, and a root without CAP_SYS_RESOURCE
 * can't raise them again, so they are read from the very process that starts the containers.
 */
export async function limitsBelow(pid: number): Promise<ProcessLimits> {
  const [limits, processIds] = await Promise.all([readFile(`/proc/${pid}/limits`, 'utf8'), readFile('/proc/sys/kernel/pid_max', 'utf8')])
  return {
    openFilesMax: Math.min(OPEN_FILES_WANTED, hardLimit(limits, 'Max open files')),
    // There can be no more than ids for them; podman lowers its own to that.
    processesMax: Math.min(PROCESSES_WANTED, Number(processIds), hardLimit(limits, 'Max processes')),
    coreBytesMax: Math.min(CORE_BYTES_WANTED, hardLimit(limits, 'Max core file size'))
  }
}

function hardLimit(limits: string, name: string): number {
  const line = limits.split('\n').find((one) => one.startsWith(name))
  const hard = line?.slice(name.length).trim().split(/\s+/)[1]
  return hard === undefined || hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard)
}
