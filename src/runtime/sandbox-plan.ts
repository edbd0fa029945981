import {CALLS_PORT} from '../core/protocol/revisions.ts'
import type {InstanceSpec} from './port.ts'
import type {Ingress, SandboxPlan} from './sandbox.ts'
import {CALLS_SOCKET, PROXY_SOCKET, SECRETS_SOCKET, WAYS_OUT_DIRECTORY, waysOutBinds} from './ways-out.ts'

export const FUNCTION_USER = 65_532
const INIT_PATH = '/run/creo/init'
const INGRESS_DIRECTORY = '/run/creo/in'
const INGRESS_SOCKET_NAME = 'http.sock'
const INGRESS_BYTES = 16_384
const INGRESS_INODES = 8
/** Where the proxy listens inside; the next port when the function has taken it. */
const PROXY_PORT = 3128
/** The init, which is nobody, listens on a port below 1024: in the container's own network that harms nobody. */
const LOW_PORTS = {'net.ipv4.ip_unprivileged_port_start': '0'}
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
  tmpfsOptions: (owner, mode) =>
    `size=${INGRESS_BYTES},nr_inodes=${INGRESS_INODES},mode=${mode},uid=${owner},gid=${owner},nosuid,nodev,noexec`
}

/** The sandbox of one instance, the same under every runtime. */
export function planSandbox(spec: InstanceSpec): SandboxPlan {
  return {
    initPath: INIT_PATH,
    initArguments: initArguments(spec),
    env: environment(spec),
    binds: waysOutBinds(spec.waysOut),
    sysctls: hostsOf(spec).length > 0 ? LOW_PORTS : {},
    shmBytes: Math.min(SHM_BYTES_MAX, spec.limits.scratchBytes),
    cpuPeriodMicros: CPU_PERIOD_MICROS,
    cpuQuotaMicros: Math.max(CPU_QUOTA_MICROS_MIN, Math.floor((spec.limits.cpuMillis * CPU_PERIOD_MICROS) / 1000)),
    pidsMax: spec.limits.pidsMax + INIT_PIDS,
    oomScore: OOM_SCORE
  }
}

function hostsOf({waysOut}: InstanceSpec): readonly string[] {
  return waysOut?.hosts ?? []
}

function proxyPort(spec: InstanceSpec): number {
  return spec.port === PROXY_PORT ? PROXY_PORT + 1 : PROXY_PORT
}

function initArguments(spec: InstanceSpec): string[] {
  const ingress = ['--port', String(spec.port), '--listen', `${INGRESS_DIRECTORY}/${INGRESS_SOCKET_NAME}`]
  const out = (port: number, socket: string): string[] => ['--out', `${port}:${WAYS_OUT_DIRECTORY}/${socket}`]
  const proxy = spec.waysOut?.proxy === true ? out(proxyPort(spec), PROXY_SOCKET) : []
  const calls = hostsOf(spec).length > 0 ? out(CALLS_PORT, CALLS_SOCKET) : []
  const secrets = spec.waysOut?.secrets === true ? ['--secrets', `${WAYS_OUT_DIRECTORY}/${SECRETS_SOCKET}`] : []
  return [...ingress, ...proxy, ...calls, ...secrets, '--']
}

function environment(spec: InstanceSpec): Record<string, string> {
  const proxy = `http://127.0.0.1:${proxyPort(spec)}`
  const direct = ['localhost', '127.0.0.1', ...hostsOf(spec)].join(',')
  const proxied = {HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy, NO_PROXY: direct, no_proxy: direct}
  return {...spec.env, PORT: String(spec.port), ...(spec.waysOut?.proxy === true ? proxied : {})}
}
