import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {RequestHead} from '../../src/gateway/http/request-head.ts'
import {RequestReader} from '../../src/gateway/http/request-reader.ts'

interface Read {
  readonly head: RequestHead
  body: string
  trailers: readonly string[] | undefined
}

interface Outcome {
  readonly requests: readonly Read[]
  /** Why nothing more was read. */
  readonly refused: string | undefined
  readonly isIdle: boolean
}

/** Reads bytes that come in pieces cut at these places; each request is answered as soon as it is whole. */
function read(text: string, cuts: readonly number[] = []): Outcome {
  const requests: Read[] = []
  const reader = new RequestReader({
    onHead: (head) => {
      requests.push({head, body: '', trailers: undefined})
      if (head.body === 'none') reader.next()
      else reader.takeBody()
    },
    onBody: (chunk) => {
      requests.at(-1)!.body += chunk.toString('latin1')
    },
    onBodyEnd: (trailers) => {
      requests.at(-1)!.trailers = trailers
      reader.next()
    }
  })
  const bytes = Buffer.from(text, 'latin1')
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length]
  let refused: string | undefined
  for (const [index, from] of places.slice(0, -1).entries()) {
    try {
      const to = places[index + 1] ?? bytes.length
      if (to > from) reader.read(bytes.subarray(from, to))
    } catch (error) {
      refused ??= (error as Error).message
    }
  }
  return {requests, refused, isIdle: reader.isIdle}
}

const byteByByte = (text: string): Outcome =>
  read(
    text,
    Array.from({length: text.length - 1}, (_, at) => at + 1)
  )
const one = (text: string): Read => {
  const {requests, refused} = read(text)
  expect([requests.length, refused]).toEqual([1, undefined])
  return requests[0]!
}
const host = 'Host: a\r\n'
const chunked = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`

describe('a request', () => {
  it('has its headers in their order, with lower-case names and without blanks around values', () => {
    const {head} = one('GET /a?b=%20 HTTP/1.1\r\nHOST:\t a \r\nX-One: \xe9\r\nx-one:\r\n\r\n')
    expect(head).toMatchObject({method: 'GET', target: '/a?b=%20', host: 'a', headers: ['host', 'a', 'x-one', '\xe9', 'x-one', '']})
  })

  it.each([
    ['a length', `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, 'hello', []],
    ['chunks', `${chunked}5\r\nhello\r\nA;ext="1"\r\n world 890\r\n0\r\n\r\n`, 'hello world 890', []],
    ['chunks with trailers', `${chunked}1\r\nx\r\n0\r\nChecksum: 1\r\nOther:2\r\n\r\n`, 'x', ['checksum', '1', 'other', '2']],
    ['no chunk at all', `${chunked}0\r\n\r\n`, '', []],
    ['a length of nothing', `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`, '', undefined],
    ['an empty line before it', `\r\nGET / HTTP/1.1\r\n${host}\r\n`, '', undefined]
  ])('ends where it says, whole and byte by byte: %s', (_name, text, body, trailers) => {
    expect(one(text)).toMatchObject({body, trailers})
    expect(read(text).isIdle).toBe(true)
    expect(byteByByte(text)).toEqual(read(text))
  })

  it.each([
    ['HTTP/1.1', '', '1.1', true],
    ['HTTP/1.1 that closes', 'Connection: x, Close\r\n', '1.1', false],
    ['HTTP/1.0', '', '1.0', false],
    ['HTTP/1.0 that stays', 'Connection: Keep-Alive\r\n', '1.0', true]
  ])('says whether its client stays: %s', (_name, line, version, keepAlive) => {
    expect(one(`GET / HTTP/${version}\r\n${host}${line}\r\n`).head.keepAlive).toBe(keepAlive)
  })

  it.each([
    ['both headers', 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n', '1.1', 'websocket'],
    ['no Connection', 'Upgrade: websocket\r\n', '1.1', undefined],
    ['HTTP/1.0', 'Connection: upgrade\r\nUpgrade: websocket\r\n', '1.0', undefined]
  ])('wants another protocol only by both headers: %s', (_name, lines, version, upgrade) => {
    expect(one(`GET / HTTP/${version}\r\n${host}${lines}\r\n`).head.upgrade).toBe(upgrade)
  })

  it('is not read before the one before it has its answer, nor its body before somebody wants it', () => {
    const told: string[] = []
    const reader = new RequestReader({
      onHead: ({target}) => told.push(target),
      onBody: (chunk) => told.push(chunk.toString()),
      onBodyEnd: () => told.push('end')
    })
    reader.read(Buffer.from(`POST /1 HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\n${host}\r\n`))
    expect(told).toEqual(['/1'])
    reader.takeBody()
    expect(told).toEqual(['/1', 'body', 'end'])
    reader.next()
    expect(told).toEqual(['/1', 'body', 'end', '/2'])
  })

  it('says when enough waits that nobody wants yet, and when there is room again', () => {
    const reader = new RequestReader({onHead: () => undefined, onBody: () => undefined, onBodyEnd: () => undefined})
    reader.read(Buffer.from(`POST / HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n`))
    reader.read(Buffer.alloc(16_000))
    expect(reader.isFull).toBe(false)
    reader.read(Buffer.alloc(1000))
    expect(reader.isFull).toBe(true)
    reader.takeBody()
    expect(reader.isFull).toBe(false)
  })
})

