import {once} from 'node:events'
import type {ServerResponse} from 'node:http'
import {connect, type Socket} from 'node:net'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {DEFAULT_SETTINGS} from '../../src/gateway/settings.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

const IDLE_CLIENTS = fileURLToPath(new URL('../support/idle-clients.ts', import.meta.url))
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const IDLE_CONNECTIONS = IS_LONG ? 10_000 : 1000
const FLOOD_REQUESTS = IS_LONG ? 50_000 : 2000
const FLOOD_CONNECTIONS = 50
const CONNECTION_BYTES_MAX = 64 * 1024
const REST_BYTES_MAX = 128 * 2 ** 20
const READY_TIMEOUT_MS = 60_000

let world: GatewayWorld
/** Every request that the function heard, as METHOD URL BODY. */
let heard: string[]
/** The answer that goes on until somebody asks for /end. */
let endless: ServerResponse | undefined
const host = 'Host: shop--acme.localhost\r\n'
const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`

beforeEach(async () => {
  heard = []
  world = await openGatewayWorld({settings: {...DEFAULT_SETTINGS, limits: {...DEFAULT_SETTINGS.limits, connectionsPerClient: 1500}}})
  await world.addMiner({
    serve: (request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.once('end', () => {
        heard.push(`${request.method} ${request.url} ${body}`)
        if (request.url === '/endless') {
          endless = response
          return void response.write('begun')
        }
        if (request.url === '/end') endless?.end('ended')
        response.end('served')
      })
    }
  })
  expect((await world.ask('/warm')).status).toBe(200)
})
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

const publicPort = (): number => Number(new URL(world.gateway.publicUrl).port)

/** Sends bytes as they are and answers everything that comes back until the end. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(publicPort(), '127.0.0.1').on('error', () => undefined)
  socket.write(bytes, 'latin1')
  return textOf(socket)
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

async function otherClientsAreServed(): Promise<void> {
  const answers = await Promise.all(Array.from({length: 10}, () => world.ask('/other')))
  expect(answers.map(({status}) => status)).toEqual(Array(10).fill(200))
}

const post = (...lines: string[]): string => `POST /first HTTP/1.1\r\n${host}${lines.join('\r\n')}\r\n\r\n`

describe('a request with another one hidden in it', () => {
  const heads: Readonly<Record<string, string>> = {
    'a length and chunks': post('Content-Length: 5', 'Transfer-Encoding: chunked'),
    'chunks and a length': post('Transfer-Encoding: chunked', 'Content-Length: 5'),
    'two lengths': post('Content-Length: 0', 'Content-Length: 5'),
    'the same length twice': post('Content-Length: 0', 'Content-Length: 0'),
    'a list of lengths': post('Content-Length: 0, 0'),
    'a length with a sign': post('Content-Length: +0'),
    'a negative length': post('Content-Length: -1'),
    'a length in hexadecimal': post('Content-Length: 0x0'),
    'a length with a space in it': post('Content-Length: 0 5'),
    'a length beyond all numbers': post('Content-Length: 99999999999999999999999'),
    'no length where one was named': post('Content-Length:'),
    'an unknown encoding': post('Transfer-Encoding: xchunked'),
    'chunks that are not last': post('Transfer-Encoding: chunked, identity'),
    'chunks twice': post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'chunks after another encoding': post('Transfer-Encoding: identity, chunked'),
    'an encoding in quotes': post('Transfer-Encoding: "chunked"'),
    'an encoding after a vertical tab': post('Transfer-Encoding: \x0bchunked'),
    'a space before the colon': post('Transfer-Encoding : chunked'),
    'a tab before the colon': post('Content-Length\t: 5'),
    'a space before the name': `POST /first HTTP/1.1\r\n Transfer-Encoding: chunked\r\n${host}\r\n`,
    'a folded line': post('X: a', ' b', 'Content-Length: 0'),
    'a folded encoding': post('Transfer-Encoding:', ' chunked'),
    'line feeds alone': `POST /first HTTP/1.1\n${host.replace('\r', '')}Content-Length: 0\n\n`,
    'one line feed alone': post('X: a\nTransfer-Encoding: chunked'),
    'a carriage return alone': post('X: a\rTransfer-Encoding: chunked'),
    'a zero byte': post('X: a\0b', 'Content-Length: 0'),
    'a line without a colon': post('nonsense', 'Content-Length: 0'),
    'a name of nothing': post(': x', 'Content-Length: 0'),
    'a name with a space': post('X Y: x', 'Content-Length: 0'),
    'two Hosts': `POST /first HTTP/1.1\r\n${host}Host: other.localhost\r\nContent-Length: 0\r\n\r\n`,
    'a version that is none': `POST /first HTTP/1.9\r\n${host}Content-Length: 0\r\n\r\n`,
    'HTTP/2 without asking': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'no Host': 'GET /first HTTP/1.1\r\n\r\n',
    'another expectation': post('Expect: foo', 'Content-Length: 0'),
    'no version': 'GET /first\r\n\r\n',
    'an absolute target': `GET http://other.example/ HTTP/1.1\r\n${host}\r\n`,
    TRACE: `TRACE /first HTTP/1.1\r\n${host}\r\n`,
    CONNECT: `CONNECT /first HTTP/1.1\r\n${host}\r\n`,
    'a space in the target': `GET /first HTTP/1.1 HTTP/1.1\r\n${host}\r\n`,
    'too many headers, and chunks behind them': post(...Array.from({length: 300}, (_, at) => `X-${at}: x`), 'Transfer-Encoding: chunked'),
    'too many headers, and a second Host behind them': post(...Array.from({length: 300}, (_, at) => `X-${at}: x`), 'Host: evil.localhost'),
    'too many headers': post(...Array.from({length: 101}, (_, at) => `X-${at}: x`)),
    'headers that are too long': post(`X: ${'x'.repeat(17_000)}`),
    'a target that is too long': `GET /${'x'.repeat(17_000)} HTTP/1.1\r\n${host}\r\n`
  }
  it.each(Object.entries(heads))('is refused whole for %s', async (_name, bytes) => {
    const text = await raw(`${bytes}0\r\n\r\n${smuggled}`)
    expect(text).toMatch(/^HTTP\/1\.1 (400|431) /)
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toEqual({
      error: {code: 'invalid_input', message: expect.stringMatching(/\w/), hint: expect.stringMatching(/\w/)}
    })
    expect(text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(heard).toEqual(['GET /warm '])
  })

  const bodies: Readonly<Record<string, string>> = {
    'a chunk size that is none': 'x\r\nabc\r\n0\r\n\r\n',
    'a chunk size with 0x': '0x3\r\nabc\r\n0\r\n\r\n',
    'a negative chunk size': '-3\r\nabc\r\n0\r\n\r\n',
    'a chunk size beyond all numbers': 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n',
    'a chunk that is longer than it says': '3\r\nabcdef\r\n0\r\n\r\n',
    'a chunk size that ends in a line feed': '3\nabc\n0\n\n',
    'a space before a chunk size': ' 3\r\nabc\r\n0\r\n\r\n'
  }
  it.each(Object.entries(bodies))('ends with its connection for %s', async (_name, body) => {
    const text = await raw(`${post('Transfer-Encoding: chunked')}${body}${smuggled}`)
    expect(text.match(/HTTP\/1\.1 2/g)).toBeNull()
    expect(heard).toEqual(['GET /warm '])
    await otherClientsAreServed()
  })
})

