import {mkdtemp, rm} from 'node:fs/promises'
import {request as ask, type OutgoingHttpHeaders} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import type {ScaleSettings} from '../../src/core/autoscaling.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import {type RoutesTable, routesTableSchema, type SignedTable} from '../../src/core/protocol/tables.ts'
import type {AsyncChoices} from '../../src/gateway/async/async-calls.ts'
import type {ConductSink} from '../../src/gateway/conduct-reports.ts'
import {createGateway, type Gateway} from '../../src/gateway/gateway.ts'
import type {GatewayOptions} from '../../src/gateway/gateway-options.ts'
import type {ReachTimes} from '../../src/gateway/reach-probes.ts'
import type {GatewaySettings} from '../../src/gateway/settings.ts'
import type {ProbeTimes} from '../../src/gateway/standby-watch.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {signTable} from '../../src/identity/tables.ts'
import {createLog, type Log} from '../../src/telemetry/log.ts'
import {type FakeMiner, type FakeMinerOptions, startFakeMiner} from './fake-miner.ts'

export const NETWORK = 'c'.repeat(64)
const OWNER = `acc_${'1'.repeat(32)}`
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface GatewayWorld {
  gateway: Gateway
  readonly key: KeyPair
  /** Signs tables, and what the coordinator asks of the gateway. */
  readonly coordinator: KeyPair
  readonly directory: string
  /** What the coordinator would publish now; change it, then `publish`. */
  table: RoutesTable
  publish(): void
  /** From now on nothing newer comes, whatever is asked. */
  coordinatorDown: boolean
  readonly fatal: unknown[]
  addMiner(
    options: Partial<FakeMinerOptions> & Pick<FakeMinerOptions, 'serve'>,
    lease?: {budgetMinor?: number; revision?: string}
  ): Promise<FakeMiner>
  /** Asks for app `shop` of org `acme`. */
  ask(path: string, options?: {method?: string; headers?: OutgoingHttpHeaders; body?: string; host?: string}): Promise<Answer>
  /** Stops this gateway process and starts another one on the same folder. */
  restart(): Promise<void>
  close(): Promise<void>
}

const spec: RevisionSpec = {
  command: [],
  port: 8080,
  memoryBytes: 64 * 2 ** 20,
  cpuMillis: 100,
  concurrency: 50,
  timeoutMs: 20_000,
  scaleMin: 0,
  scaleMax: 5,
  env: {},
  egress: [],
  rewards: [{incentive: 'acme/LEAF', requestsPerMillionMinor: 1_000_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 1_000_000}]
}

