import {once} from 'node:events'
import {connect, Socket} from 'node:net'
import {Duplex, duplexPair} from 'node:stream'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {type ClientCall, UPGRADED_SILENT_MAX_MS} from '../../src/gateway/http/client-call.ts'
import {createHttpServer, type HttpServer} from '../../src/gateway/http/http-server.ts'
import {type Listening, listenOn} from '../../src/gateway/listen.ts'

const HOST = 'Host: a\r\n'
let server: HttpServer
let listening: Listening
let answer: (call: ClientCall) => void

beforeEach(async () => {
  server = createHttpServer({
    tls: undefined,
    otherProtocol: 'websocket',
    connectionsMax: 100,
    connectionsPerClientMax: () => 100,
    onCall: (call) => answer(call),
    onRefused: () => undefined
  })
  listening = await listenOn(server, {host: '127.0.0.1', port: 0}, {closeMaxMs: 1000})
})
afterEach(() => listening.close())

const whole = (text: string) => (call: ClientCall) => {
  call.begin(200, ['content-length', String(text.length)])
  call.end(Buffer.from(text))
}
/** Answers what came of the body, once it is whole. */
const echo = (call: ClientCall): void => {
  let body = ''
  call.owner = {
    onBody: (chunk) => {
      body += chunk.toString()
    },
    onBodyEnd: () => whole(body)(call),
    onClientDrain: () => undefined,
    onClientGone: () => undefined
  }
  call.takeBody()
}

