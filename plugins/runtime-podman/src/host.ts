import {access, statfs} from 'node:fs/promises'
import {basename, join} from 'node:path'
import type {ControlGroups, HeldTier, IdRange, RuntimeTools} from 'creo/runtime'

/** What this machine can do, found out and never assumed. */
export interface Host {
  readonly rootful: boolean
  readonly podmanPath: string
  readonly ociRuntime: string
  /** What runs the containers that podman's command line makes; undefined when it can make none that is safe. */
  readonly commandsOciRuntime: string | undefined
  readonly cgroupManager: 'systemd' | 'cgroupfs'
  readonly storageDriver: 'overlay' | 'vfs'
  readonly idRange: IdRange | undefined
  readonly controlGroupVersion: 1 | 2
  readonly limitsSwap: boolean
  readonly enforcesLimits: boolean
  readonly problems: readonly string[]
}

const MIB = 2 ** 20
/** Of one that is alone on its machine, so that nothing is shared, with what the kernel keeps for it: rounded up from PSS. */
const RUNC_INIT_BYTES = 11 * MIB
const CRUN_INIT_BYTES = MIB
const MONITOR_BYTES = MIB
const INIT_BYTES = MIB / 4
const CREATED_BYTES = MIB / 16
const OVERLAYFS_MAGIC = 0x794c7630

/**
 * Looks at the machine once.
 * @throws {CreoError} `runtime_missing` when there is no podman, no mount or no OCI runtime that works with this kernel's cgroups.
 */
export async function detectHost(tools: RuntimeTools): Promise<Host> {
  const rootful = process.getuid?.() === 0
  const podmanPath = tools.env.CREO_PODMAN ?? (await tools.sandbox.findProgram('podman', tools.env.PATH))
  if (!podmanPath) throw missing(tools, 'podman is not installed.')
  if (!(await tools.sandbox.findProgram('mount', tools.env.PATH)))
    throw missing(tools, 'mount is not installed, which gives containers their way in.')
  const cgroupManager = await pickCgroupManager(rootful, tools.env)
  const controlGroups = await tools.sandbox.inspectControlGroups({rootful, manager: cgroupManager})
  const ociRuntime = await pickOciRuntime(controlGroups, tools)
  const idRange = rootful ? await tools.sandbox.pickIdRange() : undefined
  const problems = [...controlGroups.problems, ...(rootful ? [] : await tools.sandbox.inspectRootless())]
  if (rootful && !idRange)
    problems.push('No 65,536 user ids in a row are free for containers: give this machine or container a larger id range.')
  const storageType = (await statfs(tools.stateDirectory)).type
  return {
    rootful,
    podmanPath,
    ociRuntime,
    commandsOciRuntime: await pickCommandsOciRuntime(ociRuntime, tools),
    cgroupManager,
    storageDriver: storageType === OVERLAYFS_MAGIC ? 'vfs' : 'overlay',
    idRange,
    controlGroupVersion: controlGroups.version,
    limitsSwap: controlGroups.limitsSwap,
    enforcesLimits: problems.length === 0,
    problems
  }
}

/** Without root, version 1 of control groups lets nothing be frozen. */
export function heldTiers(host: Host): readonly HeldTier[] {
  const isCrun = basename(host.ociRuntime).startsWith('crun')
  const waiting: readonly HeldTier[] = [
    {tier: 'initialised', heldBytes: MONITOR_BYTES + (isCrun ? CRUN_INIT_BYTES : RUNC_INIT_BYTES)},
    {tier: 'created', heldBytes: CREATED_BYTES}
  ]
  const freezes = host.rootful || host.controlGroupVersion === 2
  return freezes ? [{tier: 'frozen', heldBytes: MONITOR_BYTES + INIT_BYTES}, ...waiting] : waiting
}

/** crun starts faster and is smaller, but it refuses machines where version 1 and 2 of cgroups are mixed. */
async function pickOciRuntime({version, hybrid}: ControlGroups, tools: RuntimeTools): Promise<string> {
  const wanted = tools.env.CREO_OCI_RUNTIME
  if (wanted) return wanted
  const usable = version === 2 ? ['crun', 'runc'] : hybrid ? ['runc'] : ['runc', 'crun']
  for (const name of usable) {
    const path = await tools.sandbox.findProgram(name, tools.env.PATH)
    if (path) return path
  }
  throw missing(tools, `None of ${usable.join(', ')} is installed; this machine's control groups need one of them.`)
}

/**
 * podman's command line can't say that devices are denied: runc denies them unasked, crun asks to be told. What an owner chose is never
 * exchanged.
 */
async function pickCommandsOciRuntime(ociRuntime: string, tools: RuntimeTools): Promise<string | undefined> {
  if (basename(ociRuntime) === 'runc') return ociRuntime
  return tools.env.CREO_OCI_RUNTIME ? undefined : tools.sandbox.findProgram('runc', tools.env.PATH)
}

function missing(tools: RuntimeTools, message: string): Error {
  return new tools.CreoError('runtime_missing', message, {
    hint: 'apt-get install --no-install-recommends podman crun runc conmon uidmap mount'
  })
}

/** systemd manages cgroups where it is the init; without root it also needs the user's own bus. */
async function pickCgroupManager(rootful: boolean, env: RuntimeTools['env']): Promise<'systemd' | 'cgroupfs'> {
  if (!(await exists('/run/systemd/system'))) return 'cgroupfs'
  const bus = rootful ? '/run/dbus/system_bus_socket' : join(env.XDG_RUNTIME_DIR ?? '/nonexistent', 'bus')
  return (await exists(bus)) ? 'systemd' : 'cgroupfs'
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