it('nothing is written into an answer when nonsense comes behind its request: it is refused after the answer', async () => {
  const socket = connect(publicPort(), '127.0.0.1').on('error', () => undefined)
  socket.write(`GET /endless HTTP/1.1\r\n${host}\r\n`)
  const text = textOf(socket)
  await once(socket, 'data')
  socket.write('nonsense\r\n\r\n')
  await world.ask('/end')
  const answers = await text
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
  expect(answers).toContain('5\r\nbegun\r\n5\r\nended\r\n0\r\n\r\nHTTP/1.1 400 ')
})

describe('clients that want to wear a gateway out', () => {
  it(`are ${IDLE_CONNECTIONS} that say nothing, and others are served beside them with little memory`, async () => {
    await withClients('', otherClientsAreServed)
  })

  it(`are ${IDLE_CONNECTIONS} that never end their headers, and others are served beside them with little memory`, async () => {
    await withClients(`GET /slow HTTP/1.1\r\n${host}X-Slow: `, otherClientsAreServed)
    expect(heard).not.toContain('GET /slow ')
  })

  it.runIf(IS_LONG)('are cut off when their headers do not come in time', async () => {
    expect(await raw(`GET /slow HTTP/1.1\r\n${host}X-Slow: `)).toMatch(/^HTTP\/1\.1 408 /)
    expect(await raw('')).toMatch(/^(HTTP\/1\.1 408 .*)?$/s)
  })

  it.each([
    ['from one address', {connectionsPerClient: 20}, () => '127.0.1.9', 404],
    ['in all', {connections: 20}, (index: number) => `127.0.1.${index + 1}`, 'refused']
  ])('get no more connections %s than the settings say', async (_from, limits, addressOf, fromElsewhere) => {
    const settings = {...DEFAULT_SETTINGS, limits: {...DEFAULT_SETTINGS.limits, ...limits}}
    const strict = await openGatewayWorld({settings})
    const port = Number(new URL(strict.gateway.publicUrl).port)
    const sockets = Array.from({length: 30}, (_, index) =>
      connect({host: '127.0.0.1', port, localAddress: addressOf(index)})
        .on('error', () => undefined)
        .resume()
    )
    let closed = 0
    const {promise: tenClosed, resolve} = Promise.withResolvers<void>()
    for (const socket of sockets) {
      socket.once('close', () => {
        closed += 1
        if (closed === 10) resolve()
      })
    }
    await tenClosed
    const elsewhere = strict.ask('/', {host: 'nobody.localhost'}).then(
      ({status}) => status,
      () => 'refused'
    )
    expect(await elsewhere).toBe(fromElsewhere)
    expect(closed).toBe(10)
    for (const socket of sockets) socket.destroy()
    await strict.close()
  })

  it('are served one request at a time, however many they send at once', async () => {
    const socket = connect(publicPort(), '127.0.0.1').on('error', () => undefined)
    const text = textOf(socket)
    const last = `GET /last HTTP/1.1\r\n${host}Connection: close\r\n\r\n`
    socket.write(`GET /endless HTTP/1.1\r\n${host}\r\n${`GET /crowd HTTP/1.1\r\n${host}\r\n`.repeat(500)}${last}`)
    await once(socket, 'data')
    await otherClientsAreServed()
    expect(heard).not.toContain('GET /crowd ')
    await world.ask('/end')
    expect((await text).match(/HTTP\/1\.1 200/g)).toHaveLength(502)
    expect(heard.at(-1)).toBe('GET /last ')
  })

  it('flood it with requests without reading answers, and are read from no further', async () => {
    const one = `GET /flood HTTP/1.1\r\n${host}\r\n`
    const flood = Array.from({length: FLOOD_CONNECTIONS}, () => {
      const socket = connect(publicPort(), '127.0.0.1').on('error', () => undefined)
      socket.pause().write(one.repeat(FLOOD_REQUESTS / FLOOD_CONNECTIONS))
      return socket
    })
    const before = process.memoryUsage().rss
    for (let round = 0; round < 20; round += 1) await otherClientsAreServed()
    expect(process.memoryUsage().rss - before).toBeLessThan(REST_BYTES_MAX)
    for (const socket of flood) socket.destroy()
  })
})

/** Runs `work` while so many clients are connected, and looks at what they cost. */
async function withClients(text: string, work: () => Promise<void>): Promise<void> {
  const before = process.memoryUsage().rss
  const clients = execa(process.execPath, [IDLE_CLIENTS, String(publicPort()), String(IDLE_CONNECTIONS), '1000', text], {
    timeout: READY_TIMEOUT_MS,
    buffer: false
  })
  try {
    await once(clients.stdout, 'data')
    await work()
    expect(process.memoryUsage().rss - before).toBeLessThan(IDLE_CONNECTIONS * CONNECTION_BYTES_MAX + REST_BYTES_MAX)
  } finally {
    clients.stdin.end()
    await clients
  }
  await work()
}
