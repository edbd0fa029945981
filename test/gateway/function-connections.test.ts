import {once} from 'node:events'
import {createServer, type IncomingMessage, type RequestListener, type Server} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {Duplex} from 'node:stream'
import fc from 'fast-check'
import {afterEach, describe, expect, it} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import type {FunctionCall, FunctionConnection} from '../../src/gateway/function-connection.ts'
import {FunctionConnections} from '../../src/gateway/function-connections.ts'

interface Got {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: string
}

let server: Server
afterEach(() => {
  server.close().closeAllConnections()
})

async function connectionsTo(
  listener: RequestListener,
  concurrency = 10
): Promise<{connections: FunctionConnections; opened: () => number}> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  let opened = 0
  const open = async () => {
    opened += 1
    const socket = connect({port, host: '127.0.0.1', allowHalfOpen: true})
    await once(socket, 'connect')
    return socket
  }
  return {connections: new FunctionConnections({concurrency, open}), opened: () => opened}
}

/** Sends one request with its body in these pieces, and gathers its answer; `pauses` reads it with breaks. */
function send(
  connections: FunctionConnections,
  asked: {method?: string; chunks?: Buffer[]; chunked?: boolean; pauses?: boolean}
): Promise<Got> {
  const {method = 'GET', chunks = [], chunked = true, pauses = false} = asked
  const body = chunks.length === 0 ? 'none' : chunked ? 'chunked' : 'length'
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const framing = {none: '', chunked: 'transfer-encoding: chunked\r\n', length: `content-length: ${bytes}\r\n`}[body]
  return new Promise((resolve, reject) => {
    let connection: FunctionConnection | undefined
    let status = 0
    let headers: readonly string[] = []
    const received: Buffer[] = []
    const call: FunctionCall = {
      head: `${method} / HTTP/1.1\r\nhost: x\r\n${framing}\r\n`,
      toHead: method === 'HEAD',
      mayUpgrade: false,
      body,
      onSent: (on) => {
        connection = on
        if (body === 'none') return
        for (const chunk of chunks) on.writeBody(chunk)
        on.endBody([])
      },
      onDrain: () => undefined,
      onInterim: () => undefined,
      onHead: (head) => {
        status = head.status
        headers = head.headers
      },
      onData: (chunk) => {
        received.push(Buffer.from(chunk))
        if (!pauses) return
        connection?.pause()
        setImmediate(() => connection?.resume())
      },
      onPieceEnd: () => undefined,
      onEnd: () => resolve({status, headers, body: Buffer.concat(received).toString('latin1')}),
      onError: reject,
      onUpgrade: () => reject(new Error('no upgrade was asked for'))
    }
    connections.send(call)
  })
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('connections to an instance', () => {
  it('carry any body both ways unchanged, however it is cut, one request after the other and side by side', async () => {
    const {connections, opened} = await connectionsTo((request, response) => {
      void bodyOf(request).then((body) => {
        const cut = 1 + (body.length % 977)
        if (body.length % 3 === 0) response.setHeader('content-length', body.length)
        if (body.length % 7 === 0) response.setHeader('connection', 'close')
        for (let at = 0; at < body.length; at += cut) response.write(body.subarray(at, at + cut))
        response.end()
      })
    })
    const chunk = fc.uint8Array({minLength: 1, maxLength: 3000}).map((bytes) => Buffer.from(bytes))
    const asked = fc.record({chunks: fc.array(chunk, {minLength: 1, maxLength: 8}), chunked: fc.boolean(), pauses: fc.boolean()})
    await fc.assert(
      fc.asyncProperty(fc.array(asked, {minLength: 1, maxLength: 6}), async (requests) => {
        const answers = await Promise.all(requests.map((one) => send(connections, {method: 'POST', ...one})))
        expect(answers.map(({status}) => status)).toEqual(requests.map(() => 200))
        expect(answers.map(({body}) => body)).toEqual(requests.map(({chunks}) => Buffer.concat(chunks).toString('latin1')))
      }),
      {numRuns: 60}
    )
    expect(opened()).toBeGreaterThan(0)
    connections.close()
  })

  it('send a head together with what of its body is there in that moment, and do not wait for the rest', async () => {
    server = createServer()
    const writes: string[] = []
    const ended = Promise.withResolvers<void>()
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        writes.push(String(chunk))
        done()
        if (writes.length === 2) ended.resolve()
      },
      writev: (chunks, done) => {
        writes.push(chunks.map(({chunk}) => String(chunk)).join(''))
        done()
      }
    })
    const connections = new FunctionConnections({concurrency: 1, open: () => Promise.resolve(socket)})
    const ignore = (): void => undefined
    const onSent = (on: FunctionConnection): void => {
      process.nextTick(() => on.writeBody(Buffer.from('first ')))
      setImmediate(() => on.writeBody(Buffer.from('second')))
    }
    const told = {onDrain: ignore, onInterim: ignore, onHead: ignore, onData: ignore, onPieceEnd: ignore, onEnd: ignore}
    const call = {
      head: 'HEAD ',
      toHead: false,
      mayUpgrade: false,
      body: 'length',
      onSent,
      ...told,
      onError: ignore,
      onUpgrade: ignore
    } as const
    connections.send(call)
    await ended.promise
    expect(writes).toEqual(['HEAD first ', 'second'])
    connections.destroy(new CreoError('bad_gateway', 'The instance has ended.'))
  })

  it('are used again, and no more are opened than the instance serves at a time', async () => {
    const {connections, opened} = await connectionsTo((_request, response) => void response.end('ok'), 3)
    for (let count = 0; count < 5; count += 1) expect((await send(connections, {})).body).toBe('ok')
    expect(opened()).toBe(1)
    const answers = await Promise.all(Array.from({length: 30}, () => send(connections, {})))
    expect(answers.every(({body}) => body === 'ok')).toBe(true)
    expect(opened()).toBeLessThanOrEqual(3)
    connections.close()
  })

  it('are not used again after HEAD only where the function says so', async () => {
    const {connections, opened} = await connectionsTo((_request, response) => void response.writeHead(200, {'content-length': 9}).end())
    expect((await send(connections, {method: 'HEAD'})).status).toBe(200)
    expect((await send(connections, {method: 'HEAD'})).body).toBe('')
    expect(opened()).toBe(1)
    connections.close()
  })

  it('end with their instance: what runs and what waits hears why', async () => {
    const {connections} = await connectionsTo(() => undefined, 1)
    const running = send(connections, {})
    const waiting = send(connections, {})
    connections.destroy(new CreoError('bad_gateway', 'The instance has ended.'))
    await expect(running).rejects.toMatchObject({code: 'bad_gateway'})
    await expect(waiting).rejects.toMatchObject({code: 'bad_gateway'})
    await expect(send(connections, {})).rejects.toMatchObject({code: 'bad_gateway'})
  })

  it('fail the call, not the others, when one cannot be opened', async () => {
    server = createServer()
    let tries = 0
    const connections = new FunctionConnections({
      concurrency: 5,
      open: () => {
        tries += 1
        return Promise.reject(new CreoError('timeout', 'The miner opened no connection in time.'))
      }
    })
    await expect(Promise.allSettled([send(connections, {}), send(connections, {})])).resolves.toMatchObject([
      {status: 'rejected', reason: {code: 'bad_gateway'}},
      {status: 'rejected', reason: {code: 'bad_gateway'}}
    ])
    expect(tries).toBe(2)
  })
})
