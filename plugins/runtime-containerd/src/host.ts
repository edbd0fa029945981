import {statfs} from 'node:fs/promises'
import type {ControlGroups, IdRange, ProcessLimits, RuntimeTools} from 'creo/runtime'

/** What this machine can do, found out and never assumed. */
export interface Host {
  readonly containerdPath: string
  readonly ctrPath: string
  readonly runcPath: string
  readonly shimPath: string
  readonly snapshotter: 'overlayfs' | 'native'
  readonly controlGroups: ControlGroups
  readonly limits: ProcessLimits
  readonly idRange: IdRange | undefined
  readonly problems: readonly string[]
}

const OVERLAYFS_MAGIC = 0x794c7630
const PROGRAMS = ['containerd', 'ctr', 'runc', 'containerd-shim-runc-v2', 'mount']

/**
 * Looks at the machine once.
 * @throws {CreoError} `runtime_missing` when a program is not installed or creo does not run as root.
 */
export async function detectHost(tools: RuntimeTools): Promise<Host> {
  const paths = await Promise.all(PROGRAMS.map((name) => tools.sandbox.findProgram(name, tools.env.PATH)))
  const [containerdPath, ctrPath, runcPath, shimPath] = paths
  if (!containerdPath || !ctrPath || !runcPath || !shimPath || paths.includes(undefined)) {
    const absent = PROGRAMS.filter((_name, index) => paths[index] === undefined)
    throw new tools.CreoError('runtime_missing', `containerd needs ${absent.join(', ')}, which this machine has not.`, {
      hint: 'apt-get install --no-install-recommends containerd runc mount'
    })
  }
  if (process.getuid?.() !== 0) {
    throw new tools.CreoError('runtime_missing', 'containerd runs containers for root alone.', {hint: 'creo mine start --runtime podman'})
  }
  const controlGroups = await tools.sandbox.inspectControlGroups({rootful: true, manager: 'cgroupfs'})
  const idRange = await tools.sandbox.pickIdRange()
  const noIds = idRange ? [] : ['No 65,536 user ids in a row are free for containers: give this machine or container a larger id range.']
  return {
    containerdPath,
    ctrPath,
    runcPath,
    shimPath,
    snapshotter: (await statfs(tools.stateDirectory)).type === OVERLAYFS_MAGIC ? 'native' : 'overlayfs',
    controlGroups,
    limits: await tools.sandbox.limitsBelow(process.pid),
    idRange,
    problems: [...controlGroups.problems, ...noIds]
  }
}
