import {readdir, readFile, rmdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {InstanceStats} from 'creo/runtime'

const CGROUP_ROOT = '/sys/fs/cgroup'
const NANOS_PER_MICRO = 1000

/** What the processes of one control group have used, from the kernel's own files. Rejects when there is no such group. */
export async function readUsage(version: 1 | 2, group: string): Promise<InstanceStats> {
  if (version === 2) {
    const [cpu, memory, pids] = await read([`${group}/cpu.stat`, `${group}/memory.current`, `${group}/pids.current`])
    return {cpuMicros: Number(/^usage_usec (\d+)$/m.exec(cpu ?? '')?.[1]), memoryBytes: Number(memory), pids: Number(pids)}
  }
  const [cpu, memory, pids] = await read([
    `cpuacct/${group}/cpuacct.usage`,
    `memory/${group}/memory.usage_in_bytes`,
    `pids/${group}/pids.current`
  ])
  return {cpuMicros: Math.floor(Number(cpu) / NANOS_PER_MICRO), memoryBytes: Number(memory), pids: Number(pids)}
}

/** Removes an empty group wherever it is; one that still holds another stays. */
export async function removeGroup(version: 1 | 2, group: string): Promise<void> {
  const hierarchies = version === 2 ? ['.'] : await readdir(CGROUP_ROOT)
  for (const hierarchy of hierarchies) await rmdir(join(CGROUP_ROOT, hierarchy, group)).catch(() => undefined)
}

function read(paths: readonly string[]): Promise<string[]> {
  return Promise.all(paths.map((path) => readFile(join(CGROUP_ROOT, path), 'utf8')))
}
