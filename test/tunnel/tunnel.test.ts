import {once} from 'node:events'
import type {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {afterEach, describe, expect, it} from 'vitest'
import {bindLine, type GatewayMessage, TUNNEL_CALLS_MAX, TUNNEL_PROBE_MS} from '../../src/core/protocol/tunnel.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {connectTunnel, keepTunnel, type TunnelSession} from '../../src/tunnel/dial.ts'
import {openRelay} from '../support/relay.ts'
import {closeAll, closers, dialOptions, echo, never, node, openGateway, textOf} from '../support/tunnel-gateway.ts'

afterEach(closeAll)

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

  it('carries what an instance calls over a connection of its own, which outlives the session', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    const session = await connectTunnel(dialOptions(gateway))
    const link = await linked
    const accepted = gateway.nextCall()
    const {socket, head} = await session.openCalls({instance: 'i-1', lease: 'lea_1'}, never)
    const call = await accepted
    expect(call.caller).toEqual({node, instance: 'i-1', lease: 'lea_1'})
    session.close()
    await link.closed
    socket.unshift(head)
    socket.end('asked')
    expect(await textOf(call.socket)).toBe('asked')
    call.socket.end('answered')
    expect(await textOf(socket)).toBe('answered')
  })

  it('takes a bounded number of connections with calls, and none that does not say who calls', async () => {
    const gateway = await openGateway()
    const session = await connectTunnel(dialOptions(gateway))
    const first = gateway.nextCall()
    const open = await Promise.all(
      Array.from({length: TUNNEL_CALLS_MAX}, () => session.openCalls({instance: 'i-1', lease: 'lea_1'}, never))
    )
    await expect(session.openCalls({instance: 'i-2', lease: 'lea_1'}, never)).rejects.toMatchObject({code: 'overloaded'})
    session.close()
    const linked = gateway.nextLink()
    const again = await connectTunnel(dialOptions(gateway))
    await linked
    await expect(again.openCalls({instance: 'i-2', lease: 'lea_1'}, never)).rejects.toMatchObject({code: 'overloaded'})
    const taken = await first
    taken.socket.destroy()
    await expect
      .poll(() =>
        again.openCalls({instance: 'i-2', lease: 'lea_1'}, never).then(
          () => 'open',
          () => 'refused'
        )
      )
      .toBe('open')
    for (const {socket} of open) socket.destroy()
    const unnamed = undefined as unknown as {instance: string; lease: string}
    await expect(again.openCalls(unnamed, never)).rejects.toMatchObject({code: 'invalid_input'})
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

  it('gives a peer up that answers no ping, and cuts what is bound to it', async () => {
    const gateway = await openGateway()
    const relay = await openRelay(gateway.url)
    const linked = gateway.nextLink()
    const bound = Promise.withResolvers<Duplex>()
    const onBind = (_instance: string, socket: Duplex): void => bound.resolve(socket)
    const session = await connectTunnel({...dialOptions(gateway, {pingMs: 20, silenceMaxMs: 100, onBind}), gateway: relay.to(gateway)})
    const socket = await (await linked).takeDataSocket(never)
    socket.write(bindLine('one'))
    const atMiner = await bound.promise
    relay.silence()
    expect((await session.closed).code).toBe('timeout')
    expect(atMiner.destroyed).toBe(true)
  })

  it('is alive at both ends as long as anything comes on any of its connections', async () => {
    const gateway = await openGateway({silenceMaxMs: 200})
    const relay = await openRelay(gateway.url)
    const linked = gateway.nextLink()
    const session = await connectTunnel({...dialOptions(gateway, {onBind: echo}), gateway: relay.to(gateway)})
    const link = await linked
    const socket = await link.takeDataSocket(never)
    socket.on('data', () => socket.write('x')).write(`${bindLine('one')}x`)
    relay.silence({but: 'data'})
    let judged = false
    void link.closed.then(() => {
      judged = true
    })
    // The miner's answer to this never comes, but its echoes do.
    for (let round = 0; round < 3; round += 1) {
      link.send({type: 'ping'})
      link.expectAnswer()
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(judged).toBe(false)
    session.close()
  })

  it('asks a miner of which nothing is heard whether it is there, two seconds after a request was sent to it', async () => {
    const gateway = await openGateway({silenceMaxMs: 50})
    const relay = await openRelay(gateway.url)
    const linked = gateway.nextLink()
    await connectTunnel({...dialOptions(gateway), gateway: relay.to(gateway)})
    const link = await linked
    const socket = await link.takeDataSocket(never)
    relay.silence()
    const sentAt = performance.now()
    link.expectAnswer()
    expect((await link.closed).code).toBe('timeout')
    expect(performance.now() - sentAt).toBeGreaterThan(TUNNEL_PROBE_MS)
    expect(socket.destroyed).toBe(true)
  })

  it('leaves as many idle connections open as the miner says', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    const session = await connectTunnel(dialOptions(gateway))
    const link = await linked
    await expect.poll(() => link.idleDataSockets).toBe(4)
    session.keepIdle(1)
    await expect.poll(() => [link.idleDataSockets, session.dataConnections]).toEqual([1, 1])
    session.keepIdle(2)
    await expect.poll(() => [link.idleDataSockets, session.dataConnections]).toEqual([2, 2])
  })

  it('says how long the gateway took to answer, from the first moment on', async () => {
    const gateway = await openGateway()
    const session = await connectTunnel(dialOptions(gateway))
    await expect.poll(() => session.roundTripMs).toBeGreaterThan(0)
    session.close()
    await session.closed
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

  it('tells an overlong list of instances in several lines, each of which the gateway takes', async () => {
    const gateway = await openGateway()
    const linked = gateway.nextLink()
    const session = await connectTunnel(dialOptions(gateway))
    await linked
    const instances = Array.from({length: 1000}, (_, at) => ({
      instance: `${at}-`.padEnd(60, 'x'),
      revision: `rev_${String(at).padStart(16, '9')}`,
      lease: `lea_${String(at).padStart(16, '9')}`
    }))
    const failing = session.closed.then((reason) => {
      throw reason
    })
    failing.catch(() => undefined)
    session.send({type: 'ready', instances})
    session.send({type: 'draining'})
    while (!gateway.messages.some(({type}) => type === 'draining')) await Promise.race([gateway.nextMessage(), failing])
    expect(gateway.messages.flatMap((message) => (message.type === 'ready' ? message.instances : []))).toEqual(instances)
  })

  it('leaves no socket behind when a hello cannot be made', async () => {
    const gateway = await openGateway()
    const accepted = once(gateway.server, 'connection') as Promise<[Socket]>
    const now = (): number => {
      throw new Error('No clock.')
    }
    await expect(connectTunnel(dialOptions(gateway, {now}))).rejects.toMatchObject({code: 'unavailable'})
    const [socket] = await accepted
    if (!socket.closed) await once(socket, 'close')
    expect(socket.destroyed).toBe(true)
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
