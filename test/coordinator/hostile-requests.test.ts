import {once} from 'node:events'
import {connect} from 'node:net'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {startWorld} from './coordinator-world.ts'

const HOST = 'Host: localhost\r\n'
const SMUGGLED = `GET /healthz HTTP/1.1\r\n${HOST}\r\n`
let world: Awaited<ReturnType<typeof startWorld>>

beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

/** Sends bytes as they are and answers everything that comes back until the end. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(world.coordinator.url).port), '127.0.0.1').on('error', () => undefined)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

function expectOneRefusal(text: string, status: RegExp): void {
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([expect.stringMatching(status)])
  const [head = '', body = ''] = text.split('\r\n\r\n')
  expect(head.toLowerCase()).toContain('content-type: application/json')
  expect(JSON.parse(body)).toEqual({
    error: {code: 'invalid_input', message: expect.stringMatching(/\w.*\.$/), hint: expect.stringMatching(/\w.*\.$/)}
  })
}

const get = (...lines: string[]): string => `GET /v1/network HTTP/1.1\r\n${HOST}${lines.join('\r\n')}\r\n\r\n`
const post = (...lines: string[]): string =>
  `POST /v1/commands HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${lines.join('\r\n')}\r\n\r\n`
const many = Array.from({length: 1100}, (_, at) => `X${at}: x`)

describe('a request that could be read in two ways', () => {
  const shapes: Readonly<Record<string, string>> = {
    'a length and chunks': post('Content-Length: 5', 'Transfer-Encoding: chunked'),
    'chunks and a length': post('Transfer-Encoding: chunked', 'Content-Length: 5'),
    'two lengths': post('Content-Length: 0', 'Content-Length: 5'),
    'the same length twice': get('Content-Length: 0', 'Content-Length: 0'),
    'a length with a sign': post('Content-Length: +0'),
    'an unknown encoding': get('Transfer-Encoding: xchunked'),
    'an unknown encoding of a body': post('Transfer-Encoding: xchunked'),
    'chunks that are not last': post('Transfer-Encoding: chunked, identity'),
    'chunks twice': post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'a space before the colon': post('Transfer-Encoding : chunked'),
    'a folded line': get('X: a', ' b'),
    'line feeds alone': 'GET /v1/network HTTP/1.1\nHost: localhost\n\n',
    'a zero byte': get('X: a\0b'),
    'two Hosts': get('Host: other.localhost'),
    'the same Host twice': get('Host: localhost'),
    'a Host behind a thousand headers': get(...many, 'Host: other.localhost'),
    'no Host': 'GET /v1/network HTTP/1.1\r\n\r\n',
    'an empty Host': 'GET /v1/network HTTP/1.1\r\nHost:\r\n\r\n',
    'a target that is no path': `GET http://other.localhost/v1/network HTTP/1.1\r\n${HOST}\r\n`,
    'two Hosts and an address that is none': `GET /v1/accounts/%ff HTTP/1.1\r\n${HOST}${HOST}\r\n`,
    'a version that is none': `GET /v1/network HTTP/1.9\r\n${HOST}\r\n`,
    'the version 0.9': `GET /v1/network HTTP/0.9\r\n${HOST}\r\n`,
    'no version': 'GET /v1/network\r\n\r\n',
    'a chunk size that is none': `${post('Transfer-Encoding: chunked')}x\r\nabc\r\n0\r\n\r\n`,
    'a chunk that is longer than it says': `${post('Transfer-Encoding: chunked')}3\r\nabcdef\r\n0\r\n\r\n`,
    'another protocol': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    CONNECT: `CONNECT other.localhost:443 HTTP/1.1\r\n${HOST}\r\n`
  }
  it.each(Object.entries(shapes))('is refused once, and its connection ends, for %s', async (_name, bytes) => {
    expectOneRefusal(await raw(bytes + SMUGGLED), / 400$/)
  })

  it('is refused with 431 for headers that are too large', async () => {
    expectOneRefusal(await raw(get(`X: ${'x'.repeat(17_000)}`)), / 431$/)
  })
})

it('a plain request that cannot be served is told why and what to do, and its connection goes on', async () => {
  const odd = [
    `GET /v1/accounts/%ff HTTP/1.1\r\n${HOST}\r\n`,
    `GET /v1/accounts/${'x'.repeat(600)} HTTP/1.1\r\n${HOST}\r\n`,
    `POST /v1/commands HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`,
    `POST /v1/commands HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{`
  ]
  for (const bytes of odd) {
    const text = await raw(`${bytes}${get('Connection: close')}`)
    const [refusal = '', served = ''] = text.split(/(?=HTTP\/1\.1 200)/)
    expectOneRefusal(refusal, / 400$/)
    expect(served).toContain('"network')
  }
})

it('an expectation other than 100-continue is refused, and that one is met', async () => {
  for (const behind of [SMUGGLED, `0\r\n\r\n${SMUGGLED}`]) expectOneRefusal(await raw(get('Expect: foo') + behind), / 400$/)
  const text = await raw(`${post('Expect: 100-continue', 'Connection: close', 'Content-Length: 15')}{"commands":[]}`)
  expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 \d/)
})

it('nobody else notices', async () => {
  expect((await world.actors.ask('GET', '/v1/network')).status).toBe(200)
})
