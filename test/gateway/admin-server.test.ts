import {once} from 'node:events'
import {connect} from 'node:net'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {createAdminServer} from '../../src/gateway/admin-server.ts'
import {type Listening, listenOn} from '../../src/gateway/listen.ts'
import type {TunnelServer} from '../../src/tunnel/accept.ts'

const HOST = 'Host: localhost\r\n'
let listening: Listening

beforeEach(async () => {
  const server = createAdminServer({
    tunnel: {handleUpgrade: () => undefined} as unknown as TunnelServer,
    status: expect.unreachable,
    metrics: expect.unreachable,
    standing: () => ({admitted: false, tableVersion: 7})
  })
  listening = await listenOn(server, {host: '127.0.0.1', port: 0}, {closeMaxMs: 0})
})
afterEach(() => listening.close())

it('a probe asks only whether the gateway is ready, and costs no status of everything', async () => {
  const answer = await fetch(`${listening.url}/.creo/readyz`)
  expect([answer.status, await answer.json()]).toEqual([503, {ready: false, reason: expect.stringContaining('has not admitted')}])
})

describe('what is no question', () => {
  const get = (...lines: string[]): string => `GET /.creo/healthz HTTP/1.1\r\n${HOST}${lines.join('\r\n')}\r\n\r\n`
  const shapes: Readonly<Record<string, readonly [bytes: string, status: number]>> = {
    'an unknown encoding': [get('Transfer-Encoding: xchunked'), 400],
    'a length and chunks': [get('Content-Length: 5', 'Transfer-Encoding: chunked'), 400],
    'the same length twice': [get('Content-Length: 0', 'Content-Length: 0'), 400],
    'two Hosts': [get('Host: other.localhost'), 400],
    'no Host': ['GET /.creo/healthz HTTP/1.1\r\n\r\n', 400],
    'no version': ['GET /.creo/healthz\r\n\r\n', 400],
    'another protocol': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    'another expectation': [get('Expect: foo'), 400],
    CONNECT: [`CONNECT other.localhost:443 HTTP/1.1\r\n${HOST}\r\n`, 400],
    'another method': [`DELETE /.creo/healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 400],
    'another address': [`GET /nothing HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`, 404],
    'headers that are too large': [get(`X: ${'x'.repeat(17_000)}`), 431]
  }
  it.each(Object.entries(shapes))('is refused once, with what to do instead: %s', async (_name, [bytes, status]) => {
    const socket = connect(listening.port, '127.0.0.1').on('error', () => undefined)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.write(`${bytes}${get()}`, 'latin1')
    await once(socket, 'close')
    const text = Buffer.concat(chunks).toString()
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`])
    const error = {
      code: status === 404 ? 'not_found' : 'invalid_input',
      message: expect.stringMatching(/\w/),
      hint: expect.stringMatching(/\w/)
    }
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toEqual({error})
  })
})
