import {createHash} from 'node:crypto'
import {mkdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import type {WaysOut} from '../runtime/port.ts'
import {PROXY_SOCKET} from '../runtime/ways-out.ts'
import {openEgressProxy} from './egress-proxy.ts'

const DIRECTORY_NAME_CHARACTERS = 12

export interface WaysOutOptions {
  /** Of all instances; short, since a unix socket's path has 107 bytes at most. */
  readonly directory: string
  readonly coordinatorUrl: string
}

/** What one container has besides its way in. */
export interface OpenedWaysOut {
  /** For the runtime; undefined when the function asked for none. */
  readonly bound: WaysOut | undefined
  /** Bytes that passed, both directions together. */
  readonly bytes: number
  close(): Promise<void>
}

/** Opens what a revision asks for. Of a container that an earlier process started, the sockets take the place of that process's. */
export async function openWaysOut(
  {directory: parent, coordinatorUrl}: WaysOutOptions,
  {id, spec}: {readonly id: string; readonly spec: Pick<RevisionSpec, 'egress'>}
): Promise<OpenedWaysOut> {
  if (spec.egress.length === 0) return {bound: undefined, bytes: 0, close: async () => undefined}
  const directory = join(parent, createHash('sha256').update(id).digest('hex').slice(0, DIRECTORY_NAME_CHARACTERS))
  await mkdir(directory, {recursive: true, mode: 0o755})
  const egress = await openEgressProxy({socketPath: join(directory, PROXY_SOCKET), allowedHosts: spec.egress, coordinatorUrl})
  return {
    bound: {directory, proxy: true, hosts: []},
    get bytes() {
      return egress.bytesIn + egress.bytesOut
    },
    close: async () => {
      await egress.close()
      await rm(directory, {recursive: true, force: true})
    }
  }
}
