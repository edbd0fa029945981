import {once} from 'node:events'
import {copyFile, mkdir, writeFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {onTestFinished} from 'vitest'
import {Client, createClient} from '../../src/client/client.ts'
import {Connection} from '../../src/client/connection.ts'
import type {OwnerTerms} from '../../src/core/availability.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import type {NodeTable} from '../../src/core/protocol/tables.ts'
import {type KeyPair, loadOrCreateKeyFile, nodeIdOf} from '../../src/identity/keys.ts'
import {buildImage} from '../../src/images/build-image.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {createMiner} from '../../src/miner/miner.ts'
import type {Miner, MinerOptions} from '../../src/miner/miner-options.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import type {ContainerRuntime, HeldTier} from '../../src/runtime/port.ts'
import {type FakeCoordinator, startFakeCoordinator} from '../support/fake-coordinator.ts'
import {type FakeGateway, startFakeGateway} from './fake-gateway.ts'
import {changedRuntime, MIB, quietLog, revisionEntry, temporaryDirectory} from './worlds.ts'

export const signal = new AbortController().signal

export const TERMS: OwnerTerms = {
  earn: ['colibris/LEAF'],
  memoryBytes: 256 * MIB,
  cpuMillis: 1000,
  diskBytes: 2 ** 30,
  dataBytesPerMonth: null,
  hours: null,
  functionsMax: 256,
  onlyIdle: false,
  onBattery: true
}

export interface World {
  readonly directory: string
  readonly coordinator: FakeCoordinator
  readonly gateway: FakeGateway
  readonly nodeKey: KeyPair
  readonly node: string
  readonly runtime: ContainerRuntime
  /** A table with one lease that ends in an hour, changed as said. */
  table(changes?: {spec?: Partial<RevisionSpec>; lease?: Partial<NodeTable['leases'][number]>; leases?: []; gateways?: []}): NodeTable
  miner(changes?: Partial<MinerOptions>): Promise<Miner>
}

const echo: MemoryFunction = (process) => (_request, response) => {
  process.log('asked')
  response.end('from the function')
}

/** Nothing waits unless `tiers` says that it can. `program` is what the image has in it, for a runtime that runs images. */
export async function world(body: MemoryFunction = echo, tiers: readonly HeldTier[] = [], program?: string): Promise<World> {
  const directory = await temporaryDirectory()
  const coordinator = await startFakeCoordinator(join(directory, 'coordinator'))
  onTestFinished(() => coordinator.stop())
  const dataDirectory = join(directory, 'm')
  await mkdir(dataDirectory)
  const nodeKey = await loadOrCreateKeyFile(join(dataDirectory, 'node.key'))
  const node = nodeIdOf(nodeKey.publicKey)
  coordinator.admit(nodeKey.publicKey)
  const gateway = await startFakeGateway({network: coordinator.network, nodes: new Map([[node, nodeKey.publicKey]])})
  const image = await pushedImage({directory, coordinator, nodeKey, program})
  const memory = createMemoryRuntime({directory: join(directory, 'r'), images: new Map([[image.manifestDigest, body]])})
  const runtime = changedRuntime(memory, {probe: async (ended) => ({...(await memory.probe(ended)), tiers})})
  const table: World['table'] = (changes = {}) => {
    const revision = revisionEntry(image.indexDigest, changes.spec)
    const nowMs = Date.now()
    const times = {startsAtMs: nowMs - 1000, endsAtMs: nowMs + 3_600_000}
    const budgets = [{incentive: 'colibris/LEAF', amountMinor: 1000}]
    const lease = {id: 'lea_9', node, revision: revision.id, ...times, budgets, ...changes.lease}
    return {kind: 'node', node, leases: changes.leases ?? [lease], revisions: [revision], gateways: changes.gateways ?? [gateway.entry]}
  }
  return {
    directory,
    coordinator,
    gateway,
    nodeKey,
    node,
    runtime,
    table,
    miner: (changes) => openMiner({coordinator, nodeKey, runtime, dataDirectory}, changes)
  }
}

async function openMiner(
  parts: Pick<World, 'coordinator' | 'nodeKey' | 'runtime'> & {readonly dataDirectory: string},
  changes: Partial<MinerOptions> = {}
): Promise<Miner> {
  const {coordinator, nodeKey, runtime, dataDirectory} = parts
  const network = {id: coordinator.network, coordinatorKey: coordinator.key.publicKey, kind: 'development'} as const
  const connection = new Connection({
    coordinatorUrl: coordinator.url,
    networkId: network.id,
    coordinatorKey: network.coordinatorKey,
    now: changes.now ?? Date.now,
    signal
  })
  const client = new Client(connection, nodeKey, 'new')
  onTestFinished(() => client.close())
  const mendClock = (ended: AbortSignal): Promise<number> => connection.mendClock(ended)
  const clocks = {monotonicMs: () => performance.now(), random: () => 0.5}
  const self = {dataDirectory, nodeKey, network, coordinatorUrl: coordinator.url, client, runtime, terms: TERMS, timeZone: 'UTC'}
  const miner = await createMiner({
    ...self,
    allowUnlimited: true,
    ...clocks,
    log: quietLog,
    ...changes,
    now: () => client.nowMs(),
    mendClock
  })
  await miner.start(signal)
  return miner
}

async function pushedImage({
  directory,
  coordinator,
  nodeKey,
  program
}: Pick<World, 'directory' | 'coordinator' | 'nodeKey'> & {readonly program: string | undefined}) {
  const folder = join(directory, 'f')
  await mkdir(folder)
  await (program === undefined ? writeFile(join(folder, 'main'), 'a function') : copyFile(program, join(folder, 'main')))
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const layoutDirectory = join(directory, 'layout')
  const image = await buildImage({
    platforms: [{architecture, base: 'scratch'}],
    folder,
    argv: ['/app/main'],
    env: {},
    layoutDirectory,
    signal
  })
  const {network, key, url} = coordinator
  const client = createClient({
    coordinatorUrl: url,
    networkId: network,
    coordinatorKey: key.publicKey,
    now: Date.now,
    key: nodeKey,
    account: 'new'
  })
  await pushImage({registryUrl: url, repository: 'colibris/shop/site', authorize: client.authorizeRegistry, layoutDirectory, signal})
  await client.close()
  return image
}

export async function started(w: World, instance = 'i-1'): Promise<unknown> {
  const link = await w.gateway.link(w.node)
  link.send({type: 'start', instance, revision: 'rev_7', lease: 'lea_9'})
  return await w.gateway.next('started', 'start_failed')
}

export async function prepared(w: World): Promise<{manifestDigest: string}> {
  const {readLayoutRoot} = await import('../../src/images/layout.ts')
  const {readdir} = await import('node:fs/promises')
  const layouts = join(w.directory, 'm', 'images', 'layouts')
  const [name = ''] = await readdir(layouts)
  return {manifestDigest: (await readLayoutRoot(join(layouts, name))).digest}
}

/** A registry on a very slow line: it takes requests and never answers. */
export async function stalledRegistry(): Promise<{url: string; asked: Promise<void>}> {
  const asked = Promise.withResolvers<void>()
  const server = createServer(() => asked.resolve())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: asked.promise}
}
