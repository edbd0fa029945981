import {constants} from 'node:fs/promises'
import {join} from 'node:path'
import {exists, readText} from './machine-files.ts'
import type {ControlGroupReach, ControlGroups} from './sandbox.ts'

const CGROUP_ROOT = '/sys/fs/cgroup'

/** Looks at this machine's control groups, and says what of a function's limits they can't enforce. */
export async function inspectControlGroups(reach: ControlGroupReach): Promise<ControlGroups> {
  const version = (await exists(join(CGROUP_ROOT, 'cgroup.controllers'))) ? 2 : 1
  return {
    version,
    hybrid: version === 1 && (await exists(join(CGROUP_ROOT, 'unified'))),
    limitsSwap: version === 2 || (await exists(join(CGROUP_ROOT, 'memory/memory.memsw.limit_in_bytes'))),
    problems: version === 2 ? await unifiedProblems(reach) : await legacyProblems(reach)
  }
}

async function unifiedProblems({rootful, manager}: ControlGroupReach): Promise<string[]> {
  if (!rootful && manager === 'cgroupfs') {
    return ['Without root, limits need systemd to delegate control groups: log in to a session of systemd, or run creo as root.']
  }
  const uid = process.getuid?.() ?? 0
  const delegated = rootful ? '' : `user.slice/user-${uid}.slice/user@${uid}.service`
  const available = (await readText(join(CGROUP_ROOT, delegated, 'cgroup.controllers'))).trim().split(' ')
  return missingControllers(['memory', 'cpu', 'pids'].filter((name) => !available.includes(name)))
}

async function legacyProblems({rootful}: ControlGroupReach): Promise<string[]> {
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
