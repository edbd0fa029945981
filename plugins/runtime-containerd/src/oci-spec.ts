import {readFile} from 'node:fs/promises'
import type {InstanceSpec, RuntimeTools, SandboxPlan} from 'creo/runtime'
import type {Host} from './host.ts'
import type {PreparedImage} from './image-store.ts'

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/fs/selinux',
  '/sys/dev/block'
]
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']
const ARCHITECTURES = {amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64'}
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const BIND = ['bind', 'rprivate', 'nosuid', 'nodev']

export interface SpecParts {
  readonly spec: InstanceSpec
  readonly plan: SandboxPlan
  readonly image: PreparedImage
  readonly host: Host
  readonly sandbox: RuntimeTools['sandbox']
  readonly rootPath: string
  readonly initPath: string
  readonly socketDirectory: string
  readonly controlGroup: string
}

/** What runc reads: DESIGN's sandbox, field by field, as an OCI runtime spec. Nothing is left to containerd's defaults. */
export async function ociSpec(parts: SpecParts): Promise<Record<string, unknown>> {
  const {spec, plan, image, host, sandbox} = parts
  const {openFilesMax, processesMax, coreBytesMax} = host.limits
  const command = spec.argv.length > 0 ? spec.argv : image.command
  const none: string[] = []
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: {uid: sandbox.user, gid: sandbox.user},
      args: [plan.initPath, ...plan.initArguments, ...command],
      env: environment(image, plan),
      cwd: image.workingDirectory,
      capabilities: {bounding: none, effective: none, inheritable: none, permitted: none, ambient: none},
      rlimits: [
        {type: 'RLIMIT_NOFILE', soft: openFilesMax, hard: openFilesMax},
        {type: 'RLIMIT_NPROC', soft: processesMax, hard: processesMax},
        {type: 'RLIMIT_CORE', soft: coreBytesMax, hard: coreBytesMax}
      ],
      noNewPrivileges: true,
      oomScoreAdj: plan.oomScore
    },
    root: {path: parts.rootPath, readonly: true},
    hostname: 'creo',
    mounts: mounts(parts),
    linux: await isolation(parts)
  }
}

function environment(image: PreparedImage, plan: SandboxPlan): string[] {
  const own = Object.fromEntries(image.env.map((entry) => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)]))
  return Object.entries({PATH: DEFAULT_PATH, HOME: '/', HOSTNAME: 'creo', ...own, ...plan.env}).map(([name, value]) => `${name}=${value}`)
}

async function isolation({spec, plan, host, sandbox, controlGroup}: SpecParts): Promise<Record<string, unknown>> {
  const ids = host.idRange && [{containerID: 0, hostID: host.idRange.base, size: host.idRange.size}]
  const {version, limitsSwap} = host.controlGroups
  const memory = spec.limits.memoryBytes
  const namespaces = ['pid', 'ipc', 'uts', 'mount', 'network', 'user', ...(version === 2 ? ['cgroup'] : [])]
  return {
    namespaces: namespaces.map((type) => ({type})),
    sysctl: plan.sysctls,
    uidMappings: ids,
    gidMappings: ids,
    cgroupsPath: `${controlGroup}/${spec.id}`,
    resources: {
      devices: [{allow: false, access: 'rwm'}],
      memory: {limit: memory, ...(limitsSwap ? {swap: memory} : {})},
      cpu: {period: plan.cpuPeriodMicros, quota: plan.cpuQuotaMicros},
      pids: {limit: plan.pidsMax}
    },
    seccomp: await seccomp(sandbox.seccompPath),
    rootfsPropagation: 'private',
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS
  }
}

/** The shared profile with the one thing that the OCI says in other words: which architecture it is for. */
async function seccomp(path: string): Promise<Record<string, unknown>> {
  const profile = JSON.parse(await readFile(path, 'utf8')) as {
    defaultAction: string
    defaultErrnoRet: number
    syscalls: {names: string[]; action: string; errnoRet?: number; args?: unknown[]}[]
  }
  return {
    defaultAction: profile.defaultAction,
    defaultErrnoRet: profile.defaultErrnoRet,
    architectures: [process.arch === 'arm64' ? ARCHITECTURES.arm64 : ARCHITECTURES.amd64],
    syscalls: profile.syscalls.map(({names, action, errnoRet, args}) => ({names, action, errnoRet, args}))
  }
}

function mounts({spec, plan, sandbox, initPath, socketDirectory}: SpecParts): Record<string, unknown>[] {
  const quiet = ['nosuid', 'noexec', 'nodev']
  const bind = (destination: string, source: string, options: readonly string[]) => ({
    destination,
    type: 'bind',
    source,
    options: [...BIND, ...options]
  })
  return [
    {destination: '/proc', type: 'proc', source: 'proc', options: quiet},
    {destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'strictatime', 'mode=755', 'size=65536k']},
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']
    },
    {destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet},
    {destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...quiet, 'mode=1777', `size=${plan.shmBytes}`]},
    {destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, 'ro']},
    {destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...quiet, 'relatime', 'ro']},
    {destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', `size=${spec.limits.scratchBytes}`]},
    bind(plan.initPath, initPath, ['ro']),
    bind(sandbox.ingress.directory, socketDirectory, ['rw', 'noexec']),
    ...plan.binds.map(({destination, source}) => bind(destination, source, ['ro', 'noexec']))
  ]
}
