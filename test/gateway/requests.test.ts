import {once} from 'node:events'
import {type IncomingMessage, request} from 'node:http'
import {afterEach, describe, expect, it} from 'vitest'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

function open(path: string, options: {method?: string; headers?: Record<string, string>} = {}) {
  const asked = request(`${world.gateway.publicUrl}${path}`, {
    agent: false,
    ...options,
    headers: {host: 'shop--acme.localhost', ...options.headers}
  })
  const answered = once(asked, 'response').then(([response]) => response as IncomingMessage)
  answered.catch(() => undefined)
  return {asked, answered}
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('a request through gateway and tunnel', () => {
  it('starts an instance from nothing and brings back what the function says', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (request, response) => {
        void textOf(request).then((body) => {
          response.setHeader('set-cookie', ['a=1; Domain=evil.example; Path=/', 'b=2; domain=.x'])
          response.end(JSON.stringify({method: request.method, url: request.url, headers: request.headers, body}))
        })
      }
    })
    const answer = await world.ask('/api/things?x=1', {
      method: 'POST',
      body: 'hello',
      headers: {'x-forwarded-for': '6.6.6.6', connection: 'x-secret', 'x-secret': '1'}
    })
    expect(answer.status).toBe(200)
    expect(answer.headers['x-revision']).toBe('rev_2')
    expect(answer.headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2'])
    const seen = JSON.parse(answer.body)
    expect(seen).toMatchObject({method: 'POST', url: '/api/things?x=1', body: 'hello'})
    expect(seen.headers).toMatchObject({
      host: 'shop--acme.localhost',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'shop--acme.localhost'
    })
    expect(seen.headers).not.toHaveProperty('x-secret')
  })

  it('says which revision answered, and lets no function speak as the gateway', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (_request, response) =>
        void response.writeHead(200, {'creo-error': 'no_instance', 'Creo-Revision': 'rev_9', 'creo-x': '1'}).end()
    })
    const {headers} = await world.ask('/api')
    expect(Object.entries(headers).filter(([name]) => name.startsWith('creo-'))).toEqual([['creo-revision', 'rev_2']])
  })

  it('takes the path form on loopback, the function form, and the domain of the gateway', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (request, response) => void response.end(`${request.url} ${request.headers['x-forwarded-prefix'] ?? ''}`)})
    expect((await world.ask('/@shop--acme/api/x?y', {host: '127.0.0.1:7801'})).body).toBe('/api/x?y /@shop--acme')
    expect((await world.ask('/@shop--acme', {host: 'localhost'})).body).toBe('/ /@shop--acme')
    expect((await world.ask('/apiary', {host: 'api--shop--acme.apps.example:80'})).headers['x-revision']).toBe('rev_2')
    expect((await world.ask('/apiary', {host: 'SHOP--acme.apps.example'})).headers['x-revision']).toBe('rev_1')
    expect(JSON.parse((await world.ask('/', {host: 'shop--nobody.localhost'})).body).error.code).toBe('not_found')
    expect((await world.ask('/', {host: 'shop--acme.elsewhere.example'})).status).toBe(404)
  })

  it('passes a trace on as it came, and begins one where none came or it cannot be read', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: ({headers}, response) => void response.end(`${headers.traceparent} ${headers.tracestate ?? 'stateless'}`)
    })
    const given = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const ask = async (headers: Record<string, string | string[]>) => (await world.ask('/', {headers})).body
    expect(await ask({traceparent: given, tracestate: 'a=1'})).toBe(`${given} a=1`)
    const begun = /^00-[0-9a-f]{32}-[0-9a-f]{16}-00 stateless$/
    const [first, second] = [await ask({}), await ask({traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, tracestate: 'a=1'})]
    expect([first, second, await ask({traceparent: [given, given]})]).toEqual(new Array(3).fill(expect.stringMatching(begun)))
    expect(first).not.toBe(second)
  })

  it('streams answers as they come, and a body while the answer already runs', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (request, response) => {
        response.writeHead(200, {'content-type': 'text/event-stream'})
        response.flushHeaders()
        request.on('data', (chunk: Buffer) => response.write(`data: ${chunk.toString()}\n\n`))
        request.on('end', () => response.end('data: done\n\n'))
      }
    })
    const {asked, answered} = open('/', {method: 'POST'})
    asked.write('one')
    const response = await answered
    expect(response.headers['content-type']).toBe('text/event-stream')
    expect(String((await once(response, 'data'))[0])).toBe('data: one\n\n')
    asked.write('two')
    expect(String((await once(response, 'data'))[0])).toBe('data: two\n\n')
    asked.end()
    expect(await textOf(response)).toBe('data: done\n\n')
  })

  it('passes the first event on at once when it comes after the head', async () => {
    world = await openGatewayWorld()
    const {promise: headSeen, resolve: sawHead} = Promise.withResolvers<void>()
    const {promise: eventSeen, resolve: sawEvent} = Promise.withResolvers<void>()
    await world.addMiner({
      serve: async (_request, response) => {
        response.writeHead(200, {'content-type': 'text/event-stream'}).flushHeaders()
        await headSeen
        response.write('data: one\n\n')
        await eventSeen
        response.end()
      }
    })
    const {asked, answered} = open('/')
    asked.end()
    const response = await answered
    sawHead()
    expect(String((await once(response, 'data'))[0])).toBe('data: one\n\n')
    sawEvent()
    expect(await textOf(response)).toBe('')
  })

  it('lets the client see an answer that comes before the body was sent', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (_request, response) => void response.writeHead(413).end('too much')})
    const {asked, answered} = open('/', {method: 'POST', headers: {'content-length': String(8 * 2 ** 20)}})
    asked.on('error', () => undefined)
    asked.write(Buffer.alloc(64 * 1024))
    const response = await answered
    expect([response.statusCode, await textOf(response)]).toEqual([413, 'too much'])
    asked.destroy()
  })

  it('tells the function when the client has gone', async () => {
    world = await openGatewayWorld()
    const {promise: left, resolve} = Promise.withResolvers<void>()
    await world.addMiner({
      serve: (request, response) => {
        response.write('first')
        request.socket.once('close', () => resolve())
      }
    })
    const {asked, answered} = open('/')
    asked.on('error', () => undefined)
    asked.end()
    const response = await answered
    response.on('error', () => undefined)
    await once(response, 'data')
    asked.destroy()
    await left
  })

  it('answers 100-continue only when the function reads the body', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (request, response) => void textOf(request).then((body) => response.end(`got ${body}`))})
    const {asked, answered} = open('/', {method: 'POST', headers: {expect: '100-continue', 'content-length': '4'}})
    asked.flushHeaders()
    await once(asked, 'continue')
    asked.end('body')
    expect(await textOf(await answered)).toBe('got body')
  })

  it('leaves it to the function to refuse a body before any of it is sent', async () => {
    world = await openGatewayWorld()
    const {promise: read, resolve} = Promise.withResolvers<IncomingMessage>()
    await world.addMiner({
      serve: (request, response) => {
        resolve(request)
        response.writeHead(413, {connection: 'close'}).end('no')
      }
    })
    const {asked, answered} = open('/', {method: 'POST', headers: {'content-length': '1000000'}})
    asked.on('error', () => undefined)
    asked.flushHeaders()
    expect((await read).headers['content-length']).toBe('1000000')
    const response = await answered
    expect([response.statusCode, await textOf(response)]).toEqual([413, 'no'])
    asked.destroy()
  })

  it('carries a WebSocket both ways, and refuses as HTTP when the function does', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (_request, response) => void response.writeHead(403).end('no'),
      onUpgrade: (socket, head) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello '
        )
        socket.write(head)
        socket.pipe(socket)
      }
    })
    const {asked} = open('/', {headers: {connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'k'}})
    asked.end()
    const [response, socket, head] = await once(asked, 'upgrade')
    expect(response.headers['sec-websocket-accept']).toBe('x')
    socket.end('and echo')
    expect(head.toString() + (await textOf(socket))).toBe('hello and echo')

    const second = await openGatewayWorld()
    await second.addMiner({serve: (_request, response) => void response.writeHead(403).end('no')})
    const refused = await second.ask('/', {headers: {connection: 'Upgrade', upgrade: 'websocket'}})
    expect([refused.status, refused.body]).toEqual([403, 'no'])
    await second.close()
  })

  it('passes answers before the answer on, and trailers both ways', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (request, response) => {
        response.writeEarlyHints({link: '</a.css>; rel=preload', 'creo-x': '1'})
        void textOf(request).then((body) => {
          response.writeHead(200, {trailer: 'checksum'})
          response.write(`got ${body} `)
          response.addTrailers({checksum: String(request.trailers.digest), 'creo-y': '2'})
          response.end('whole')
        })
      }
    })
    const {asked, answered} = open('/', {method: 'POST', headers: {trailer: 'digest'}})
    const hints = once(asked, 'information')
    asked.write('body')
    asked.addTrailers({digest: 'd1', host: 'evil.localhost'})
    asked.end()
    const [{statusCode, headers}] = await hints
    expect([statusCode, headers]).toEqual([103, {link: '</a.css>; rel=preload'}])
    const response = await answered
    expect(await textOf(response)).toBe('got body whole')
    expect([response.headers.trailer, response.trailers]).toEqual(['checksum', {checksum: 'd1'}])
  })

  it('takes an answer in very many small chunks without gathering up work for each', async () => {
    world = await openGatewayWorld()
    const warnings: Error[] = []
    const warned = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warned)
    const chunks = '1\r\nx\r\n'.repeat(50_000)
    await world.addMiner({
      serve: ({socket}) => void socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
    })
    expect((await world.ask('/')).body).toBe('x'.repeat(50_000))
    process.off('warning', warned)
    expect(warnings).toEqual([])
  })

  it('passes 5 MiB both ways unchanged', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (request, response) => void request.pipe(response)})
    const body = 'x'.repeat(5 * 2 ** 20)
    expect((await world.ask('/', {method: 'PUT', body})).body).toBe(body)
  })

  it('ends a request that takes longer than the timeout of the revision', async () => {
    world = await openGatewayWorld({spec: {timeoutMs: 100}})
    await world.addMiner({serve: () => undefined})
    const answer = await world.ask('/')
    expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([504, 'timeout'])
  })

  it('tries another instance when one breaks off before it answered, and not when the answer had begun', async () => {
    world = await openGatewayWorld()
    let calls = 0
    const miner = await world.addMiner({
      serve: (request, response) => {
        calls += 1
        if (request.url === '/half') {
          response.writeHead(200, {'content-length': '100'})
          response.write('half')
          setImmediate(() => response.destroy())
        } else if (calls === 1) request.socket.destroy()
        else response.end(`call ${calls}`)
      }
    })
    expect((await world.ask('/')).body).toBe('call 2')
    await expect(world.ask('/half')).rejects.toThrow()
    expect(miner.running.size).toBe(1)
  })

  it.each(['POST', 'PATCH'])('sends a %s without a body once only when its instance breaks off', async (method) => {
    world = await openGatewayWorld()
    let calls = 0
    await world.addMiner({
      serve: (request) => {
        calls += 1
        request.socket.destroy()
      }
    })
    const answer = await world.ask('/', {method})
    expect([answer.status, answer.headers['creo-error'], calls]).toEqual([502, 'bad_gateway', 1])
  })

  it('answers bad_gateway when a body was read and the instance broke off', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (request) => void request.once('data', () => request.socket.destroy())})
    const answer = await world.ask('/', {method: 'POST', body: 'once only'})
    expect([answer.status, answer.headers['creo-error']]).toEqual([502, 'bad_gateway'])
    expect(JSON.parse(answer.body).error).toEqual({
      code: 'bad_gateway',
      message: 'The function broke off before its answer was complete.',
      hint: expect.stringContaining('creo logs')
    })
  })
})
