import type {InstanceSpec} from 'creo/runtime'
import type {Host} from './host.ts'
import type {PreparedImage} from './image-store.ts'
import type {ProcessLimits} from './process-limits.ts'

/** The user every function runs as, whatever its image says: no name, no home, no rights. */
export const FUNCTION_USER = 65_532
/** Label under which an instance's own labels are kept, as JSON; `list` reads it. */
export const LABELS_LABEL = 'creo.labels'
export const ID_LABEL = 'creo.id'

const INIT_PATH = '/run/creo/init'
const INGRESS_DIRECTORY = '/run/creo/in'
const EGRESS_SOCKET = '/run/creo/out/egress.sock'
export const INGRESS_SOCKET_NAME = 'http.sock'
/** Where the proxy listens inside; the next port when the function has taken it. */
const EGRESS_PORT = 3128
const CPU_PERIOD_MICROS = 100_000
const CPU_QUOTA_MICROS_MIN = 1000
/** podman refuses `uid=` on a tmpfs. As everywhere, anyone may write to /tmp; there is nobody but the function's user. */
const SCRATCH_MODE = 'mode=1777'
const SHM_BYTES_MAX = 64 * 2 ** 20
/** When the machine runs out of memory, strangers' functions go before its owner's programs. */
const OOM_SCORE = 500
/** The init is a process too. */
const INIT_PIDS = 1

export interface ContainerParts {
  readonly spec: InstanceSpec
  readonly image: PreparedImage
  readonly host: Host
  readonly limits: ProcessLimits
  readonly initPath: string
  readonly socketDirectory: string
  readonly logPath: string
  readonly seccompPath: string
}

/** What podman's API is asked to create: DESIGN's sandbox, field by field. */
export function containerSpec(parts: ContainerParts): Record<string, unknown> {
  const {spec, image, host} = parts
  return {
    name: containerName(spec.id),
    image: image.imageId,
    entrypoint: [INIT_PATH, ...initArguments(spec), '--'],
    command: spec.argv.length > 0 ? spec.argv : image.command,
    env: environment(spec),
    labels: {[ID_LABEL]: spec.id, [LABELS_LABEL]: JSON.stringify(spec.labels)},
    ...isolation(parts),
    mounts: mounts(parts),
    shm_size: Math.min(SHM_BYTES_MAX, spec.limits.scratchBytes),
    resource_limits: {
      // Given any limits, podman leaves out its own rule about devices, and without a rule crun installs no filter at all.
      devices: [{allow: false, access: 'rwm'}],
      memory: {limit: spec.limits.memoryBytes, ...(host.limitsSwap ? {swap: spec.limits.memoryBytes} : {})},
      cpu: {
        period: CPU_PERIOD_MICROS,
        quota: Math.max(CPU_QUOTA_MICROS_MIN, Math.floor((spec.limits.cpuMillis * CPU_PERIOD_MICROS) / 1000))
      },
      pids: {limit: spec.limits.pidsMax + INIT_PIDS}
    },
    r_limits: [
      {type: 'nofile', soft: parts.limits.openFilesMax, hard: parts.limits.openFilesMax},
      {type: 'nproc', soft: parts.limits.processesMax, hard: parts.limits.processesMax},
      {type: 'core', soft: 0, hard: 0}
    ],
    log_configuration: {driver: 'k8s-file', path: parts.logPath, size: spec.limits.logBytes},
    oom_score_adj: OOM_SCORE
  }
}

export function containerName(id: string): string {
  return `creo-${id}`
}

function isolation({host, seccompPath}: ContainerParts): Record<string, unknown> {
  const ids = host.idRange && [{container_id: 0, host_id: host.idRange.base, size: host.idRange.size}]
  return {
    netns: {nsmode: 'none'},
    ...(ids ? {userns: {nsmode: 'private'}, idmappings: {UIDMap: ids, GIDMap: ids, HostUIDMapping: false, HostGIDMapping: false}} : {}),
    ipcns: {nsmode: 'private'},
    pidns: {nsmode: 'private'},
    utsns: {nsmode: 'private'},
    user: `${FUNCTION_USER}:${FUNCTION_USER}`,
    read_only_filesystem: true,
    read_write_tmpfs: false,
    cap_drop: ['all'],
    no_new_privileges: true,
    seccomp_profile_path: seccompPath,
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

function mounts({spec, initPath, socketDirectory}: ContainerParts): Record<string, unknown>[] {
  return [
    {destination: INIT_PATH, type: 'bind', source: initPath, options: ['ro', 'nosuid', 'nodev', 'bind', 'rprivate']},
    {
      destination: INGRESS_DIRECTORY,
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
    ...(spec.egressSocketPath === undefined
      ? []
      : [
          {
            destination: EGRESS_SOCKET,
            type: 'bind',
            source: spec.egressSocketPath,
            options: ['ro', 'nosuid', 'nodev', 'noexec', 'bind', 'rprivate']
          }
        ])
  ]
}

function egressPort(spec: InstanceSpec): number {
  return spec.port === EGRESS_PORT ? EGRESS_PORT + 1 : EGRESS_PORT
}

function initArguments(spec: InstanceSpec): string[] {
  const ingress = ['--port', String(spec.port), '--listen', `${INGRESS_DIRECTORY}/${INGRESS_SOCKET_NAME}`]
  return spec.egressSocketPath === undefined ? ingress : [...ingress, '--egress-port', String(egressPort(spec)), '--egress', EGRESS_SOCKET]
}

function environment(spec: InstanceSpec): Record<string, string> {
  const proxy = `http://127.0.0.1:${egressPort(spec)}`
  const proxied = {
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    http_proxy: proxy,
    https_proxy: proxy,
    NO_PROXY: 'localhost,127.0.0.1',
    no_proxy: 'localhost,127.0.0.1'
  }
  return {...spec.env, PORT: String(spec.port), ...(spec.egressSocketPath === undefined ? {} : proxied)}
}
