import {createClient} from '../client/client.ts'
import {joinNetwork} from '../client/join.ts'
import {openDataDirectory} from '../config/data-directory.ts'
import type {Genesis} from '../core/protocol/genesis.ts'
import {loadOrCreateKeyFile} from '../identity/keys.ts'
import {createLog, type Log} from '../telemetry/log.ts'
import {createGateway} from './gateway.ts'
import type {GatewayOptions} from './gateway-options.ts'
import {parseListen} from './listen.ts'
import {keepClockMended} from './network-clock.ts'
import {pinNetwork} from './network-file.ts'
import {readSettings} from './settings.ts'
import {createSteadyClock} from './steady-clock.ts'

/** Short enough that a developer sees pay while he looks. */
const DEVELOPMENT_WINDOW_MS = 1000
/** The same for what is seen of nodes. */
const DEVELOPMENT_CONDUCT_MS = 15_000

export interface RunGatewayOptions {
  readonly data: string
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly listen: string
  readonly tunnel: string
  /** The operator's file, see docs/GATEWAY.md; read again on SIGHUP, with the certificate. */
  readonly settings: string | undefined
  /** Paths, which go before those of the settings. */
  readonly tls: {readonly cert: string; readonly key: string} | undefined
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
  const settingsFrom = {path: options.settings, tls: options.tls}
  const settings = await readSettings(settingsFrom)
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
    const now = createSteadyClock(Date.now, () => performance.now())
    const client = createClient({coordinatorUrl, networkId, coordinatorKey: pinned.coordinatorKey, key, now, signal})
    const clock = await keepClockMended({
      mend: (stop) => client.mendClock(stop),
      aheadMs: () => Date.now() - now(),
      log,
      signal: AbortSignal.any([signal, stopped.signal])
    })
    const gateway = await createGateway({
      dataDirectory: directory.path,
      key,
      network: networkId,
      coordinatorKey: pinned.coordinatorKey,
      source: client,
      conductSink: client,
      listen,
      tunnelListen,
      log,
      now: () => client.nowMs(),
      onClockSkew: () => clock.doubt(),
      monotonicMs: () => performance.now(),
      random: Math.random,
      settings,
      ...pacesOf(pinned.network, options),
      onFatal: failed.reject
    })
    // Without files to read again, a terminal that is closed ends the gateway as it ends any program.
    const hasFiles = options.settings !== undefined || options.tls !== undefined
    const stopRereading = hasFiles ? rereadOnHangup(async () => gateway.useSettings(await readSettings(settingsFrom)), log) : undefined
    try {
      const urls = {public: gateway.publicUrl, tunnel: gateway.tunnelUrl}
      options.onReady({ready: true, role: 'gateway', pid: process.pid, id: gateway.id, publicKey: key.publicKey, urls})
      await Promise.race([untilAborted(signal), failed.promise])
    } finally {
      stopRereading?.()
      await gateway.close()
      await client.close()
    }
  } finally {
    stopped.abort()
    await directory.close()
  }
}

function pacesOf(
  network: Genesis['network'],
  {windowMs}: Pick<RunGatewayOptions, 'windowMs'>
): Pick<GatewayOptions, 'windowMs' | 'conductEveryMs'> {
  const own = windowMs === undefined ? {} : {windowMs}
  return network === 'development' ? {windowMs: DEVELOPMENT_WINDOW_MS, conductEveryMs: DEVELOPMENT_CONDUCT_MS, ...own} : own
}

/** What cannot be used is said and left: the gateway goes on with what it has. */
function rereadOnHangup(reread: () => Promise<void>, log: Log): () => void {
  const hangup = (): void => {
    reread().then(
      () => log.info('settings and certificate are read again'),
      (error: unknown) => log.error({err: error}, 'the settings cannot be used; the old ones stay')
    )
  }
  process.on('SIGHUP', hangup)
  return () => process.off('SIGHUP', hangup)
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), {once: true})
  })
}
