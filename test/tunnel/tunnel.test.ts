import {once} from 'node:events'
import {createServer, request, type Server} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import type {Duplex} from 'node:stream'
import {afterEach, describe, expect, it} from 'vitest'
import type {GatewayMessage, MinerMessage} from '../../src/core/protocol/tunnel.ts'
import {bindLine} from '../../src/core/protocol/tunnel.ts'
import {signHello} from '../../src/identity/hello.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {createTunnelServer, type TunnelServer} from '../../src/tunnel/accept.ts'
import {type ConnectTunnelOptions, connectTunnel, keepTunnel, type TunnelSession} from '../../src/tunnel/dial.ts'
import {randomToken} from '../../src/tunnel/dial-upgrade.ts'
import type {MinerLink} from '../../src/tunnel/miner-link.ts'
import {selfSignedCertificate} from '../../src/tunnel/self-signed.ts'

const NETWORK = 'a'.repeat(64)
const NOW_MS = 1_800_000_000_000
const never = new AbortController().signal
const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Gateway {
  readonly tunnel: TunnelServer
  readonly server: Server
  readonly url: string
  readonly id: string
  readonly messages: MinerMessage[]
  nextLink(): Promise<MinerLink>
  nextMessage(): Promise<MinerMessage>
}

const nodeKey = generateKeyPair()
const node = nodeIdOf(nodeKey.publicKey)

async function openGateway({pingMs, certificateOf}: {pingMs?: number; certificateOf?: (own: KeyPair) => KeyPair} = {}): Promise<Gateway> {
  const key = generateKeyPair()
  const id = gatewayIdOf(key.publicKey)
  const events = new EventTarget()
  const messages: MinerMessage[] = []
  const next = <T>(type: string): Promise<T> =>
    new Promise((resolve) => events.addEventListener(type, (event) => resolve((event as CustomEvent<T>).detail), {once: true}))
  const tunnel = createTunnelServer({
    network: NETWORK,
    gatewayId: id,
    publicKeyOf: (asked) => (asked === node ? nodeKey.publicKey : undefined),
    now: () => NOW_MS,
    onLink: (link) => events.dispatchEvent(new CustomEvent('link', {detail: link})),
    onMessage: (_link, message) => {
      messages.push(message)
      events.dispatchEvent(new CustomEvent('message', {detail: message}))
    },
    ...(pingMs !== undefined && {pingMs})
  })
  const tls = certificateOf === undefined ? undefined : {...selfSignedCertificate(certificateOf(key), id), allowHalfOpen: true}
  const server = (tls === undefined ? createServer() : createTlsServer(tls)).listen(0, '127.0.0.1')
  server.on('upgrade', tunnel.handleUpgrade)
  await once(server, 'listening')
  closers.push(() => {
    tunnel.close()
    server.close()
    server.closeAllConnections()
  })
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {tunnel, server, url, id, messages, nextLink: () => next('link'), nextMessage: () => next('message')}
}

function dialOptions(gateway: Gateway, more: Partial<ConnectTunnelOptions> = {}): ConnectTunnelOptions {
  const stop = new AbortController()
  closers.push(() => stop.abort())
  return {
    gateway: {id: gateway.id, tunnelUrl: gateway.url},
    network: NETWORK,
    nodeKey,
    session: randomToken(),
    now: () => NOW_MS,
    signal: stop.signal,
    onMessage: () => undefined,
    onBind: (_instance, socket) => socket.destroy(),
    ...more
  }
}

/** A miner whose every bound connection is an echo. */
const echo: ConnectTunnelOptions['onBind'] = (instance, socket, head) => {
  socket.write(`${instance}:`)
  socket.write(head)
  socket.pipe(socket)
}

async function textOf(socket: Duplex): Promise<string> {
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}

