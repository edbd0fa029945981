import {once} from 'node:events'
import {createServer as createHttpServer} from 'node:http'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {bindLine} from '../../src/core/protocol/tunnel.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {GatewayLinks} from '../../src/miner/gateway-links.ts'
import {startFakeGateway} from './fake-gateway.ts'
import {gatewaySide, NETWORK, quietLog} from './worlds.ts'

test('a newer table leaves a dial that is under way alone', async () => {
  const accepted: Socket[] = []
  const server = createServer((socket) => {
    accepted.push(socket.on('error', () => undefined))
    // The first dial fails, and the second one waits for its answer.
    if (accepted.length === 1) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  const links = new GatewayLinks({
    network: NETWORK,
    nodeKey: generateKeyPair(),
    now: Date.now,
    monotonicMs: () => performance.now(),
    log: quietLog,
    onClockSkew: () => undefined,
    greet: () => [],
    onMessage: () => undefined,
    onBind: () => undefined,
    unsigned: {meter: {movedBytes: () => 0}, store: {hasRoom: () => true}, onLeft: () => undefined}
  })
  onTestFinished(async () => {
    await links.close()
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  const {id, publicKey} = gatewaySide()
  const entry = {id, publicKey, name: 'one', tunnelUrl: `http://127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}`}
  links.sync([entry])
  await expect.poll(() => accepted.length).toBe(2)
  links.sync([entry])
  links.sync([entry])
  // Whatever was dialled before these two has been accepted before them.
  for (let later = 0; later < 2; later += 1) {
    const before = accepted.length
    connect(port, '127.0.0.1').on('error', () => undefined)
    await expect.poll(() => accepted.length).toBeGreaterThan(before)
  }
  expect([accepted.length, accepted[1]?.readyState]).toEqual([4, 'open'])
})

test('a miner without traffic keeps one idle connection alive and not four; a probe changes nothing in that, and traffic does', async () => {
  const nodeKey = generateKeyPair()
  const node = nodeIdOf(nodeKey.publicKey)
  const gateway = await startFakeGateway({network: NETWORK, nodes: new Map([[node, nodeKey.publicKey]])})
  const stop = new AbortController()
  let nowMs = 0
  const links = new GatewayLinks({
    network: NETWORK,
    nodeKey,
    now: Date.now,
    monotonicMs: () => nowMs,
    log: quietLog,
    onClockSkew: () => undefined,
    greet: () => [],
    onMessage: () => undefined,
    onBind: (_gateway, _instance, socket) => void socket.destroy(),
    unsigned: {
      meter: {movedBytes: () => 0},
      store: {hasRoom: () => true},
      onLeft: () => undefined,
      times: {lookMs: 20, windowMs: 60_000, patienceMs: 30_000, leftForMs: 1000}
    }
  })
  const ended = links.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await ended
    await links.close()
  })
  links.sync([gateway.entry])
  const link = await gateway.link(node)
  const idle = (count: number) => expect.poll(() => [link.idleDataSockets, link.openDataSockets]).toEqual([count, count])
  const use = async (): Promise<void> => {
    const socket = await link.takeDataSocket(stop.signal)
    const bound = once(socket, 'end')
    socket.on('error', () => undefined).resume()
    socket.write(bindLine('i-1'))
    await bound
    socket.destroy()
  }
  await idle(4)
  nowMs += 600_000
  await idle(1)
  await use()
  await idle(1)
  nowMs += 120_000
  await use()
  await idle(1)
  nowMs += 1000
  await use()
  await idle(4)
})

test('a gateway that knows no node without a lease is dialled again within the hour, or at once with the table that brings the first one', async () => {
  const waits: number[] = []
  let dials = 0
  const server = createHttpServer().on('upgrade', (_request, socket) => {
    dials += 1
    const body = JSON.stringify({error: {code: 'unauthorized', message: 'Nobody knows it.'}})
    socket.end(`HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let leased = false
  const log = Object.assign(Object.create(quietLog), {info: ({retryMs}: {retryMs: number}) => void waits.push(retryMs)})
  const links = new GatewayLinks({
    network: NETWORK,
    nodeKey: generateKeyPair(),
    now: Date.now,
    monotonicMs: () => performance.now(),
    log,
    onClockSkew: () => undefined,
    isLeased: () => leased,
    greet: () => [],
    onMessage: () => undefined,
    onBind: () => undefined,
    unsigned: {meter: {movedBytes: () => 0}, store: {hasRoom: () => true}, onLeft: () => undefined}
  })
  onTestFinished(async () => {
    await links.close()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const {id, publicKey} = gatewaySide()
  const entry = {id, publicKey, name: 'one', tunnelUrl: url, publicUrl: url}
  links.sync([entry])
  await expect.poll(() => waits.length).toBe(1)
  expect(waits[0]).toBeGreaterThanOrEqual(1_800_000)
  expect(waits[0]).toBeLessThanOrEqual(3_600_000)
  leased = true
  links.sync([entry])
  await expect.poll(() => waits.length, {timeout: 10_000}).toBeGreaterThanOrEqual(3)
  expect(dials).toBeGreaterThanOrEqual(3)
  expect(Math.max(...waits.slice(1, 3))).toBeLessThan(1000)
})
