import {once} from 'node:events'
import {stat} from 'node:fs/promises'
import {createServer, request} from 'node:http'
import {type AddressInfo, connect, createServer as createTcpServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {type EgressOptions, type EgressProxy, openEgressProxy} from '../../src/miner/egress-proxy.ts'
import {temporaryDirectory} from './worlds.ts'

interface Answer {
  readonly status: number
  readonly text: string
}

async function coordinator(): Promise<string> {
  const server = createServer((asked, answer) => {
    let body = ''
    asked.on('data', (chunk) => {
      body += chunk
    })
    asked.on('end', () => answer.end(`${asked.method} ${asked.url} for ${asked.headers.host} ${body}`.trim()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.closeAllConnections())
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function proxyWith(changes: Partial<EgressOptions> = {}): Promise<{proxy: EgressProxy; socketPath: string}> {
  const socketPath = join(await temporaryDirectory(), 'e', 'proxy')
  const resolve = async (): Promise<readonly string[]> => []
  const coordinatorUrl = changes.coordinatorUrl ?? (await coordinator())
  const proxy = await openEgressProxy({socketPath, allowedHosts: ['coordinator.internal'], coordinatorUrl, resolve, ...changes})
  onTestFinished(() => proxy.close())
  return {proxy, socketPath}
}

/** Opens a tunnel by CONNECT and asks one thing through it. */
async function askThrough(socketPath: string, authority: string, path = '/v1/network'): Promise<Answer> {
  const asked = request({socketPath, method: 'CONNECT', path: authority})
  asked.end()
  const [first, socket, head] = (await once(asked, 'connect')) as [{statusCode: number}, Socket, Buffer]
  if (head.length > 0) socket.unshift(head)
  if (first.statusCode !== 200) {
    let text = ''
    for await (const chunk of socket) text += chunk
    return {status: first.statusCode, text}
  }
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  return {status: 200, text: text.split('\r\n\r\n')[1] ?? ''}
}

test('a function reaches the coordinator by CONNECT to coordinator.internal:80, and anyone may connect to its socket', async () => {
  const {proxy, socketPath} = await proxyWith()
  expect((await stat(socketPath)).mode & 0o777).toBe(0o666)
  const answer = await askThrough(socketPath, 'coordinator.internal:80')
  expect(answer).toEqual({status: 200, text: expect.stringContaining('GET /v1/network for coordinator.internal:80')})
  await expect.poll(() => proxy.bytesOut).toBeGreaterThan(50)
  expect(proxy.bytesIn).toBeGreaterThan(50)
})

test('a client that does not know CONNECT reaches it by absolute addresses, with its body', async () => {
  const {socketPath} = await proxyWith()
  const asked = request({
    socketPath,
    method: 'POST',
    path: 'http://coordinator.internal/v1/commands?x=1',
    headers: {'proxy-connection': 'keep-alive'}
  })
  asked.end('{"commands":[]}')
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer> & {statusCode: number}]
  let text = ''
  for await (const chunk of answer) text += chunk
  expect(answer.statusCode).toBe(200)
  expect(text).toBe('POST /v1/commands?x=1 for coordinator.internal {"commands":[]}')
})

test('what is not in the manifest, another port of the coordinator, and what is no address are refused with the reason', async () => {
  const {socketPath} = await proxyWith()
  const refused = await askThrough(socketPath, 'example.org:443')
  expect(refused.status).toBe(403)
  expect(JSON.parse(refused.text)).toEqual({
    error: {code: 'forbidden', message: `This function may not reach example.org:443: "example.org" is not in the manifest's egress list.`}
  })
  expect((await askThrough(socketPath, 'coordinator.internal:22')).status).toBe(403)
  expect((await askThrough(socketPath, 'coordinator.internal')).status).toBe(400)
  const asked = request({socketPath, path: '/v1/network'})
  asked.end()
  const [answer] = (await once(asked, 'response')) as [{statusCode: number; resume(): void}]
  answer.resume()
  expect(answer.statusCode).toBe(400)
})

test.each([['127.0.0.1'], ['10.1.2.3'], ['169.254.169.254'], ['100.64.0.9'], ['::1'], ['::ffff:192.168.0.1'], ['fd00::1']])(
  'a listed name that points to %s is refused, also beside a public address',
  async (address) => {
    const connect = (): Socket => {
      throw new Error('it connected')
    }
    const resolve = async (): Promise<readonly string[]> => ['93.184.216.34', address]
    const {socketPath} = await proxyWith({allowedHosts: ['api.example.org'], resolve, connect})
    const answer = await askThrough(socketPath, 'api.example.org:443')
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('only public addresses are reached')
  }
)

test('a name is resolved once and exactly that address is connected to, so that a second answer of the name server changes nothing', async () => {
  const peer = createTcpServer((socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nfrom outside'))
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  onTestFinished(() => void peer.close())
  const answers = [['93.184.216.34'], ['127.0.0.1']]
  const dialled: string[] = []
  const {socketPath} = await proxyWith({
    allowedHosts: ['api.example.org'],
    resolve: async () => answers.shift() ?? [],
    connect: (address, port) => {
      dialled.push(`${address}:${port}`)
      return connect({host: '127.0.0.1', port: (peer.address() as AddressInfo).port, allowHalfOpen: true})
    }
  })
  expect(await askThrough(socketPath, 'api.example.org:443')).toEqual({status: 200, text: 'from outside'})
  expect(dialled).toEqual(['93.184.216.34:443'])
  expect((await askThrough(socketPath, 'api.example.org:443')).status).toBe(403)
})

test('a name without an address, and a coordinator that is gone, are said in words', async () => {
  const {socketPath} = await proxyWith({allowedHosts: ['api.example.org', 'coordinator.internal'], coordinatorUrl: 'http://127.0.0.1:1'})
  expect(await askThrough(socketPath, 'api.example.org:443')).toMatchObject({status: 404})
  expect(await askThrough(socketPath, 'coordinator.internal:80')).toMatchObject({status: 502})
})

test('a name in the network of this machine is refused, public as its address may be', async () => {
  const connect = (): Socket => {
    throw new Error('it connected')
  }
  const resolve = async (): Promise<readonly string[]> => ['2a02:8070:1:2::5']
  const ownNetworks = (): readonly string[] => ['2a02:8070:1:2:aaaa::1/64']
  const {socketPath} = await proxyWith({allowedHosts: ['printer.example.org'], resolve, connect, ownNetworks})
  const answer = await askThrough(socketPath, 'printer.example.org:443')
  expect(answer).toMatchObject({status: 403, text: expect.stringContaining('the home-network address')})
})

test('a body in chunks keeps its frame with a method that seldom has a body', async () => {
  const {socketPath} = await proxyWith()
  const asked = request({
    socketPath,
    method: 'DELETE',
    path: 'http://coordinator.internal/v1/thing',
    headers: {'transfer-encoding': 'chunked'}
  })
  asked.write('one ')
  asked.end('two')
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer> & {statusCode: number}]
  let text = ''
  for await (const chunk of answer) text += chunk
  expect([answer.statusCode, text]).toEqual([200, 'DELETE /v1/thing for coordinator.internal one two'])
})

test('an answer that changes the protocol is a bad gateway', async () => {
  const peer = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'))
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  onTestFinished(() => void peer.close())
  const {socketPath} = await proxyWith({coordinatorUrl: `http://127.0.0.1:${(peer.address() as AddressInfo).port}`})
  const asked = request({socketPath, path: 'http://coordinator.internal/'})
  asked.end()
  const [answer] = (await once(asked, 'response')) as [{statusCode: number; resume(): void}]
  answer.resume()
  expect(answer.statusCode).toBe(502)
})

test('closing cuts a tunnel that is open and a name that is being resolved', async () => {
  const {proxy, socketPath} = await proxyWith()
  const asked = request({socketPath, method: 'CONNECT', path: 'coordinator.internal:80'})
  asked.end()
  const [, socket] = (await once(asked, 'connect')) as [unknown, Socket]
  const closed = once(socket, 'close')
  socket.on('error', () => undefined).resume()
  await proxy.close()
  await closed
  const asking = Promise.withResolvers<void>()
  const resolve = (): Promise<readonly string[]> => {
    asking.resolve()
    return new Promise(() => undefined)
  }
  const waiting = await proxyWith({allowedHosts: ['slow.example.org'], resolve})
  const late = request({socketPath: waiting.socketPath, method: 'CONNECT', path: 'slow.example.org:443'})
  late.end()
  const ended = once(late, 'error')
  await asking.promise
  await waiting.proxy.close()
  await ended
})