describe('what no two readers could agree on', () => {
  const get = (...lines: string[]): string => `GET / HTTP/1.1\r\n${host}${lines.join('\r\n')}\r\n\r\n`
  it.each([
    ['a lower-case method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['two blanks in the request line', `GET  / HTTP/1.1\r\n${host}\r\n`],
    ['a tab in the request line', `GET\t/ HTTP/1.1\r\n${host}\r\n`],
    ['no target', `GET HTTP/1.1\r\n${host}\r\n`],
    ['HTTP/1.2', `GET / HTTP/1.2\r\n${host}\r\n`],
    ['http/1.1', `GET / http/1.1\r\n${host}\r\n`],
    ['a blank behind the version', `GET / HTTP/1.1 \r\n${host}\r\n`],
    ['the target *', `OPTIONS * HTTP/1.1\r\n${host}\r\n`],
    ['an absolute target', `GET http://a/ HTTP/1.1\r\n${host}\r\n`],
    ['another protocol', '\x16\x03\x01\x02\x00'],
    ['two empty lines before it', `\r\n\r\nGET / HTTP/1.1\r\n${host}\r\n`],
    ['chunks in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a header of control characters', get('X: a\x7fb')],
    ['two expectations', get('Expect: 100-continue', 'Expect: 100-continue')],
    ['a line feed alone, before the headers end', `GET / HTTP/1.1\nHost: a\n`],
    ['an endless chunk line', `${chunked}1;${'a'.repeat(2000)}`],
    ['endless chunk extensions', `${chunked}${`1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(20)}`],
    ['endless trailers', `${chunked}0\r\n${`A: ${'b'.repeat(100)}\r\n`.repeat(200)}`],
    ['one endless trailer', `${chunked}0\r\nA: ${'b'.repeat(20_000)}`],
    ['a folded trailer', `${chunked}0\r\nA: b\r\n c\r\n\r\n`],
    ['a trailer that is no header', `${chunked}0\r\nnonsense\r\n\r\n`],
    ['a chunk that ends in a carriage return alone', `${chunked}1\r\nx\rx`],
    ['endless headers', `GET / HTTP/1.1\r\nA: ${'a'.repeat(17_000)}`]
  ])('is refused, whole and byte by byte, and nothing behind it is read: %s', (_name, text) => {
    for (const outcome of [read(`${text}`), byteByByte(text)]) {
      expect(outcome.refused).toMatch(/\w/)
      expect(outcome.requests.filter(({head, trailers}) => head.body === 'none' || trailers !== undefined)).toEqual([])
    }
  })
})

it('a head that is longer than most is read whole, wherever it is cut', () => {
  const value = 'v'.repeat(3000)
  const text = `\r\nPOST / HTTP/1.1\r\n${host}x-long: ${value}\r\nContent-Length: 2\r\n\r\nab`
  for (const cut of [
    1,
    2040,
    2048,
    2049,
    2050,
    2051,
    2052,
    text.length - 6,
    text.length - 5,
    text.length - 4,
    text.length - 3,
    text.length - 2
  ]) {
    const {requests, refused} = read(text, [cut])
    expect([requests.length, refused]).toEqual([1, undefined])
    expect(requests[0]).toMatchObject({head: {headers: ['host', 'a', 'x-long', value, 'content-length', '2']}, body: 'ab'})
  }
})

it('any cuts of the same bytes are read as the same requests', () => {
  const token = fc.constantFrom('a', 'X-Long-Name', 'content-type', '~')
  const value = fc.constantFrom('', 'b', 'c d', '\xff', ' \t e \t')
  const lines = fc.array(fc.tuple(token, value), {maxLength: 4}).map((all) => all.map(([name, text]) => `${name}:${text}\r\n`).join(''))
  const body = fc.constantFrom('', 'x', '\r\n\r\n', 'GET / HTTP/1.1\r\n', '\0'.repeat(40))
  const chunks = fc.array(body, {maxLength: 3}).map((all) => all.filter((part) => part !== ''))
  const request = fc.oneof(
    lines.map((more) => `GET /x HTTP/1.1\r\n${host}${more}\r\n`),
    fc.tuple(lines, body).map(([more, text]) => `PUT / HTTP/1.1\r\n${more}${host}Content-Length: ${text.length}\r\n\r\n${text}`),
    fc.tuple(lines, chunks).map(([trailers, parts]) => {
      const written = parts.map((part, at) => `${part.length.toString(16)}${at === 1 ? ';e=1' : ''}\r\n${part}\r\n`)
      return `${chunked}${written.join('')}0\r\n${trailers}\r\n`
    }),
    fc.constantFrom(`GET / HTTP/1.1\r\nHost : a\r\n\r\n`, `${chunked}2\r\nabc\r\n`, 'nonsense', `POST / HTTP/1.1\r\n${host}${host}\r\n`)
  )
  const stream = fc.array(request, {minLength: 1, maxLength: 4}).map((all) => all.join(''))
  fc.assert(
    fc.property(stream, fc.array(fc.nat(600), {maxLength: 12}), (text, cuts) => {
      const inside = cuts.filter((at) => at < text.length)
      const {requests, refused} = read(text)
      const cut = read(text, inside)
      expect(cut.requests).toEqual(requests)
      expect(cut.refused === undefined).toBe(refused === undefined)
    }),
    {numRuns: 300}
  )
})
