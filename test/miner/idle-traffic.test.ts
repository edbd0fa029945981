import {once} from 'node:events'
import {type AddressInfo, connect, createServer} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {IDLE_SIZES} from '../../src/core/idle-traffic.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {Heartbeats} from '../../src/miner/heartbeats.ts'
import {LogRing} from '../../src/miner/log-ring.ts'
import {followTable} from '../../src/miner/table-feed.ts'
import {connectTunnel} from '../../src/tunnel/dial.ts'
import {randomToken} from '../../src/tunnel/dial-upgrade.ts'
import {startWorld} from '../coordinator/coordinator-world.ts'
import {startFakeGateway} from './fake-gateway.ts'
import {NETWORK, quietLog} from './worlds.ts'

const OFFER = {
  earn: ['colibris/LEAF', 'gutta', 'org:colibris'],
  architecture: 'amd64' as const,
  runtime: 'containerd',
  enforcesLimits: true,
  memoryBytes: 16 * 2 ** 30,
  cpuMillis: 16_000,
  draining: false
}

/** A line to an address that counts what it carries. */
async function countingLine(to: string) {
  const counted = {bytes: 0, opened: 0, up: [] as number[], down: [] as number[]}
  const server = createServer((near) => {
    counted.opened += 1
    const far = connect(Number(new URL(to).port), '127.0.0.1')
    for (const [from, into, list] of [[near, far, counted.up] as const, [far, near, counted.down] as const]) {
      from.on('data', (chunk: Buffer) => {
        counted.bytes += chunk.length
        list.push(chunk.length)
        into.write(chunk)
      })
      from.on('error', () => undefined).on('close', () => into.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return {counted, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`}
}

test('a heartbeat, a wait for a newer table, and a new table of a node with one lease move what is reckoned, all over one connection', async () => {
  const world = await startWorld()
  onTestFinished(() => world.close())
  const {actors} = world
  await actors.colibris()
  await actors.gateway(world.operator)
  const node = await actors.node(await actors.person('ann'))
  await actors.heartbeat(node)
  await actors.leased(node)
  const {counted, url} = await countingLine(world.coordinator.url)
  const {networkId, coordinatorKey} = actors
  const client = createClient({coordinatorUrl: url, networkId, coordinatorKey, now: Date.now, key: node.key, account: 'new'})
  onTestFinished(() => client.close())
  const beat = {node: node.id, ...OFFER, instances: 0, running: [], logs: []}
  const moved = async (what: () => Promise<unknown>): Promise<number> => {
    counted.bytes = 0
    await what()
    return counted.bytes
  }
  let version = 0
  expect(
    await moved(async () => {
      version = (await client.nodeTable(0, 0))?.signed.version ?? 0
    })
  ).toBeLessThanOrEqual(IDLE_SIZES.newTable)
  const heartbeat = await moved(() => client.heartbeat(beat))
  expect(heartbeat).toBeLessThanOrEqual(IDLE_SIZES.heartbeat)
  expect(heartbeat).toBeGreaterThan(IDLE_SIZES.heartbeat / 2)
  expect(await moved(() => client.nodeTable(version, 200, undefined, {deltas: true}))).toBeLessThanOrEqual(IDLE_SIZES.tablePoll)
  expect(await moved(() => client.heartbeat(beat))).toBeLessThanOrEqual(IDLE_SIZES.heartbeat)
  expect(counted.opened).toBe(1)
})

test('a ping and its answer move what is reckoned', async () => {
  const nodeKey = generateKeyPair()
  const gateway = await startFakeGateway({network: NETWORK, nodes: new Map([[nodeIdOf(nodeKey.publicKey), nodeKey.publicKey]])})
  const {counted, url} = await countingLine(gateway.entry.tunnelUrl)
  const session = await connectTunnel({
    gateway: {id: gateway.id, tunnelUrl: url},
    network: NETWORK,
    nodeKey,
    session: randomToken(),
    now: Date.now,
    signal: new AbortController().signal,
    onMessage: () => undefined,
    onBind: () => undefined,
    idle: () => 0,
    pingMs: 40
  })
  const [up, down] = [counted.up.length, counted.down.length]
  await expect.poll(() => counted.down.length).toBeGreaterThanOrEqual(down + 3)
  session.close()
  expect((counted.up.at(-1) ?? 0) + (counted.down.at(-1) ?? 0)).toBeLessThanOrEqual(IDLE_SIZES.ping)
  expect(counted.up.length).toBeGreaterThan(up)
})

/** A miner's two ways of asking, a coordinator that counts them, and everything a hundred times as fast. */
function idleWorld(everyMs: number) {
  const stop = new AbortController()
  const asked: ('heartbeat' | 'table' | 'answered')[] = []
  let answerTable: (how: 'newer' | 'failed') => void = () => undefined
  const state = {idleTable: 1 as number | undefined, draining: false, looks: 0, isUp: true}
  const client = {
    heartbeat: async () => {
      if (!state.isUp) throw new Error('nobody is there')
      asked.push('heartbeat')
      return {ok: true as const, noWorkReason: null, everyMs}
    },
    nodeTable: async (_after: number, waitMs: number, signal?: AbortSignal) => {
      asked.push('table')
      const {promise, resolve, reject} = Promise.withResolvers<undefined>()
      const timer = setTimeout(() => resolve(undefined), Math.min(waitMs, 0.9 * everyMs))
      const end = (how: 'newer' | 'failed'): void => {
        clearTimeout(timer)
        if (how === 'failed') reject(new Error('cut'))
        else resolve(undefined)
      }
      answerTable = end
      signal?.addEventListener('abort', () => end('failed'), {once: true})
      await promise
      asked.push('answered')
      return undefined
    }
  }
  const logs = new LogRing()
  const heartbeats = new Heartbeats({
    client,
    describe: () => ({node: `node_${'0'.repeat(32)}`, ...OFFER, draining: state.draining, instances: 0, running: []}),
    idleTable: () => state.idleTable,
    logs,
    secrets: {noticed: () => undefined},
    now: Date.now,
    random: () => 0.5,
    lookMs: 10,
    log: quietLog,
    onLook: async () => {
      state.looks += 1
    }
  })
  const book = {version: 1, accept: async () => 'newer'} as unknown as Parameters<typeof followTable>[0]['book']
  const run = async (): Promise<void> => {
    await heartbeats.beat(stop.signal)
    const feed = followTable({client, book, heartbeats, random: () => 0.5, log: quietLog, onNewer: () => undefined}, stop.signal)
    await Promise.all([heartbeats.run(stop.signal), feed])
  }
  const ended = run()
  onTestFinished(async () => {
    stop.abort()
    await ended
  })
  const count = (what: 'heartbeat' | 'table'): number => asked.filter((one) => one === what).length
  const looksPass = async (looks: number): Promise<void> => {
    const from = state.looks
    await expect.poll(() => state.looks).toBeGreaterThanOrEqual(from + looks)
  }
  return {state, logs, count, asked, looksPass, cut: () => answerTable('failed')}
}

test('a node with nothing new to say says nothing, and all that is new within one look, once', async () => {
  const {state, logs, count, looksPass} = idleWorld(600_000)
  await looksPass(3)
  // The first one, and a second that fetches what came of it.
  expect([count('heartbeat'), count('table')]).toEqual([2, 1])
  await looksPass(30)
  expect([count('heartbeat'), count('table')]).toEqual([2, 1])
  logs.add({revision: 'rev_7', instance: 'i-1', atMs: 1, line: 'asked'})
  await looksPass(10)
  expect(count('heartbeat')).toBe(3)
  state.draining = true
  await looksPass(10)
  expect(count('heartbeat')).toBe(5)
  state.idleTable = 2
  await looksPass(10)
  expect([count('heartbeat'), count('table')]).toEqual([7, 1])
  // Work begins: the reason why there was none is gone. What tables say from then on is no news to the coordinator.
  state.idleTable = undefined
  await looksPass(10)
  expect([count('heartbeat'), count('table')]).toEqual([9, 1])
})

test('a node whose wait for a table was cut says that it is there: the coordinator may have forgotten it', async () => {
  const {state, count, looksPass, cut} = idleWorld(600_000)
  await looksPass(3)
  state.isUp = false
  cut()
  await looksPass(5)
  expect(count('heartbeat')).toBe(2)
  state.isUp = true
  await looksPass(10)
  expect(count('heartbeat')).toBe(4)
  await expect.poll(() => count('table')).toBe(2)
})

test('heartbeats that are due go with the wait for a table that has just ended', async () => {
  const {asked, looksPass} = idleWorld(300)
  await looksPass(100)
  const rest = asked.slice(asked.indexOf('answered'))
  const before = rest.flatMap((what, at) => (what === 'heartbeat' ? [rest[at - 1]] : []))
  expect(before.length).toBeGreaterThanOrEqual(2)
  expect(new Set(before), rest.join()).toEqual(new Set(['answered']))
})