/** A gateway on free ports with a coordinator that is only a signed table. */
export async function openGatewayWorld(
  options: {
    readonly spec?: Partial<RevisionSpec>
    readonly windowMs?: number
    readonly scale?: ScaleSettings
    readonly tickMs?: number
    readonly settings?: GatewaySettings
    readonly log?: Log
    readonly probes?: ProbeTimes
    readonly async?: AsyncChoices
    /** Who is told what was seen of nodes, and how often; nobody, when left out. */
    readonly conduct?: {readonly sink: ConductSink; readonly everyMs: number}
    /** Never, when left out. */
    readonly reach?: ReachTimes
    /** The machine's own, when left out. */
    readonly clock?: Pick<GatewayOptions, 'now' | 'onClockSkew'>
  } = {}
): Promise<GatewayWorld> {
  const coordinator = generateKeyPair()
  const key = generateKeyPair()
  const directory = await mkdtemp(join(tmpdir(), 'creo-gateway-'))
  const miners: FakeMiner[] = []
  const waiters = new Set<() => void>()
  const fatal: unknown[] = []
  let version = 1
  let leases = 0

  const signed = (): SignedTable => signTable({network: NETWORK, version, body: z.encode(routesTableSchema, world.table), key: coordinator})
  const source = {
    routesTable: async (after: number, _waitMs: number, signal: AbortSignal) => {
      while (after >= version || world.coordinatorDown) {
        await new Promise<void>((resolve, reject) => {
          waiters.add(resolve)
          signal.addEventListener('abort', () => reject(signal.reason), {once: true})
          if (signal.aborted) reject(signal.reason)
        })
      }
      return {signed: signed()}
    }
  }
  const start = (): Promise<Gateway> =>
    createGateway({
      dataDirectory: directory,
      key,
      network: NETWORK,
      coordinatorKey: coordinator.publicKey,
      source,
      listen: {host: '127.0.0.1', port: 0},
      tunnelListen: {host: '127.0.0.1', port: 0},
      log: options.log ?? createLog({role: 'gateway', env: {CREO_LOG_LEVEL: process.env.CREO_LOG_LEVEL ?? 'silent'}}),
      ...(options.clock ?? {now: Date.now}),
      monotonicMs: () => performance.now(),
      random: Math.random,
      windowMs: options.windowMs ?? 60_000,
      ...(options.scale !== undefined && {scale: options.scale}),
      ...(options.tickMs !== undefined && {tickMs: options.tickMs}),
      ...(options.settings !== undefined && {settings: options.settings}),
      ...(options.probes !== undefined && {probes: options.probes}),
      ...(options.async !== undefined && {async: options.async}),
      ...(options.conduct !== undefined && {conductSink: options.conduct.sink, conductEveryMs: options.conduct.everyMs}),
      reach: options.reach ?? {firstMs: HOUR_MS, everyMs: HOUR_MS, retryMs: HOUR_MS},
      onFatal: (error) => fatal.push(error)
    })

  const world: GatewayWorld = {
    key,
    coordinator,
    directory,
    fatal,
    coordinatorDown: false,
    gateway: undefined as unknown as Gateway,
    table: {
      kind: 'routes',
      apps: [
        {
          org: 'acme',
          app: 'shop',
          routes: [
            {path: '/', function: 'site'},
            {path: '/api', function: 'api'}
          ],
          functions: [
            {function: 'site', revision: 'rev_1'},
            {function: 'api', revision: 'rev_2'}
          ]
        }
      ],
      revisions: [
        {
          id: 'rev_1',
          org: 'acme',
          app: 'shop',
          function: 'site',
          imageDigest: `sha256:${'0'.repeat(64)}`,
          spec: {...spec, ...options.spec}
        },
        {id: 'rev_2', org: 'acme', app: 'shop', function: 'api', imageDigest: `sha256:${'0'.repeat(64)}`, spec: {...spec, ...options.spec}}
      ],
      leases: [],
      nodes: [],
      gateways: [
        {
          id: gatewayIdOf(key.publicKey),
          publicKey: key.publicKey,
          name: 'gw',
          tunnelUrl: 'http://127.0.0.1:1',
          publicUrl: 'http://apps.example:80'
        }
      ]
    },
    publish: () => {
      version += 1
      for (const wake of waiters) wake()
      waiters.clear()
    },
    addMiner: async (minerOptions, lease = {}) => {
      const minerKey = minerOptions.key ?? generateKeyPair()
      const node = `node_${minerKey.keyId}`
      const nowMs = Date.now()
      world.table.nodes.push({id: node, publicKey: minerKey.publicKey, owner: OWNER})
      for (const revision of lease.revision === undefined ? ['rev_1', 'rev_2'] : [lease.revision]) {
        leases += 1
        const budgets = [{incentive: 'acme/LEAF', amountMinor: lease.budgetMinor ?? 1_000_000}]
        world.table.leases.push({id: `lea_${leases}`, node, revision, startsAtMs: nowMs - 1000, endsAtMs: nowMs + DAY_MS, budgets})
      }
      world.publish()
      const miner = await startFakeMiner({
        gateway: {id: world.gateway.id, tunnelUrl: world.gateway.tunnelUrl},
        network: NETWORK,
        ...minerOptions,
        key: minerKey
      })
      miners.push(miner)
      await miner.connected
      return miner
    },
    ask: (path, {method = 'GET', headers = {}, body, host = 'shop--acme.localhost'} = {}) =>
      new Promise((resolve, reject) => {
        const asked = ask(`${world.gateway.publicUrl}${path}`, {method, headers: {host, ...headers}, agent: false}, (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            text += chunk
          })
          response.on('end', () => resolve({status: response.statusCode ?? 0, headers: response.headers, body: text}))
          response.on('error', reject)
        })
        asked.on('error', reject)
        asked.end(body)
      }),
    restart: async () => {
      await world.gateway.close()
      world.gateway = await start()
    },
    close: async () => {
      for (const miner of miners) await miner.close()
      await world.gateway.close()
      await rm(directory, {recursive: true, force: true})
    }
  }
  world.gateway = await start()
  // The first table comes over the source, as it would from a coordinator.
  while (world.gateway.status().tableVersion < version) await new Promise((resolve) => setImmediate(resolve))
  return world
}
