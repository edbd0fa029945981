import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {readdir} from 'node:fs/promises'
import {createServer, get, type IncomingMessage, request} from 'node:http'
import {type AddressInfo, connect, createServer as createTcpServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {buffer, text} from 'node:stream/consumers'
import {expect, onTestFinished, test} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {TUNNEL_CALLS_MAX} from '../../src/core/protocol/tunnel.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {type CallsRelay, type CallsRelayOptions, type CallsUnderWay, mayCall, openCallsRelay} from '../../src/miner/calls-relay.ts'
import {GatewayLinks} from '../../src/miner/gateway-links.ts'
import {HeldContainer, NOBODY} from '../../src/miner/held-container.ts'
import {LogRing} from '../../src/miner/log-ring.ts'
import {openWaysOut, removeWaysOut} from '../../src/miner/ways-out.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import {startFakeGateway} from './fake-gateway.ts'
import {prepared, signal, started, world} from './miner-world.ts'
import {MIB, NETWORK, quietLog, revisionEntry, temporaryDirectory} from './worlds.ts'

const silent = Buffer.alloc(0)

/** Answers with what it was answered by the function `till`. */
const caller: MemoryFunction =
  ({waysOut}) =>
  async (_request, response) => {
    const socketPath = join(waysOut?.directory ?? '', 'calls')
    get({socketPath, path: '/sum', headers: {host: 'till.internal'}, agent: false}, (answer) => answer.pipe(response)).on(
      'error',
      (error) => response.end(String(error))
    )
  }

test('what a function calls goes to its own gateway, under the name of its instance and lease, and counts into the month of data', async () => {
  const w = await world(caller)
  w.coordinator.setTable(w.table({spec: {calls: ['till']}}))
  const miner = await w.miner()
  await started(w)
  const {dataUsedBytes: before} = miner.status
  expect(await w.gateway.ask(w.node, 'i-1')).toContain(`${w.gateway.id} GET /sum till.internal`)
  expect(w.gateway.callers).toEqual([{node: w.node, instance: 'i-1', lease: 'lea_9'}])
  // Both the request with its answer and the call with its own.
  await expect.poll(() => miner.status.dataUsedBytes, {timeout: 20_000}).toBeGreaterThan(before + 400)
  await miner.drain()
})

test('an instance that a later process takes over calls as before', async () => {
  const w = await world(caller)
  w.coordinator.setTable(w.table({spec: {calls: ['till']}}))
  const first = await w.miner()
  await started(w)
  await first.drain()
  // What a killed process leaves: a container with a directory bound into it, and no socket in that.
  const directory = join(w.directory, 'm', 'out', createHash('sha256').update('left').digest('hex').slice(0, 12))
  const {manifestDigest: imageDigest} = await prepared(w)
  const limits = {memoryBytes: 64 * MIB, cpuMillis: 100, pidsMax: 10, scratchBytes: MIB, logBytes: MIB}
  const labels = {gateway: w.gateway.id, revision: 'rev_7', lease: 'lea_9'}
  const waysOut = {directory, proxy: false, hosts: ['till.internal']}
  await w.runtime.start({id: 'left', imageDigest, argv: [], env: {}, port: 8080, limits, labels, waysOut}, signal)
  const later = await w.miner()
  expect(await w.gateway.ask(w.node, 'left')).toContain('GET /sum till.internal')
  expect(w.gateway.callers).toEqual([{node: w.node, instance: 'left', lease: 'lea_9'}])
  await later.drain()
})

test('when the own gateway is gone or refuses, a call goes to another one, and says so when there is none', async () => {
  const nodeKey = generateKeyPair()
  const node = nodeIdOf(nodeKey.publicKey)
  const nodes = new Map([[node, nodeKey.publicKey]])
  const [own, other] = [await startFakeGateway({network: NETWORK, nodes}), await startFakeGateway({network: NETWORK, nodes})]
  const silentSide = {
    greet: () => [],
    onMessage: () => undefined,
    onBind: () => undefined,
    unsigned: {meter: {movedBytes: () => 0}, store: {hasRoom: () => true}, onLeft: () => undefined},
    onClockSkew: () => undefined
  }
  const clocks = {now: Date.now, monotonicMs: () => performance.now()}
  const links = new GatewayLinks({network: NETWORK, nodeKey, log: quietLog, ...clocks, ...silentSide})
  onTestFinished(() => links.close())
  links.sync([other.entry, own.entry])
  await links.tried()
  const asked = {gateway: own.id, instance: 'i-1', lease: 'lea_1'}
  const call = async () => {
    const {socket, head} = await links.openCalls(asked, signal)
    socket.unshift(head)
    socket.end('GET / HTTP/1.1\r\nhost: till.internal\r\nconnection: close\r\n\r\n')
    return (await text(socket)).split('\r\n\r\n')[1]
  }
  expect(await call()).toContain(own.id)
  own.clock.skewMs = 3_600_000
  expect(await call()).toContain(other.id)
  links.sync([other.entry])
  expect(await call()).toContain(other.id)
  links.sync([])
  await expect(call()).rejects.toMatchObject({code: 'unavailable', hint: 'Try again in a moment.'})
})

async function relayWith(
  dial: CallsRelayOptions['dial'],
  underWay: CallsUnderWay = {count: 0}
): Promise<{relay: CallsRelay; socketPath: string}> {
  const socketPath = join(await temporaryDirectory(), 'calls')
  const relay = await openCallsRelay({socketPath, dial, underWay})
  onTestFinished(() => relay.close())
  return {relay, socketPath}
}

test('a call that no gateway takes is answered in the form of a gateway, whatever of the request has come', async () => {
  const {socketPath} = await relayWith(() => Promise.reject(new CreoError('unavailable', 'No gateway.', {hint: 'Wait.'})))
  const asked = request({socketPath, method: 'POST', path: '/', headers: {host: 'till.internal'}, agent: false}).end('x'.repeat(100_000))
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  expect(answer).toMatchObject({statusCode: 503, headers: {'creo-error': 'unavailable', 'retry-after': '2', connection: 'close'}})
  expect(JSON.parse(await text(answer))).toEqual({error: {code: 'unavailable', message: 'No gateway.', hint: 'Wait.'}})
})

test('a gateway is dialled when the function has said something and not before, and a function that leaves ends its call there', async () => {
  const gatewaySide = Promise.withResolvers<Socket>()
  const server = createTcpServer((socket) => gatewaySide.resolve(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  let dialled = 0
  const {relay, socketPath} = await relayWith(async () => {
    dialled += 1
    const socket = connect({port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true})
    await once(socket, 'connect')
    return {socket, head: silent}
  })
  const quiet = connect(socketPath)
  await once(quiet, 'connect')
  const leaving = connect(socketPath)
  leaving.write('GET / HTTP/1.1\r\n')
  const there = await gatewaySide.promise
  const [bytes] = (await once(there, 'data')) as [Buffer]
  expect([String(bytes), dialled, relay.bytes]).toEqual(['GET / HTTP/1.1\r\n', 1, 16])
  leaving.destroy()
  await once(
    there.on('error', () => undefined),
    'close'
  )
  quiet.destroy()
})

test('a container that is passed on calls as its new holder from then on, and leaves nothing on the disk', async () => {
  const directory = await temporaryDirectory()
  const server = createTcpServer({allowHalfOpen: true}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const callers: string[] = []
  const ways = {directory, coordinatorUrl: 'http://127.0.0.1:1', callsUnderWay: {count: 0}, log: quietLog}
  const container = new HeldContainer(
    'c-1',
    {
      runtime: createMemoryRuntime({directory, images: new Map()}),
      logs: new LogRing(),
      positions: {get: () => 0, forget: () => undefined},
      openWaysOut: (of) => openWaysOut(ways, of),
      removeWaysOut: (id) => removeWaysOut(ways, id),
      secrets: {environment: async () => ({})},
      dialCalls: async ({instance}) => {
        callers.push(instance)
        const socket = connect({port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true})
        await once(socket, 'connect')
        return {socket, head: silent}
      },
      now: Date.now,
      log: quietLog
    },
    NOBODY
  )
  const {bound} = await container.openWaysOut(revisionEntry(`sha256:${'0'.repeat(64)}`, {calls: ['till']}))
  const call = async () => {
    const socket = connect(join(bound?.directory ?? '', 'calls'))
    socket.write('GET / HTTP/1.1\r\n')
    return socket
  }
  const heldBy = (instance: string) => container.hold({...NOBODY, caller: {gateway: 'gw_1', instance, lease: 'lea_1'}})
  expect(await text(await call())).toContain('503')
  heldBy('first')
  const [before] = await Promise.all([call(), once(server, 'connection')])
  heldBy('second')
  expect(await text(before)).toBe('')
  const [after] = await Promise.all([call(), once(server, 'connection')])
  expect(callers).toEqual(['first', 'second'])
  await container.remove(0)
  expect(await text(after)).toBe('')
  expect(await readdir(directory)).toEqual([])
})

test('both ways are piped as they come, and what passes is counted', async () => {
  const server = createServer((asked, answer) => void asked.pipe(answer)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  const {relay, socketPath} = await relayWith(async () => {
    const socket = connect({port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true})
    await once(socket, 'connect')
    return {socket, head: silent}
  })
  const body = Buffer.alloc(2 ** 20, 'creo')
  const asked = request({socketPath, method: 'POST', path: '/', headers: {host: 'till.internal'}, agent: false}).end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  expect((await buffer(answer)).equals(body)).toBe(true)
  expect(relay.bytes).toBeGreaterThan(2 * body.length)
})

test.each([1, 5, 12, 30])('%i instances that call as much as they can leave room for another one to call', (instances) => {
  const own = new Array<number>(instances).fill(0)
  const sum = (): number => own.reduce((total, calls) => total + calls, 0)
  // The greedy ones come first, one after the other, and take all that they can get.
  for (const index of own.keys()) while (mayCall(own[index] ?? 0, sum())) own[index] = (own[index] ?? 0) + 1
  expect(Math.min(...own)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...own)).toBeLessThanOrEqual(48)
  expect(sum()).toBeLessThan(TUNNEL_CALLS_MAX)
})

test('an instance with its share of calls under way is told so, while another one calls, and goes on when a call has ended', async () => {
  const server = createTcpServer((socket) => void socket.resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const dial = async () => {
    const socket = connect({port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true})
    await once(socket, 'connect')
    return {socket, head: silent}
  }
  // Of 512 so many are left that one instance may have two.
  const underWay = {count: TUNNEL_CALLS_MAX - 17}
  const [greedy, modest] = [await relayWith(dial, underWay), await relayWith(dial, underWay)]
  const call = ({socketPath}: {socketPath: string}): Socket => connect(socketPath).on('error', () => undefined)
  const taken: Socket[] = []
  for (let count = 0; count < 2; count += 1) {
    const socket = call(greedy)
    socket.write('GET / HTTP/1.1\r\n')
    await once(server, 'connection')
    taken.push(socket)
  }
  const refused = call(greedy)
  refused.write('GET / HTTP/1.1\r\n')
  expect(await text(refused)).toContain('creo-error: overloaded')
  const [other] = [call(modest), call(modest).write('GET / HTTP/1.1\r\n')]
  await once(server, 'connection')
  taken[0]?.destroy()
  await expect.poll(() => underWay.count).toBe(TUNNEL_CALLS_MAX - 15)
  call(greedy).write('GET / HTTP/1.1\r\n')
  await once(server, 'connection')
  other.destroy()
})
