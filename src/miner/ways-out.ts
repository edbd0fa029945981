import {createHash} from 'node:crypto'
import {chmod, mkdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {callHost, type RevisionSpec} from '../core/protocol/revisions.ts'
import type {WaysOut} from '../runtime/port.ts'
import {CALLS_SOCKET, HOSTS_FILE, hostsText, PROXY_SOCKET, SECRETS_SOCKET} from '../runtime/ways-out.ts'
import type {Log} from '../telemetry/log.ts'
import {type CallsRelayOptions, type CallsUnderWay, openCallsRelay} from './calls-relay.ts'
import {openEgressProxy} from './egress-proxy.ts'
import {openSecretsSocket, type SecretsSocketOptions} from './secrets-socket.ts'

const DIRECTORY_NAME_CHARACTERS = 12

export interface WaysOutOptions {
  /** Of all containers; short, since a unix socket's path has 107 bytes at most. */
  readonly directory: string
  readonly coordinatorUrl: string
  readonly callsUnderWay: CallsUnderWay
  readonly log: Log
}

/** Whose ways out they are. */
export interface WaysOutOwner {
  readonly id: string
  readonly spec: Pick<RevisionSpec, 'egress' | 'calls' | 'secrets'>
  readonly dialCalls: CallsRelayOptions['dial']
  readonly secrets: SecretsSocketOptions['secrets']
}

/** What one container has besides its way in. */
export interface OpenedWaysOut {
  /** For the runtime; undefined when the function asked for none. */
  readonly bound: WaysOut | undefined
  /** Bytes that passed, both directions together. */
  readonly bytes: number
  /** Ends what the function has open to call others: from now on it calls as somebody else. */
  cutCalls(): void
  /** What lies on disk stays for `removeWaysOut`. */
  close(): Promise<void>
}

const NONE: OpenedWaysOut = {bound: undefined, bytes: 0, cutCalls: () => undefined, close: async () => undefined}

/** Opens what a revision asks for. Of a container that an earlier process started, the sockets take the place of that process's. */
export async function openWaysOut(
  {directory: parent, coordinatorUrl, callsUnderWay, log}: WaysOutOptions,
  {id, spec, dialCalls, secrets}: WaysOutOwner
): Promise<OpenedWaysOut> {
  const {egress, calls = [], secrets: names = []} = spec
  if (egress.length + calls.length + names.length === 0) return NONE
  const directory = directoryOf(parent, id)
  await mkdir(directory, {recursive: true})
  const hosts = calls.map(callHost)
  await writeFile(join(directory, HOSTS_FILE), hostsText(hosts))
  // The function's user is nobody here, and a service may run with a narrow umask.
  await chmod(directory, 0o755)
  await chmod(join(directory, HOSTS_FILE), 0o644)
  const socketPath = (name: string): string => join(directory, name)
  const proxy =
    egress.length === 0 ? undefined : await openEgressProxy({socketPath: socketPath(PROXY_SOCKET), allowedHosts: egress, coordinatorUrl})
  const relaying = {socketPath: socketPath(CALLS_SOCKET), dial: dialCalls, underWay: callsUnderWay}
  const relay = calls.length === 0 ? undefined : await openCallsRelay(relaying)
  const told = names.length === 0 ? undefined : await openSecretsSocket({socketPath: socketPath(SECRETS_SOCKET), secrets, log})
  return {
    bound: {directory, proxy: proxy !== undefined, hosts, ...(told !== undefined && {secrets: true})},
    get bytes() {
      return (proxy?.bytesIn ?? 0) + (proxy?.bytesOut ?? 0) + (relay?.bytes ?? 0)
    },
    cutCalls: () => relay?.cut(),
    close: async () => {
      await proxy?.close()
      await relay?.close()
      await told?.close()
    }
  }
}

/** Of a container that is gone, also of one that an earlier process started. */
export async function removeWaysOut({directory}: Pick<WaysOutOptions, 'directory'>, id: string): Promise<void> {
  await rm(directoryOf(directory, id), {recursive: true, force: true})
}

function directoryOf(parent: string, id: string): string {
  return join(parent, createHash('sha256').update(id).digest('hex').slice(0, DIRECTORY_NAME_CHARACTERS))
}