/** Sends bytes as they are and answers everything that comes back until the end, without the date. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(listening.port, '127.0.0.1').on('error', () => undefined)
  socket.write(bytes, 'latin1')
  return textOf(socket)
}

async function textOf(socket: Duplex): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks)
    .toString('latin1')
    .replace(/date: [^\r]*GMT\r\n/g, '')
}
const CLOSE = 'connection: close\r\n'
const KEPT = 'connection: keep-alive\r\nkeep-alive: timeout=65\r\n'

describe('the end of an answer', () => {
  it.each([
    ['a length', 'GET', '1.1', 200, ['content-length', '2'], `content-length: 2\r\n${CLOSE}\r\nok`],
    ['chunks without one', 'GET', '1.1', 200, [], `transfer-encoding: chunked\r\n${CLOSE}\r\n2\r\nok\r\n0\r\n\r\n`],
    ['the connection for HTTP/1.0', 'GET', '1.0', 200, [], `${CLOSE}\r\nok`],
    ['the head for HEAD', 'HEAD', '1.1', 200, ['content-length', '2'], `content-length: 2\r\n${CLOSE}\r\n`],
    ['the head for HEAD without a length', 'HEAD', '1.1', 200, [], `${CLOSE}\r\n`],
    ['the head of 204, whatever it says', 'GET', '1.1', 204, ['content-length', '2'], `${CLOSE}\r\n`],
    ['the head of 304', 'GET', '1.1', 304, ['content-length', '2'], `content-length: 2\r\n${CLOSE}\r\n`]
  ])('is %s, in one piece or in several', async (_name, method, version, status, headers, expected) => {
    for (const inPieces of [false, true]) {
      answer = (call) => {
        call.begin(status, headers)
        if (inPieces) {
          call.flush()
          call.write(Buffer.from('ok'))
          call.end()
        } else call.end(Buffer.from('ok'))
      }
      const text = await raw(`${method} / HTTP/${version}\r\n${HOST}Connection: close\r\n\r\n`)
      expect(text.slice(text.indexOf('\r\n') + 2)).toBe(expected)
    }
  })

  it('carries trailers behind chunks, without those that would be believed only in a head', async () => {
    answer = (call) => {
      call.begin(200, ['trailer', 'checksum'])
      call.write(Buffer.from('ok'))
      call.end(undefined, ['checksum', '1', 'content-length', '9', 'set-cookie', 'a=1', 'creo-error', 'x'])
    }
    const text = await raw(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    expect(text).toMatch(/2\r\nok\r\n0\r\nchecksum: 1\r\n\r\n$/)
  })

  it('keeps the connection for the next request, for HTTP/1.0 when it asks for that', async () => {
    answer = whole('ok')
    const last = `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
    const text = await raw(`GET / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n${last}`)
    expect(text.match(new RegExp(KEPT, 'g'))).toHaveLength(2)
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3)
  })
})

describe('an answer before the answer', () => {
  it('goes to whoever can know of it, and never into the answer', async () => {
    answer = (call) => {
      call.interim(103, ['link', '</a.css>'])
      call.begin(200, ['content-length', '0'])
      call.interim(103, ['link', '</late.css>'])
      call.end()
    }
    const ask = (version: string) => raw(`GET / HTTP/${version}\r\n${HOST}Connection: close\r\n\r\n`)
    expect(await ask('1.1')).toBe(`HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n${CLOSE}\r\n`)
    expect(await ask('1.0')).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 0\r\n${CLOSE}\r\n`)
  })

  it('is 100 once, only where it was expected; who was not told to go on loses its connection', async () => {
    const post = (more: string): string => `POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n${more}\r\nok`
    const close = `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
    answer = (call) => {
      if (call.head.body === 'none') return whole('bye')(call)
      call.interim(100, [])
      call.interim(100, [])
      echo(call)
    }
    const told = await raw(`${post('')}${post('Expect: 100-continue\r\n')}${close}`)
    expect(told.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 100', 'HTTP/1.1 200', 'HTTP/1.1 200'])
    answer = whole('no')
    const untold = await raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${close.length}\r\nExpect: 100-continue\r\n\r\n${close}`)
    expect(untold).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${CLOSE}\r\nno`)
  })
})

describe('a connection', () => {
  it('can be any two-way stream', async () => {
    const [near, far] = duplexPair()
    let asked: ClientCall | undefined
    answer = (call) => {
      asked = call
      echo(call)
    }
    server.serve(near, {address: 'node_1', secure: true})
    far.write(`POST / HTTP/1.1\r\n${HOST}Connection: close\r\nContent-Length: 5\r\n\r\nhello`)
    let text = ''
    for await (const chunk of far) text += String(chunk)
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhello$/s)
    expect(asked?.client).toEqual({address: 'node_1', secure: true})
  })

  it('gets many small chunks of one turn in one write', async () => {
    const writes: number[] = []
    const {promise: ended, resolve} = Promise.withResolvers<void>()
    const stream = new Duplex({
      read: () => undefined,
      writev: (chunks, done) => {
        writes.push(chunks.length)
        done()
      },
      final: (done) => {
        done()
        resolve()
      }
    })
    answer = (call) => {
      call.begin(200, [])
      for (let count = 0; count < 1000; count += 1) call.write(Buffer.from('x'))
      call.end()
    }
    server.serve(stream, {address: '', secure: false})
    stream.push(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    await ended
    expect(writes).toEqual([1001])
  })

  it('goes on after an answer that came before the body, once that is through', async () => {
    answer = whole('early')
    const body = 'x'.repeat(100_000)
    const last = `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
    const text = await raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}${last}`)
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
  })

  it('that leaves is told to whoever answers', async () => {
    const {promise: gone, resolve} = Promise.withResolvers<void>()
    const {promise: asked, resolve: isAsked} = Promise.withResolvers<void>()
    let seen: ClientCall | undefined
    answer = (call) => {
      seen = call
      call.owner = {onBody: () => undefined, onBodyEnd: () => undefined, onClientDrain: () => undefined, onClientGone: () => resolve()}
      isAsked()
    }
    const socket = connect(listening.port, '127.0.0.1').on('error', () => undefined)
    socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    await asked
    socket.destroy()
    await gone
    expect(seen?.isGone).toBe(true)
  })

  it('gets no request behind one whose answers nobody reads', async () => {
    let calls = 0
    answer = (call) => {
      calls += 1
      call.begin(200, [])
      call.end(Buffer.alloc(2 ** 20))
    }
    const socket = connect(listening.port, '127.0.0.1').pause()
    socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(100))
    // Requests on other connections are through long after these could have been.
    for (let round = 0; round < 20; round += 1) await raw(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    expect(calls).toBeLessThan(20 + 50)
    let bytes = 0
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length
      if (bytes >= 100 * 2 ** 20) break
    }
    expect(calls).toBe(120)
  })

  it('closes behind the answer under way when the server closes, and at once when it waits', async () => {
    const asked = Promise.withResolvers<ClientCall>()
    answer = asked.resolve
    const idle = connect(listening.port, '127.0.0.1').resume()
    const busy = connect(listening.port, '127.0.0.1')
    busy.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
    const call = await asked.promise
    const idleClosed = once(idle, 'close')
    const closed = listening.close()
    await idleClosed
    const text = textOf(busy)
    whole('last')(call)
    expect(await text).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 4\r\n${CLOSE}\r\nlast`)
    await closed
    server.listen(0)
    await once(server, 'listening')
  })

  it('becomes the other protocol with what came behind its request, and closes when that is refused', async () => {
    const upgrade = `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nframe`
    answer = (call) => {
      const {socket, head} = call.upgrade(['sec-websocket-accept', 'k'])
      socket.end(`got ${head.toString()}`)
    }
    const switched = 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: k\r\n\r\n'
    const socket = connect(listening.port, '127.0.0.1')
    socket.write(upgrade)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe(`${switched}got frame`)
    answer = whole('no')
    expect(await raw(upgrade)).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${CLOSE}\r\nno`)
  })

  it('is cut off when nothing passes for very long after it became the other protocol', async () => {
    let timeout: number | undefined
    answer = (call) => {
      const {socket} = call.upgrade([])
      if (!(socket instanceof Socket)) return
      timeout = socket.timeout
      socket.emit('timeout')
    }
    await raw(`GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
    expect(timeout).toBe(UPGRADED_SILENT_MAX_MS)
  })
})
