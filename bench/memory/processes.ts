import {readdir, readFile} from 'node:fs/promises'

const KIB_PER_MIB = 1024

export interface Process {
  readonly pid: number
  readonly name: string
  readonly pssKib: number
}

export function sumMib(processes: readonly Process[]): number {
  return processes.reduce((sum, {pssKib}) => sum + pssKib, 0) / KIB_PER_MIB
}

/** A process and all that descend from it. */
export async function processesOf(pid: number): Promise<readonly Process[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) if (/^\d+$/.test(name)) parents.set(Number(name), await parentOf(Number(name)))
  const descends = (one: number): boolean => one === pid || (parents.has(one) && descends(parents.get(one) ?? 0))
  return await Promise.all([...parents.keys()].filter(descends).map(describe))
}

/** Of proc(5), stat: the name stands in brackets and may hold anything; after it come the state and the parent. 0 for one that has ended. */
async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0)
}

async function describe(pid: number): Promise<Process> {
  const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  return {pid, name, pssKib: Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0)}
}
