import type {InstanceSpec} from './port.ts'
import type {Ingress, SandboxPlan} from './sandbox.ts'

export const FUNCTION_USER = 65_532
const INIT_PATH = '/run/creo/init'
const INGRESS_DIRECTORY = '/run/creo/in'
const INGRESS_SOCKET_NAME = 'http.sock'
const INGRESS_BYTES = 16_384
const INGRESS_INODES = 8
const EGRESS_SOCKET = '/run/creo/out/egress.sock'
/** Where the proxy listens inside; the next port when the function has taken it. */
const EGRESS_PORT = 3128
const CPU_PERIOD_MICROS = 100_000
const CPU_QUOTA_MICROS_MIN = 1000
const SHM_BYTES_MAX = 64 * 2 ** 20
/** When the machine runs out of memory, strangers' functions go before its owner's programs. */
const OOM_SCORE = 500
/** The init is a process too. */
const INIT_PIDS = 1

export const INGRESS: Ingress = {
  directory: INGRESS_DIRECTORY,
  socketName: INGRESS_SOCKET_NAME,
  oomName: `${INGRESS_SOCKET_NAME}.oom`,
  tmpfsOptions: (owner) => `size=${INGRESS_BYTES},nr_inodes=${INGRESS_INODES},mode=0700,uid=${owner},gid=${owner},nosuid,nodev,noexec`
}

/** The sandbox of one instance, the same under every runtime. */
export function planSandbox(spec: InstanceSpec): SandboxPlan {
  const egress = spec.egressSocketPath === undefined ? undefined : EGRESS_SOCKET
  return {
    initPath: INIT_PATH,
    initArguments: initArguments(spec),
    env: environment(spec),
    egressSocketPath: egress,
    shmBytes: Math.min(SHM_BYTES_MAX, spec.limits.scratchBytes),
    cpuPeriodMicros: CPU_PERIOD_MICROS,
    cpuQuotaMicros: Math.max(CPU_QUOTA_MICROS_MIN, Math.floor((spec.limits.cpuMillis * CPU_PERIOD_MICROS) / 1000)),
    pidsMax: spec.limits.pidsMax + INIT_PIDS,
    oomScore: OOM_SCORE
  }
}

function egressPort(spec: InstanceSpec): number {
  return spec.port === EGRESS_PORT ? EGRESS_PORT + 1 : EGRESS_PORT
}

function initArguments(spec: InstanceSpec): string[] {
  const ingress = ['--port', String(spec.port), '--listen', `${INGRESS_DIRECTORY}/${INGRESS_SOCKET_NAME}`]
  const egress = spec.egressSocketPath === undefined ? [] : ['--egress-port', String(egressPort(spec)), '--egress', EGRESS_SOCKET]
  return [...ingress, ...egress, '--']
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
