import {once} from 'node:events'
import {request} from 'node:http'
import {afterEach, describe, expect, it} from 'vitest'
import {signHello} from '../../src/identity/hello.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {connectTunnel} from '../../src/tunnel/dial.ts'
import {randomToken} from '../../src/tunnel/dial-upgrade.ts'
import {closeAll, dialOptions, type Gateway, NETWORK, NOW_MS, node, nodeKey, openGateway, textOf} from '../support/tunnel-gateway.ts'

afterEach(closeAll)

describe('a hello', () => {
  async function ask(gateway: Gateway, header: string): Promise<{status: number; code: string}> {
    const asked = request(`${gateway.url}/.creo/tunnel`, {
      headers: {connection: 'Upgrade', upgrade: 'creo-tunnel-v1', 'creo-hello': header}
    })
    asked.end()
    return new Promise((resolve, reject) => {
      asked.on('error', reject)
      asked.on('upgrade', (_response, socket) => {
        socket.destroy()
        resolve({status: 101, code: ''})
      })
      asked.on('response', (response) => {
        textOf(response).then((text) => resolve({status: response.statusCode ?? 0, code: JSON.parse(text).error.code}), reject)
      })
    })
  }
  const caller = {instance: 'i-1', lease: 'lea_1'}
  const helloFor = (gateway: Gateway, more: object = {}) =>
    ({
      v: 'creo-tunnel-v1',
      network: NETWORK,
      node,
      gateway: gateway.id,
      kind: 'control',
      session: randomToken(),
      nonce: randomToken(),
      atMs: NOW_MS,
      exporter: '',
      ...more
    }) as const satisfies Parameters<typeof signHello>[0]

  it('is refused when it was used before', async () => {
    const gateway = await openGateway()
    const header = signHello(helloFor(gateway), nodeKey)
    expect(await ask(gateway, header)).toEqual({status: 101, code: ''})
    expect(await ask(gateway, header)).toEqual({status: 409, code: 'replayed'})
  })

  it('is refused when it is forged, stale, foreign, of an unknown node or unreadable', async () => {
    const gateway = await openGateway()
    const stranger = generateKeyPair()
    const cases: [string, string, number, string][] = [
      ['forged', signHello(helloFor(gateway), stranger), 401, 'bad_signature'],
      ['stale', signHello(helloFor(gateway, {atMs: NOW_MS - 61_000}), nodeKey), 401, 'clock_skew'],
      ['from the future', signHello(helloFor(gateway, {atMs: NOW_MS + 61_000}), nodeKey), 401, 'clock_skew'],
      ['of another network', signHello(helloFor(gateway, {network: 'b'.repeat(64)}), nodeKey), 401, 'bad_signature'],
      ['for another gateway', signHello(helloFor(gateway, {gateway: `gw_${'0'.repeat(32)}`}), nodeKey), 401, 'bad_signature'],
      ['of another TLS connection', signHello(helloFor(gateway, {exporter: 'a'.repeat(64)}), nodeKey), 401, 'bad_signature'],
      ['unreadable', 'nonsense', 400, 'invalid_input'],
      ['data without a session', signHello(helloFor(gateway, {kind: 'data'}), nodeKey), 409, 'conflict'],
      ['calls without a session', signHello(helloFor(gateway, {kind: 'calls', caller}), nodeKey), 409, 'conflict'],
      ['of an unknown kind', signHello(helloFor(gateway, {kind: 'other'}), nodeKey), 400, 'invalid_input']
    ]
    for (const [name, header, status, code] of cases) expect([name, await ask(gateway, header)]).toEqual([name, {status, code}])
    expect(gateway.tunnel.links.size).toBe(0)
  })

  it('waits for its node to come up in the table', async () => {
    const gateway = await openGateway()
    const known = gateway.known.splice(0)
    const linked = gateway.nextLink()
    const {promise: held, resolve: onHeld} = Promise.withResolvers<void>()
    const connecting = connectTunnel(dialOptions(gateway, {onHeld}))
    await held
    expect(gateway.tunnel.links.size).toBe(0)
    gateway.known.push(...known)
    gateway.tunnel.nodesChanged()
    await connecting
    expect((await linked).node).toBe(node)
  })

  it('is forgotten when the miner gives up waiting', async () => {
    const gateway = await openGateway()
    const known = gateway.known.splice(0)
    const {promise: held, resolve: onHeld} = Promise.withResolvers<void>()
    const stop = new AbortController()
    const [, waiting] = await Promise.all([
      held.then(() => stop.abort()),
      once(gateway.server, 'upgrade').then(([, socket]) => once(socket, 'close')),
      connectTunnel(dialOptions(gateway, {onHeld, signal: stop.signal})).catch(() => undefined)
    ])
    gateway.known.push(...known)
    gateway.tunnel.nodesChanged()
    expect([waiting.length, gateway.tunnel.links.size]).toEqual([1, 0])
  })

  it('is refused when its node is still unknown at the end of the wait', async () => {
    const gateway = await openGateway()
    const stranger = generateKeyPair()
    gateway.server.once('upgrade', () => gateway.tunnel.close())
    const header = signHello(helloFor(gateway, {node: nodeIdOf(stranger.publicKey)}), stranger)
    expect(await ask(gateway, header)).toEqual({status: 401, code: 'unauthorized'})
  })

  it('tells the miner the code it was refused with', async () => {
    const gateway = await openGateway()
    await expect(connectTunnel(dialOptions(gateway, {now: () => NOW_MS + 120_000}))).rejects.toMatchObject({code: 'clock_skew'})
  })

  it('is not sent to an address where nobody listens', async () => {
    const gateway = await openGateway()
    gateway.server.close()
    await once(gateway.server, 'close')
    await expect(connectTunnel(dialOptions(gateway))).rejects.toMatchObject({code: 'unavailable'})
  })
})