describe('the tunnel', () => {
  it('carries messages both ways and hands bound connections over with the bytes behind the BIND line', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    const got: GatewayMessage[] = []
    const {promise: stopSeen, resolve: sawStop} = Promise.withResolvers<void>()
    const session = await connectTunnel(
      dialOptions(gateway, {
        onBind: echo,
        onMessage: (message) => {
          got.push(message)
          sawStop()
        }
      })
    )
    const link = await linked
    const ready = gateway.nextMessage()
    session.send({type: 'ready', instances: []})
    expect(await ready).toEqual({type: 'ready', instances: []})
    link.send({type: 'stop', instance: 'one', graceMs: 5})
    await stopSeen
    expect(got).toEqual([{type: 'stop', instance: 'one', graceMs: 5}])

    const socket = await link.takeDataSocket(never)
    socket.end(`${bindLine('one')}hello`)
    expect(await textOf(socket)).toBe('one:hello')
  })

  it('opens as many connections as a burst needs and keeps few idle ones', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    const session = await connectTunnel(dialOptions(gateway, {onBind: echo}))
    const link = await linked
    const sockets = await Promise.all(Array.from({length: 40}, () => link.takeDataSocket(never)))
    expect(new Set(sockets).size).toBe(40)
    const answers = sockets.map((socket, index) => {
      socket.end(bindLine(`i-${index}`))
      return textOf(socket)
    })
    expect(await Promise.all(answers)).toEqual(sockets.map((_socket, index) => `i-${index}:`))
    const again = await link.takeDataSocket(never)
    again.destroy()
    expect(session.dataConnections).toBeGreaterThanOrEqual(1)
  })

  it('closes a data connection that is bound by anything but one BIND line, and replaces it', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    await connectTunnel(dialOptions(gateway, {onBind: echo}))
    const link = await linked
    for (const bad of ['BIND UPPER\n', 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(500)]) {
      const socket = await link.takeDataSocket(never)
      socket.write(bad)
      expect(await textOf(socket)).toBe('')
    }
    const good = await link.takeDataSocket(never)
    good.end(bindLine('ok'))
    expect(await textOf(good)).toBe('ok:')
  })

  it('replaces an older session of the same node and ends its waiting takers', async () => {
    const gateway = await openGateway()
    const firstLinked = gateway.nextLink()
    const first = await connectTunnel(dialOptions(gateway))
    const firstLink = await firstLinked
    const secondLinked = gateway.nextLink()
    await connectTunnel(dialOptions(gateway))
    const secondLink = await secondLinked
    expect((await first.closed).code).toBe('unavailable')
    expect((await firstLink.closed).code).toBe('interrupted')
    expect(gateway.tunnel.links.get(node)).toBe(secondLink)
    await expect(firstLink.takeDataSocket(never)).rejects.toMatchObject({code: 'unavailable'})
  })

  it('gives a silent peer up after three ping intervals', async () => {
    const silent = createServer()
    silent.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: creo-tunnel-v1\r\n\r\n')
      socket.resume().on('error', () => undefined)
    })
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    closers.push(() => {
      silent.close()
      silent.closeAllConnections()
    })
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const gateway = {...(await openGateway()), url}
    const session = await connectTunnel(dialOptions(gateway, {pingMs: 20}))
    expect((await session.closed).code).toBe('timeout')
  })

  it('keeps an idle session alive with pings', async () => {
    const gateway = await openGateway({pingMs: 20})
    const {promise: manyHeard, resolve} = Promise.withResolvers<string>()
    let heard = 0
    gateway.server.prependListener('upgrade', (_request, socket) => {
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString().split('\n').length - 1
        if (heard >= 8) resolve('alive')
      })
    })
    const session = await connectTunnel(dialOptions(gateway, {pingMs: 20}))
    expect(await Promise.race([session.closed, manyHeard])).toBe('alive')
  })

  it('comes back by itself after the gateway was gone', async () => {
    const gateway = await openGateway()
    const stop = new AbortController()
    closers.push(() => stop.abort())
    const sessions: TunnelSession[] = []
    const lost: string[] = []
    const {promise: cameBack, resolve} = Promise.withResolvers<void>()
    const kept = keepTunnel({
      ...dialOptions(gateway),
      signal: stop.signal,
      onMessage: () => undefined,
      onLost: (reason) => lost.push(reason.code),
      onSession: (session) => {
        sessions.push(session)
        if (sessions.length === 1) gateway.tunnel.close()
        else resolve()
      }
    })
    await cameBack
    expect(lost).toEqual(['unavailable'])
    stop.abort()
    await kept
  })
})

describe('the tunnel over TLS', () => {
  it('stands when the certificate is made with the key of the gateway, half-closes included', async () => {
    const gateway = await openGateway({certificateOf: (own) => own})
    const linked = gateway.nextLink()
    await connectTunnel(dialOptions(gateway, {onBind: echo}))
    const socket = await (await linked).takeDataSocket(never)
    socket.end(`${bindLine('one')}hello`)
    expect(await textOf(socket)).toBe('one:hello')
  })

  it('is refused by the miner when the certificate is made with another key', async () => {
    const gateway = await openGateway({certificateOf: () => generateKeyPair()})
    await expect(connectTunnel(dialOptions(gateway))).rejects.toMatchObject({code: 'bad_signature'})
    expect(gateway.tunnel.links.size).toBe(0)
  })

  it('is what an address outside this machine must be', async () => {
    const gateway = {...(await openGateway()), url: 'http://gateway.example:7800'}
    await expect(connectTunnel(dialOptions(gateway))).rejects.toMatchObject({code: 'invalid_input'})
  })
})

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
        textOf(response as unknown as Duplex).then(
          (text) => resolve({status: response.statusCode ?? 0, code: JSON.parse(text).error.code}),
          reject
        )
      })
    })
  }
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
      ['unknown', signHello(helloFor(gateway, {node: nodeIdOf(stranger.publicKey)}), stranger), 401, 'unauthorized'],
      ['unreadable', 'nonsense', 400, 'invalid_input'],
      ['data without a session', signHello(helloFor(gateway, {kind: 'data'}), nodeKey), 409, 'conflict']
    ]
    for (const [name, header, status, code] of cases) expect([name, await ask(gateway, header)]).toEqual([name, {status, code}])
    expect(gateway.tunnel.links.size).toBe(0)
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
