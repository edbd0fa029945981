import type {WaysOut} from './port.ts'

/** Where the caller's directory of ways out is bound inside. */
export const WAYS_OUT_DIRECTORY = '/run/creo/out'
/** Names in that directory. */
export const PROXY_SOCKET = 'proxy'
export const CALLS_SOCKET = 'calls'
export const HOSTS_FILE = 'hosts'

/** Where a container looks names up. */
export const HOSTS_PATH = '/etc/hosts'
const LOCALHOST = 'localhost'

/** The text of the file `hosts`: each host that may be called is at 127.0.0.1, where the init listens for it. */
export function hostsText(hosts: readonly string[]): string {
  return ['127.0.0.1', '::1'].map((address) => `${address} ${LOCALHOST}\n`).join('') + hosts.map((host) => `127.0.0.1 ${host}\n`).join('')
}

/** What of the host a container sees for its ways out, read-only. */
export function waysOutBinds(waysOut: WaysOut | undefined): readonly {readonly source: string; readonly destination: string}[] {
  if (waysOut === undefined) return []
  const {directory, hosts} = waysOut
  const named = hosts.length === 0 ? [] : [{source: `${directory}/${HOSTS_FILE}`, destination: HOSTS_PATH}]
  return [{source: directory, destination: WAYS_OUT_DIRECTORY}, ...named]
}
