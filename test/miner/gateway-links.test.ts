import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {GatewayLinks} from '../../src/miner/gateway-links.ts'
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
