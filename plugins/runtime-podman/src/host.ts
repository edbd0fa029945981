import {access, constants, readFile, statfs} from 'node:fs/promises'
import {join} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'
import {type IdRange, pickIdRange} from './id-range.ts'

/** What this machine can do, found out and never assumed. */
export interface Host {
  readonly rootful: boolean
  readonly podmanPath: string
  readonly ociRuntime: string
  readonly cgroupManager: 'systemd' | 'cgroupfs'
  readonly storageDriver: 'overlay' | 'vfs'
  readonly idRange: IdRange | undefined
  readonly limitsSwap: boolean
  readonly enforcesLimits: boolean
  readonly problems: readonly string[]
}

const CGROUP_ROOT = '/sys/fs/cgroup'
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const OVERLAYFS_MAGIC = 0x794c7630

/**
 * Looks at the machine once.
 * @throws {CreoError} `runtime_missing` when there is no podman or no OCI runtime that works with this kernel's cgroups.
 */
export async function detectHost(tools: RuntimeTools): Promise<Host> {
  const rootful = process.getuid?.() === 0
  const podmanPath = tools.env.CREO_PODMAN ?? (await findProgram('podman', tools.env.PATH))
  if (!podmanPath) throw missing(tools, 'podman is not installed.')
  const version = (await exists(join(CGROUP_ROOT, 'cgroup.controllers'))) ? 2 : 1
  const ociRuntime = await pickOciRuntime(version, tools)
  const cgroupManager = await pickCgroupManager(rootful, tools.env)
  const controllers = version === 2 ? await unifiedProblems(rootful, cgroupManager) : await legacyProblems(rootful)
  const idRange = rootful
    ? pickIdRange(await readText('/proc/self/uid_map'), `${await readText('/etc/subuid')}\n${await readText('/etc/subgid')}`)
    : undefined
  const problems = [...controllers]
  if (rootful && !idRange)
    problems.push('No 65,536 user ids in a row are free for containers: give this machine or container a larger id range.')
  const storageType = (await statfs(tools.stateDirectory)).type
  return {
    rootful,
    podmanPath,
    ociRuntime,
    cgroupManager,
    storageDriver: storageType === OVERLAYFS_MAGIC ? 'vfs' : 'overlay',
    idRange,
    limitsSwap: version === 2 || (await exists(join(CGROUP_ROOT, 'memory/memory.memsw.limit_in_bytes'))),
    enforcesLimits: problems.length === 0,
    problems
  }
}

/** crun starts faster and is smaller, but it refuses machines where version 1 and 2 of cgroups are mixed. */
async function pickOciRuntime(cgroupVersion: 1 | 2, tools: RuntimeTools): Promise<string> {
  const wanted = tools.env.CREO_OCI_RUNTIME
  if (wanted) return wanted
  const hybrid = cgroupVersion === 1 && (await exists(join(CGROUP_ROOT, 'unified')))
  const usable = cgroupVersion === 2 ? ['crun', 'runc'] : hybrid ? ['runc'] : ['runc', 'crun']
  for (const name of usable) {
    const path = await findProgram(name, tools.env.PATH)
    if (path) return path
  }
  throw missing(tools, `None of ${usable.join(', ')} is installed; this machine's control groups need one of them.`)
}

function missing(tools: RuntimeTools, message: string): Error {
  return new tools.CreoError('runtime_missing', message, {
    hint: 'apt-get install --no-install-recommends podman crun runc conmon uidmap'
  })
}

/** systemd manages cgroups where it is the init; without root it also needs the user's own bus. */
async function pickCgroupManager(rootful: boolean, env: RuntimeTools['env']): Promise<'systemd' | 'cgroupfs'> {
  if (!(await exists('/run/systemd/system'))) return 'cgroupfs'
  const bus = rootful ? '/run/dbus/system_bus_socket' : join(env.XDG_RUNTIME_DIR ?? '/nonexistent', 'bus')
  return (await exists(bus)) ? 'systemd' : 'cgroupfs'
}

async function unifiedProblems(rootful: boolean, manager: 'systemd' | 'cgroupfs'): Promise<string[]> {
  if (!rootful && manager === 'cgroupfs') {
    return ['Without root, limits need systemd to delegate control groups: log in to a session of systemd, or run creo as root.']
  }
  const uid = process.getuid?.() ?? 0
  const delegated = rootful ? '' : `user.slice/user-${uid}.slice/user@${uid}.service`
  const available = (await readText(join(CGROUP_ROOT, delegated, 'cgroup.controllers'))).trim().split(' ')
  return missingControllers(['memory', 'cpu', 'pids'].filter((name) => !available.includes(name)))
}

async function legacyProblems(rootful: boolean): Promise<string[]> {
  if (!rootful) {
    return [
      'Without root, this machine’s control groups (version 1) ignore limits: boot with systemd.unified_cgroup_hierarchy=1, or run creo as root.'
    ]
  }
  const files = {memory: 'memory/memory.limit_in_bytes', cpu: 'cpu/cpu.shares', pids: 'pids/cgroup.procs'}
  const absent: string[] = []
  for (const [name, file] of Object.entries(files)) {
    if (!(await exists(join(CGROUP_ROOT, file), constants.W_OK))) absent.push(name)
  }
  return missingControllers(absent)
}

function missingControllers(names: readonly string[]): string[] {
  return names.map((name) =>
    name === 'memory'
      ? 'The kernel’s memory controller is off: add cgroup_enable=memory cgroup_memory=1 to the kernel’s command line and boot again.'
      : `The kernel’s ${name} controller is off or not delegated: enable the cgroup controller "${name}".`
  )
}

async function findProgram(name: string, path = ''): Promise<string | undefined> {
  for (const directory of new Set([...path.split(':').filter((entry) => entry.startsWith('/')), ...SYSTEM_DIRECTORIES])) {
    const candidate = join(directory, name)
    if (await exists(candidate, constants.X_OK)) return candidate
  }
  return undefined
}

async function exists(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false
  )
}

/** A file that may be absent, as an empty string then. */
async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
