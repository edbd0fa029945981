import {CreoError} from '../core/errors.ts'
import type {WaysOut} from './port.ts'

/** Where the caller's directory of ways out is bound inside. */
export const WAYS_OUT_DIRECTORY = '/run/creo/out'
/** Names in that directory. */
export const PROXY_SOCKET = 'proxy'
export const CALLS_SOCKET = 'calls'
export const HOSTS_FILE = 'hosts'
export const SECRETS_SOCKET = 'secrets'

/** Where a container looks names up. */
export const HOSTS_PATH = '/etc/hosts'
const LOCALHOST = 'localhost'

/** The text of the file `hosts`: each host that may be called is at 127.0.0.1, where the init listens for it. */
export function hostsText(hosts: readonly string[]): string {
  return ['127.0.0.1', '::1'].map((address) => `${address} ${LOCALHOST}\n`).join('') + hosts.map((host) => `127.0.0.1 ${host}\n`).join('')
}

/** What the socket `secrets` says to whoever connects: each `NAME=value` and a zero byte, and one more at the end of all. */
export function secretsBytes(secrets: Readonly<Record<string, string>>): Buffer {
  return Buffer.from(
    `${Object.entries(secrets)
      .map(([name, value]) => `${name}=${value}\0`)
      .join('')}\0`
  )
}

/** The other way round. @throws {CreoError} `unavailable` when the end is missing. */
export function secretsOf(bytes: Buffer): Record<string, string> {
  const entries = bytes.toString('utf8').split('\0')
  if (entries.pop() !== '' || entries.pop() !== '') throw new CreoError('unavailable', 'The secrets did not come.')
  return Object.fromEntries(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]))
}

/** What of the host a container sees for its ways out, read-only. */
export function waysOutBinds(waysOut: WaysOut | undefined): readonly {readonly source: string; readonly destination: string}[] {
  if (waysOut === undefined) return []
  const {directory, hosts} = waysOut
  const named = hosts.length === 0 ? [] : [{source: `${directory}/${HOSTS_FILE}`, destination: HOSTS_PATH}]
  return [{source: directory, destination: WAYS_OUT_DIRECTORY}, ...named]
}
