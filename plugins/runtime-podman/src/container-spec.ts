import type {InstanceSpec, ProcessLimits, RuntimeTools, SandboxPlan} from 'creo/runtime'
import type {Host} from './host.ts'
import type {PreparedImage} from './image-store.ts'

/** Label under which an instance's own labels are kept, as JSON; `list` reads it. */
export const LABELS_LABEL = 'creo.labels'
export const ID_LABEL = 'creo.id'

/** podman refuses `uid=` on a tmpfs. As everywhere, anyone may write to /tmp; there is nobody but the function's user. */
const SCRATCH_MODE = 'mode=1777'

export interface ContainerParts {
  readonly spec: InstanceSpec
  readonly plan: SandboxPlan
  readonly image: PreparedImage
  readonly host: Host
  readonly limits: ProcessLimits
  readonly initPath: string
  readonly socketDirectory: string
  readonly logPath: string
  readonly sandbox: RuntimeTools['sandbox']
}

/** What podman's API is asked to create: DESIGN's sandbox, field by field. */
export function containerSpec(parts: ContainerParts): Record<string, unknown> {
  const {spec, plan, image, host} = parts
  return {
    name: containerName(spec.id),
    image: image.imageId,
    entrypoint: [plan.initPath, ...plan.initArguments],
    command: spec.argv.length > 0 ? spec.argv : image.command,
    env: plan.env,
    sysctl: plan.sysctls,
    labels: {[ID_LABEL]: spec.id, [LABELS_LABEL]: JSON.stringify(spec.labels)},
    ...isolation(parts),
    mounts: mounts(parts),
    shm_size: plan.shmBytes,
    resource_limits: {
      // Given any limits, podman leaves out its own rule about devices, and without a rule crun installs no filter at all.
      devices: [{allow: false, access: 'rwm'}],
      memory: {limit: spec.limits.memoryBytes, ...(host.limitsSwap ? {swap: spec.limits.memoryBytes} : {})},
      cpu: {period: plan.cpuPeriodMicros, quota: plan.cpuQuotaMicros},
      pids: {limit: plan.pidsMax}
    },
    r_limits: [
      {type: 'nofile', soft: parts.limits.openFilesMax, hard: parts.limits.openFilesMax},
      {type: 'nproc', soft: parts.limits.processesMax, hard: parts.limits.processesMax},
      {type: 'core', soft: parts.limits.coreBytesMax, hard: parts.limits.coreBytesMax}
    ],
    log_configuration: {driver: 'k8s-file', path: parts.logPath, size: spec.limits.logBytes},
    oom_score_adj: plan.oomScore
  }
}

export function containerName(id: string): string {
  return `creo-${id}`
}

function isolation({host, sandbox}: ContainerParts): Record<string, unknown> {
  const ids = host.idRange && [{container_id: 0, host_id: host.idRange.base, size: host.idRange.size}]
  return {
    netns: {nsmode: 'none'},
    ...(ids ? {userns: {nsmode: 'private'}, idmappings: {UIDMap: ids, GIDMap: ids, HostUIDMapping: false, HostGIDMapping: false}} : {}),
    ipcns: {nsmode: 'private'},
    pidns: {nsmode: 'private'},
    utsns: {nsmode: 'private'},
    user: `${sandbox.user}:${sandbox.user}`,
    read_only_filesystem: true,
    read_write_tmpfs: false,
    cap_drop: ['all'],
    no_new_privileges: true,
    seccomp_profile_path: sandbox.seccompPath,
    image_volume_mode: 'ignore',
    // The image's own would be run by the machine's systemd, beside every limit.
    healthconfig: {Test: ['NONE']},
    restart_policy: 'no',
    systemd: 'false',
    httpproxy: false,
    use_image_hosts: true,
    use_image_resolve_conf: true,
    terminal: false,
    stdin: false
  }
}

function mounts({spec, plan, sandbox, initPath, socketDirectory}: ContainerParts): Record<string, unknown>[] {
  return [
    {destination: plan.initPath, type: 'bind', source: initPath, options: ['ro', 'nosuid', 'nodev', 'bind', 'rprivate']},
    {
      destination: sandbox.ingress.directory,
      type: 'bind',
      source: socketDirectory,
      options: ['rw', 'nosuid', 'nodev', 'noexec', 'bind', 'rprivate']
    },
    {
      destination: '/tmp',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['rw', 'nosuid', 'nodev', SCRATCH_MODE, `size=${spec.limits.scratchBytes}`]
    },
    ...plan.binds.map((bind) => ({...bind, type: 'bind', options: ['ro', 'nosuid', 'nodev', 'noexec', 'bind', 'rprivate']}))
  ]
}
