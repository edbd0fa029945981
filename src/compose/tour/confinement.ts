import {readFile, readlink} from 'node:fs/promises'
import {basename, join} from 'node:path'

/** What the kernel says of one process, as the host sees it (proc(5)). */
export interface ConfinedProcess {
  readonly pid: number
  /** Its id inside: 1 is the container's init. */
  readonly innerPid: number
  /** The process ids of one container are one namespace. */
  readonly pidNamespace: string
  readonly netNamespace: string
  readonly hostUid: number
  readonly capabilities: string
  readonly seccomp: string
  readonly noNewPrivileges: string
}

/** Limits of the control group that a process is in; undefined where there is none. */
export interface GroupLimits {
  readonly group: string
  readonly memoryBytes: number | undefined
  readonly cpuMillis: number | undefined
  readonly pidsMax: number | undefined
}

/** Undefined for a process that has just ended. */
export async function confinedProcess(pid: number): Promise<ConfinedProcess | undefined> {
  try {
    const [status, pidNamespace, netNamespace] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readlink(`/proc/${pid}/ns/pid`),
      readlink(`/proc/${pid}/ns/net`)
    ])
    const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
    return {
      pid,
      innerPid: Number(field('NSpid').split(/\s+/).at(-1)),
      pidNamespace,
      netNamespace,
      hostUid: Number(field('Uid').split(/\s+/)[1]),
      capabilities: field('CapEff'),
      seccomp: field('Seccomp'),
      noNewPrivileges: field('NoNewPrivs')
    }
  } catch {
    return undefined
  }
}

/** Reads the limits from the control group files themselves (cgroups(7)), version 1 or 2, whichever has the controller. */
export async function groupLimits(pid: number): Promise<GroupLimits> {
  const [mounts, membership] = await Promise.all([readFile('/proc/self/mounts', 'utf8'), readFile(`/proc/${pid}/cgroup`, 'utf8')])
  const folder = (controller: string): string | undefined => groupFolder(mounts, membership, controller)
  const read = async (controller: string, file: string): Promise<string> => {
    const path = folder(controller) ?? folder('')
    return path === undefined ? '' : (await readFile(join(path, file), 'utf8').catch(() => '')).trim()
  }
  const memory = (await read('memory', 'memory.limit_in_bytes')) || (await read('', 'memory.max'))
  const pids = await read('pids', 'pids.max')
  const quota = await read('cpu', 'cpu.cfs_quota_us')
  const cpu = quota === '' ? await read('', 'cpu.max') : `${quota} ${await read('cpu', 'cpu.cfs_period_us')}`
  const [quotaMicros, periodMicros] = cpu.split(' ').map(Number)
  return {
    group: basename(folder('memory') ?? folder('') ?? ''),
    memoryBytes: numberOr(memory),
    cpuMillis: numberOr(String(((quotaMicros ?? Number.NaN) * 1000) / (periodMicros ?? Number.NaN))),
    pidsMax: numberOr(pids)
  }
}

/** Where a process's group of a controller is mounted; '' stands for version 2, which has all its controllers in one folder. */
function groupFolder(mounts: string, membership: string, controller: string): string | undefined {
  const group = membership
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .find((match) => match?.[1]?.split(',').includes(controller))?.[2]
  const mount = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, , type, options]) => (controller === '' ? type === 'cgroup2' : type === 'cgroup' && options?.split(',').includes(controller)))
  return group === undefined || mount?.[1] === undefined ? undefined : join(mount[1], group)
}

/** Undefined for "max", -1 and what isn't there. */
function numberOr(text: string): number | undefined {
  const number = Number(text === '' ? Number.NaN : text)
  return Number.isFinite(number) && number > 0 ? number : undefined
}
