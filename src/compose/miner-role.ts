import type {Interfaces} from '@oclif/core'
import {Client} from '../client/client.ts'
import {Connection} from '../client/connection.ts'
import {joinNetwork} from '../client/join.ts'
import {type DataDirectory, openDataDirectory} from '../config/data-directory.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {type KeyPair, loadOrCreateKeyFile, nodeIdOf} from '../identity/keys.ts'
import type {DrainReport} from '../miner/drain.ts'
import {enroll} from '../miner/enrolment.ts'
import {followSettings} from '../miner/follow-settings.ts'
import {hostDefaults} from '../miner/host-defaults.ts'
import {createMiner} from '../miner/miner.ts'
import type {Miner} from '../miner/miner-options.ts'
import {type GivenSettings, loadSettings, type MinerSettings, mergeSettings, saveSettings, termsOf} from '../miner/settings.ts'
import type {MinerStatus} from '../miner/status-file.ts'
import {findRuntimes} from '../runtime/find-runtimes.ts'
import type {ContainerRuntime, RuntimeProbe} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import {createRuntime, runtimeTools} from './runtimes.ts'

export interface MinerRoleOptions {
  readonly directory: string
  readonly given: GivenSettings
  readonly token: string | undefined
  readonly allowUnlimited: boolean
  readonly config: Pick<Interfaces.Config, 'runHook'> & Partial<Pick<Interfaces.Config, 'version'>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

/**
 * Runs one node of a network until the signal fires, then drains it. What was given is remembered once the network and the runtime answered, so
 * that a mistake is not.
 * @throws {CreoError} `usage` when something needed was never given; `runtime_missing`; `not_a_host_of_limits`; what the network refuses.
 */
export async function runMiner(
  options: MinerRoleOptions,
  onReady: (status: MinerStatus) => void,
  signal: AbortSignal
): Promise<DrainReport> {
  const data = await openDataDirectory(options.directory)
  try {
    const nodeKey = await loadOrCreateKeyFile(data.file('node.key'))
    const remembered = await loadSettings(data.path)
    const settings = await pinned(mergeSettings(remembered, options.given, hostDefaults()), signal)
    const connection = connectionTo(settings)
    const client = new Client(connection, nodeKey, 'new')
    try {
      const runtime = await openRuntime(options, settings, data)
      try {
        const {architecture} = await runtime.probe(signal)
        await saveSettings(data.path, settings)
        const parts = {options, settings, connection, client, nodeKey, data, runtime, onReady}
        if (!settings.enrolled) await enrollOnce({...parts, architecture}, signal)
        return await mine(parts, signal)
      } finally {
        await runtime.close()
      }
    } finally {
      await client.close()
    }
  } finally {
    await data.close()
  }
}

/** Asks the coordinator once for the genesis, and believes it by its hash. */
async function pinned(settings: MinerSettings, signal: AbortSignal): Promise<MinerSettings> {
  if (settings.coordinatorKey !== null && settings.network !== null) return settings
  const {coordinatorUrl, networkId} = settings
  const {coordinatorKey, genesis} = await joinNetwork({coordinatorUrl, networkId, signal})
  return {...settings, coordinatorKey, network: genesis.network}
}

function connectionTo({coordinatorUrl, networkId, coordinatorKey}: MinerSettings): Connection {
  const {signal} = new AbortController()
  return new Connection({coordinatorUrl, networkId, coordinatorKey: coordinatorKey ?? '', now: Date.now, signal})
}

async function openRuntime(options: MinerRoleOptions, settings: MinerSettings, data: DataDirectory): Promise<ContainerRuntime> {
  const {config, env, log} = options
  const tools = await runtimeTools({
    stateDirectory: data.file('runtime'),
    env,
    log: (level, message, facts) => log[level](facts ?? {}, message)
  })
  return await createRuntime({found: await findRuntimes(config), name: settings.runtime, tools})
}

interface Parts {
  readonly options: MinerRoleOptions
  readonly settings: MinerSettings
  readonly connection: Connection
  readonly client: Client
  readonly nodeKey: KeyPair
  readonly data: DataDirectory
  readonly runtime: ContainerRuntime
}

async function enrollOnce(parts: Parts & {readonly architecture: RuntimeProbe['architecture']}, signal: AbortSignal): Promise<void> {
  const {options, settings, client, nodeKey, data, architecture} = parts
  const node = nodeIdOf(nodeKey.publicKey)
  await enroll({client, node, name: settings.name, architecture, token: options.token}, signal)
  await saveSettings(data.path, {...settings, enrolled: true})
}

async function mine(parts: Parts & {readonly onReady: (status: MinerStatus) => void}, signal: AbortSignal): Promise<DrainReport> {
  const {options, settings, connection, client, nodeKey, data, runtime, onReady} = parts
  const {coordinatorUrl, networkId, coordinatorKey, network} = settings
  const miner = await createMiner({
    dataDirectory: data.path,
    nodeKey,
    network: {id: networkId, coordinatorKey: coordinatorKey ?? '', kind: network ?? 'production'},
    coordinatorUrl,
    ...(options.config.version !== undefined && {version: options.config.version}),
    client,
    runtime,
    terms: termsOf(settings),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    allowUnlimited: options.allowUnlimited,
    now: () => client.nowMs(),
    mendClock: (ended) => connection.mendClock(ended),
    monotonicMs: () => performance.now(),
    random: Math.random,
    log: options.log
  })
  const ended = new AbortController()
  const onTerms = (terms: OwnerTerms): Promise<void> => miner.apply(terms)
  const following = followSettings({dataDirectory: data.path, log: options.log, onTerms}, ended.signal)
  const failure = await untilStopped(miner, onReady, signal)
  ended.abort()
  await following
  const report = await miner.drain()
  if (failure !== undefined) throw failure
  return report
}

/** Answers the error for which the miner can't go on, or undefined when it was asked to stop. */
async function untilStopped(miner: Miner, onReady: (status: MinerStatus) => void, signal: AbortSignal): Promise<unknown> {
  try {
    await miner.start(signal)
  } catch (error) {
    return error
  }
  onReady(miner.status)
  const {promise: stopped, resolve} = Promise.withResolvers<undefined>()
  signal.addEventListener('abort', () => resolve(undefined), {once: true})
  if (signal.aborted) resolve(undefined)
  const crashed = miner.crashed.then((cause) => new CreoError('internal', 'The miner failed.', {cause}))
  return await Promise.race([stopped, crashed])
}
