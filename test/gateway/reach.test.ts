import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {afterEach, expect, onTestFinished, test} from 'vitest'
import {IDLE_SIZES} from '../../src/core/idle-traffic.ts'
import {TUNNEL_IDLE_MAX} from '../../src/core/protocol/tunnel.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {GatewayLinks} from '../../src/miner/gateway-links.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {type GatewayWorld, NETWORK, openGatewayWorld} from '../support/gateway-world.ts'

const OFTEN = {firstMs: 0, everyMs: 500, retryMs: 500}
const ONCE = {firstMs: 0, everyMs: 3_600_000, retryMs: 3_600_000}
const WAIT = {timeout: 45_000, interval: 50}
const SWITCHED = /HTTP\/1\.1 101 /

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

/** A line to the gateway's tunnel that counts what it carries, and the connections that stand. */
async function countedLine() {
  const line = {bytes: 0, standing: 0, url: ''}
  const ends = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(new URL(world.gateway.tunnelUrl).port), '127.0.0.1')
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      ends.add(from)
      from.on('data', (chunk: Buffer) => {
        line.bytes += chunk.length
        if (from === far && SWITCHED.test(chunk.toString('latin1'))) line.standing += 1
        to.write(chunk)
      })
      from.on('error', () => undefined).on('close', () => to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const end of ends) end.destroy()
    server.close()
  })
  line.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return line
}

/** The miner's end of the tunnel as it is, without functions. */
async function realLinks() {
  const nodeKey = generateKeyPair()
  world.table.nodes.push({id: nodeIdOf(nodeKey.publicKey), publicKey: nodeKey.publicKey, owner: `acc_${'1'.repeat(32)}`})
  world.publish()
  const line = await countedLine()
  const links = new GatewayLinks({
    network: NETWORK,
    nodeKey,
    now: Date.now,
    monotonicMs: () => performance.now(),
    log: createLog({role: 'miner', env: {CREO_LOG_LEVEL: 'silent'}}),
    onClockSkew: () => undefined,
    greet: () => [{type: 'ready', instances: []}],
    onMessage: () => undefined,
    onBind: (_gateway, _instance, socket) => void socket.destroy(),
    unsigned: {meter: {movedBytes: () => 0}, store: {hasRoom: () => true}, onLeft: () => undefined}
  })
  const [own] = world.table.gateways
  if (own === undefined) throw new Error('the table has no gateway')
  links.sync([{...own, tunnelUrl: line.url}])
  onTestFinished(() => links.close())
  return {links, line, reach: () => links.all[0]}
}

function publicAddress(publicUrl: string): void {
  world.table.gateways = world.table.gateways.map((gateway) => ({...gateway, publicUrl}))
  world.publish()
}

test('a gateway asks for each miner at its own public address, and the miner hears when that reached it, and since when it does not', async () => {
  world = await openGatewayWorld({reach: OFTEN})
  publicAddress(world.gateway.publicUrl)
  const began = Date.now()
  const {reach} = await realLinks()
  await expect.poll(() => reach()?.reachedAtMs, WAIT).toBeGreaterThanOrEqual(began)
  expect(reach()).toMatchObject({connected: true, reachedInMs: expect.any(Number), unreachedSinceMs: null})
  expect(world.gateway.status().requests).toBe(0)
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const nobody = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`
  closed.close()
  publicAddress(nobody)
  await expect.poll(() => reach()?.unreachedSinceMs, WAIT).toBeGreaterThan(began)
  expect(reach()).toMatchObject({connected: true, reachedAtMs: expect.any(Number)})
  publicAddress(world.gateway.publicUrl)
  await expect.poll(() => reach()?.unreachedSinceMs, WAIT).toBeNull()
})

test('a test of the way moves few bytes over the line of the miner, and a stranger who asks for one moves none', async () => {
  world = await openGatewayWorld({reach: ONCE})
  const {line, reach} = await realLinks()
  await expect.poll(() => reach()?.roundTripMs, WAIT).not.toBeNull()
  // The miner opens its idle connections beside the first ping: on a busy machine the last of them stands after that has come back.
  await expect.poll(() => line.standing, WAIT).toBe(1 + TUNNEL_IDLE_MAX)
  const {bytes} = line
  for (const path of ['/.creo/reach/', `/.creo/reach/${'A'.repeat(22)}`])
    expect((await world.ask(path, {host: 'nobody.example'})).status).toBe(404)
  expect(line.bytes).toBe(bytes)
  publicAddress(world.gateway.publicUrl)
  await expect.poll(() => reach()?.reachedAtMs, WAIT).not.toBeNull()
  // Another idle one takes the place of the one that was used, beside the word that all went well.
  await expect.poll(() => line.standing, WAIT).toBe(2 + TUNNEL_IDLE_MAX)
  const [dialled] = world.gateway.status().miners
  expect(dialled?.dataConnections).toBeGreaterThan(0)
  expect(line.bytes - bytes).toBeLessThanOrEqual(IDLE_SIZES.reach)
  expect(line.bytes - bytes).toBeGreaterThan(IDLE_SIZES.reach / 4)
})

test('a miner of a version that does not know the test stays connected, and is told nothing', async () => {
  world = await openGatewayWorld({reach: OFTEN})
  publicAddress(world.gateway.publicUrl)
  const miner = await world.addMiner({serve: (_request, response) => response.end('hello')})
  const asked = Date.now()
  await expect.poll(() => Date.now() - asked, WAIT).toBeGreaterThan(2500)
  expect(miner.messages.map(({type}) => type)).not.toContain('reach')
  expect((await world.ask('/')).body).toBe('hello')
  expect(world.gateway.status().miners).toHaveLength(1)
})
