import {describe, expect, it} from 'vitest'
import {type AnswerHead, AnswerReader} from '../../src/gateway/answer-reader.ts'

interface Read {
  readonly head: AnswerHead | undefined
  readonly body: string
  readonly interim: readonly number[]
  readonly ended: boolean
  readonly trailers: readonly string[]
  readonly rest: string
}

/** Reads an answer that comes in pieces of so many bytes; `closes` ends the connection behind it. */
function read(text: string, options: {piece?: number; toHead?: boolean; mayUpgrade?: boolean; closes?: boolean} = {}): Read {
  const {piece = Number.POSITIVE_INFINITY, toHead = false, mayUpgrade = false, closes = false} = options
  let head: AnswerHead | undefined
  let body = ''
  let ended = false
  let trailers: readonly string[] = []
  const interim: number[] = []
  const reader = new AnswerReader({
    onInterim: ({status}) => interim.push(status),
    onHead: (found) => {
      head = found
    },
    onData: (chunk) => {
      body += chunk.toString('latin1')
    },
    onEnd: (found) => {
      ended = true
      trailers = found
    }
  })
  reader.expect({toHead, mayUpgrade})
  const bytes = Buffer.from(text, 'latin1')
  let rest = ''
  for (let at = 0; at < bytes.length; at += piece) {
    if (reader.isDone || reader.isUpgraded) rest += bytes.toString('latin1', at, at + piece)
    else rest += reader.read(bytes.subarray(at, Math.min(bytes.length, at + piece))).toString('latin1')
  }
  if (closes) reader.end()
  return {head, body, interim, ended, trailers, rest}
}

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

describe('an answer', () => {
  it.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', {}, 'hello', true, ''],
    ['nothing at all', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', {}, '', true, ''],
    ['a status without a reason', 'HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', {}, 'x', true, ''],
    ['chunks', `${chunked}5\r\nhello\r\nA;ext="1"\r\n world 890\r\n0\r\n\r\n`, {}, 'hello world 890', true, ''],
    ['chunks with trailers', `${chunked}1\r\nx\r\n0\r\nChecksum: 1\r\nOther: 2\r\n\r\n`, {}, 'x', true, ''],
    ['no body after 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n', {}, '', true, ''],
    ['no body after 304', `HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n`, {}, '', true, ''],
    ['no body to HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n', {toHead: true}, '', true, ''],
    [
      'interim answers before it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n',
      {},
      '',
      true,
      ''
    ],
    ['the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nuntil the end', {closes: true}, 'until the end', true, ''],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', {}, 'ok', true, ''],
    ['more than was asked for', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1', {}, 'ok', true, 'HTTP/1.1'],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nframes', {mayUpgrade: true}, '', false, 'frames']
  ])('ends as it says, whole and byte by byte: %s', (_name, text, options, body, ended, rest) => {
    const whole = read(text, options)
    expect([whole.body, whole.ended, whole.rest]).toEqual([body, ended, rest])
    for (const piece of [1, 2, 3, 7]) expect(read(text, {...options, piece})).toEqual(whole)
  })

  it('keeps every header in its order, with lower-case names and without blanks around values', () => {
    const {head} = read('HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie:\t b \t\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n')
    expect(head?.headers).toEqual(['set-cookie', 'a', 'set-cookie', 'b', 'x', '\xe9', 'content-length', '0'])
  })

  it.each([
    ['HTTP/1.1 with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', true],
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n', false],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', false],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n', false]
  ])('lets the connection be used again or not: %s', (_name, text, keepAlive) => {
    expect(read(text).head?.keepAlive).toBe(keepAlive)
  })
})

describe('an answer that could be read in two ways', () => {
  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
    ['the same length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx'],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx'],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx'],
    ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['another encoding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare line feed', 'HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\r\nA: b\rContent-Length: 0\r\n\r\n'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a blank before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx'],
    ['no colon', 'HTTP/1.1 200 OK\r\nContent-Length\r\n\r\nx'],
    ['no name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\nx'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a chunk without a size', `${chunked}\r\nx\r\n0\r\n\r\n`],
    ['a chunk of negative size', `${chunked}-1\r\nx\r\n0\r\n\r\n`],
    ['a chunk of 0x size', `${chunked}0x1\r\nx\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${chunked}1\r\nxy\r\n0\r\n\r\n`],
    ['a chunk line with a bare line feed', `${chunked}1\nx\r\n0\r\n\r\n`],
    ['a size beyond all numbers', `${chunked}fffffffffffffff\r\nx`],
    ['an endless chunk line', `${chunked}1;${'a'.repeat(2000)}`],
    ['endless headers', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(70_000)}`],
    ['endless trailers', `${chunked}0\r\n${'A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n'.repeat(500)}\r\n`],
    ['endless interim answers', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(17)],
    ['a protocol that nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n']
  ])('is refused: %s', (_name, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({code: 'bad_gateway'}))
    expect(() => read(text, {piece: 5})).toThrow(expect.objectContaining({code: 'bad_gateway'}))
  })

  it('is refused when the connection ends before the answer does', () => {
    for (const text of ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell', `${chunked}5\r\nhello\r\n`]) {
      expect(() => read(text, {closes: true})).toThrow(expect.objectContaining({code: 'bad_gateway'}))
    }
  })
})
