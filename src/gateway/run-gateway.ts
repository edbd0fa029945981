import {createClient} from '../client/client.ts'
import {joinNetwork} from '../client/join.ts'
import {openDataDirectory} from '../config/data-directory.ts'
import {loadOrCreateKeyFile} from '../identity/keys.ts'
import {createLog} from '../telemetry/log.ts'
import {createGateway} from './gateway.ts'
import {parseListen} from './listen.ts'
import {keepClockMended} from './network-clock.ts'
import {pinNetwork} from './network-file.ts'

/** Short enough that a developer sees pay while he looks. */
const DEVELOPMENT_WINDOW_MS = 1000

export interface RunGatewayOptions {
  readonly data: string
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly listen: string
  readonly tunnel: string
  readonly windowMs: number | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Called once both listeners stand, whether the gateway is admitted yet or not. */
  onReady(ready: GatewayReady): void
}

export interface GatewayReady {
  readonly ready: true
  readonly role: 'gateway'
  readonly pid: number
  readonly id: string
  readonly publicKey: string
  readonly urls: {readonly public: string; readonly tunnel: string}
}

/** Runs a gateway from its folder until the signal fires. @throws {CreoError} */
export async function runGateway(options: RunGatewayOptions): Promise<void> {
  const {coordinatorUrl, networkId, signal} = options
  const listen = parseListen(options.listen)
  const tunnelListen = parseListen(options.tunnel)
  const log = createLog({role: 'gateway', env: options.env})
  const directory = await openDataDirectory(options.data)
  const stopped = new AbortController()
  const failed = Promise.withResolvers<never>()
  // It may reject before anybody waits for it, when the start itself fails.
  failed.promise.catch(() => undefined)
  try {
    const key = await loadOrCreateKeyFile(directory.file('gateway.key'))
    const pinned = await pinNetwork(directory.file('network.json'), networkId, async () => {
      const {coordinatorKey, genesis} = await joinNetwork({coordinatorUrl, networkId, signal})
      return {networkId, coordinatorKey, network: genesis.network}
    })
    const client = createClient({coordinatorUrl, networkId, coordinatorKey: pinned.coordinatorKey, now: Date.now, signal})
    await keepClockMended({mend: (stop) => client.mendClock(stop), log, signal: AbortSignal.any([signal, stopped.signal])})
    const windowMs = options.windowMs ?? (pinned.network === 'development' ? DEVELOPMENT_WINDOW_MS : undefined)
    const gateway = await createGateway({
      dataDirectory: directory.path,
      key,
      network: networkId,
      coordinatorKey: pinned.coordinatorKey,
      source: client,
      listen,
      tunnelListen,
      log,
      now: () => client.nowMs(),
      monotonicMs: () => performance.now(),
      random: Math.random,
      ...(windowMs !== undefined && {windowMs}),
      onFatal: failed.reject
    })
    try {
      const urls = {public: gateway.publicUrl, tunnel: gateway.tunnelUrl}
      options.onReady({ready: true, role: 'gateway', pid: process.pid, id: gateway.id, publicKey: key.publicKey, urls})
      await Promise.race([untilAborted(signal), failed.promise])
    } finally {
      await gateway.close()
      await client.close()
    }
  } finally {
    stopped.abort()
    await directory.close()
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), {once: true})
  })
}
