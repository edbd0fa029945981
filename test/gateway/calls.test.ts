import {once} from 'node:events'
import {type IncomingMessage, type OutgoingHttpHeaders, type RequestListener, request} from 'node:http'
import type {Socket} from 'node:net'
import {text} from 'node:stream/consumers'
import {afterEach, describe, expect, it} from 'vitest'
import type {Caller} from '../../src/core/protocol/tunnel.ts'
import {DEFAULT_SETTINGS} from '../../src/gateway/settings.ts'
import type {FakeMiner, FakeMinerOptions} from '../support/fake-miner.ts'
import {type Answer, type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

/** The app `shop`, whose `site` may call `api`, itself and one that is not deployed; beside it another app of the same org. */
async function shop(options: Parameters<typeof openGatewayWorld>[0] = {}): Promise<GatewayWorld> {
  world = await openGatewayWorld(options)
  const [site] = world.table.revisions
  if (site === undefined) throw new Error('no revision')
  site.spec = {...site.spec, calls: ['api', 'site', 'lost']}
  world.table.revisions.push({...site, id: 'rev_3', app: 'bank', function: 'till', spec: {...site.spec, calls: []}})
  const functions = [{function: 'till', revision: 'rev_3'}]
  world.table.apps.push({org: 'acme', app: 'bank', routes: [{path: '/', function: 'till'}], functions})
  world.publish()
  return world
}

const says: RequestListener = (request, response) =>
  void text(request).then((body) => response.end(JSON.stringify({url: request.url, headers: request.headers, body})))

/** A miner whose `site` runs and is about to call. */
async function calling(serve: RequestListener = says): Promise<{miner: FakeMiner; caller: Pick<Caller, 'instance' | 'lease'>}> {
  const miner = await world.addMiner({serve})
  expect((await world.ask('/')).status).toBe(200)
  return {miner, caller: miner.callerOf('rev_1')}
}

interface Call {
  readonly host: string
  readonly path?: string
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
}

async function send(socket: Socket, {host, path = '/', method = 'GET', headers = {}, body}: Call): Promise<IncomingMessage> {
  const asked = request({createConnection: () => socket.resume(), path, method, headers: {host, ...headers}}).end(body)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return answer
}

async function call(miner: FakeMiner, caller: Pick<Caller, 'instance' | 'lease'>, asked: Call): Promise<Answer> {
  const socket = await miner.openCalls(caller)
  const answer = await send(socket, asked)
  const body = await text(answer)
  socket.destroy()
  return {status: answer.statusCode ?? 0, headers: answer.headers, body}
}

const codeOf = ({body}: Answer): string => JSON.parse(body).error.code

describe('a call of one function by another', () => {
  it('goes to the function that the host names, starts it from nothing on whatever node, and is counted as any request and as a call', async () => {
    await shop()
    const {miner, caller} = await calling()
    world.table.leases = world.table.leases.filter(({revision}) => revision !== 'rev_2')
    const other = await world.addMiner({serve: says}, {revision: 'rev_2'})
    const answer = await call(miner, caller, {host: 'api.internal', path: '/sum?of=1', method: 'POST', body: 'two'})
    expect([answer.status, answer.headers['creo-revision'], other.running.size]).toEqual([200, 'rev_2', 1])
    expect(JSON.parse(answer.body)).toMatchObject({url: '/sum?of=1', body: 'two', headers: {host: 'api.internal'}})
    expect(world.gateway.status().revisions.find(({revision}) => revision === 'rev_2')).toMatchObject({requests: 1, instances: 1})
    const metrics = await (await fetch(`${world.gateway.tunnelUrl}/.creo/metrics`)).text()
    expect(metrics).toContain('creo_gateway_requests_total{function="acme/shop/api",class="2xx",from="function"} 1')
    expect(metrics).toContain('creo_gateway_requests_total{function="acme/shop/site",class="2xx",from="client"} 1')
  })

  it('can be answered later, and is looked at by functions of its app alone', async () => {
    await shop()
    const {miner, caller} = await calling()
    const posted = await call(miner, caller, {host: 'api.internal', path: '/async/job', method: 'POST', body: 'x'})
    expect(posted.status).toBe(202)
    const {location} = JSON.parse(posted.body)
    const look = async (host: string, path = location) => JSON.parse((await call(miner, caller, {host, path})).body)
    await expect.poll(() => look('api.internal')).toMatchObject({state: 'succeeded', function: 'acme/shop/api'})
    const {url, body, headers} = JSON.parse((await look('site.internal')).result.body)
    expect([url, body, headers['creo-attempt'], headers['x-forwarded-for']]).toEqual(['/job', 'x', '1', undefined])
    expect(codeOf(await call(miner, caller, {host: 'till.internal', path: '/async/job', method: 'POST'}))).toBe('forbidden')
    expect((await world.ask(location, {host: 'bank--acme.localhost'})).status).toBe(404)
  })

  it('goes on over one connection, with the port in the host as well, and upper case', async () => {
    await shop()
    const {miner, caller} = await calling()
    const socket = await miner.openCalls(caller)
    const answers: string[] = []
    for (const host of ['api.internal', 'API.internal:80', 'site.internal.']) {
      const ended = (async () => {
        let answer = ''
        for await (const chunk of socket.iterator({destroyOnReturn: false})) {
          answer += chunk
          if (answer.endsWith('0\r\n\r\n') || /\r\n\r\n\{.*\}$/s.test(answer)) return answer
        }
        return answer
      })()
      socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      answers.push(/creo-revision: (\S+)/.exec(await ended)?.[1] ?? '')
    }
    expect(answers).toEqual(['rev_2', 'rev_2', 'rev_1'])
    socket.destroy()
  })

  it('passes on what the caller says of its client, and says how many calls it is away from one, which no client can say', async () => {
    await shop()
    const {miner, caller} = await calling()
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const told = {'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'https', forwarded: 'for=198.51.100.7', traceparent: trace}
    const heard = async (headers: OutgoingHttpHeaders) =>
      JSON.parse((await call(miner, caller, {host: 'api.internal', headers})).body).headers
    expect(await heard({...told, 'creo-hops': '3'})).toMatchObject({...told, 'creo-hops': '4'})
    const alone = await heard({})
    expect(alone).toMatchObject({'creo-hops': '1', traceparent: expect.stringMatching(/^00-/)})
    expect(Object.keys(alone).filter((name) => name.includes('forwarded'))).toEqual([])
    const asked = JSON.parse((await world.ask('/api', {headers: {'creo-hops': '9'}})).body).headers
    expect([asked['creo-hops'], asked['x-forwarded-for']]).toEqual([undefined, '127.0.0.1'])
  })

  it.each([
    'till.internal',
    'bank.internal',
    'till--bank--acme.internal',
    'coordinator.internal',
    'internal',
    'api',
    'api.internal.evil.example',
    'api--shop--acme.localhost',
    'shop--acme.apps.example',
    'localhost',
    '127.0.0.1',
    '[::1]:80'
  ])('is refused when it is for %s, which the caller does not list', async (host) => {
    await shop()
    const {miner, caller} = await calling()
    for (const path of ['/', '/@shop--acme/api', '/.creo/metrics', '/.creo/tunnel']) {
      const answer = await call(miner, caller, {host, path})
      expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden'])
      expect(JSON.parse(answer.body).error.hint).toContain('calls: in creo.yaml')
    }
  })

  it('finds no function that is listed and not deployed, and hands the paths of the gateway to the function like any other', async () => {
    await shop()
    const {miner, caller} = await calling()
    expect(codeOf(await call(miner, caller, {host: 'lost.internal'}))).toBe('not_found')
    expect(JSON.parse((await call(miner, caller, {host: 'api.internal', path: '/.creo/metrics'})).body).url).toBe('/.creo/metrics')
  })

  it.each([
    ['two hosts', 'GET / HTTP/1.1\r\nhost: api.internal\r\nhost: till.internal\r\n\r\n'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['another host in the target', 'GET http://till.internal/ HTTP/1.1\r\nhost: api.internal\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: api.internal\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a tunnel', 'CONNECT till.internal:80 HTTP/1.1\r\nhost: api.internal\r\n\r\n']
  ])('with %s is answered once and cut off', async (_what, bytes) => {
    await shop()
    const {miner, caller} = await calling()
    const socket = await miner.openCalls(caller)
    socket.write(`${bytes}GET /smuggled HTTP/1.1\r\nhost: api.internal\r\n\r\n`)
    const answer = await text(socket)
    socket.destroy()
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
  })
})

describe('who calls', () => {
  it('is believed when the instance or the lease is of that very node, and no longer than that is so', async () => {
    await shop()
    const {miner, caller} = await calling()
    const stranger = await world.addMiner({serve: says}, {revision: 'rev_3'})
    const refused = {code: 'forbidden', hint: 'Wait for the next table.'}
    await expect(stranger.openCalls(caller)).rejects.toMatchObject(refused)
    await expect(miner.openCalls({...caller, lease: 'lea_999'})).rejects.toMatchObject(refused)
    // One that is not ready yet, or that another gateway has started: the lease tells what it is.
    expect((await call(miner, {...caller, instance: 'not-ready'}, {host: 'api.internal'})).status).toBe(200)
    const socket = await miner.openCalls(caller)
    world.table.leases = world.table.leases.filter(({id}) => id !== caller.lease)
    const stopped = miner.next('stop')
    world.publish()
    await stopped
    expect((await send(socket, {host: 'api.internal'})).statusCode).toBe(403)
    socket.destroy()
  })

  it('may call what its own revision lists, also while a newer one takes over', async () => {
    await shop()
    const release = Promise.withResolvers<void>()
    const inside = Promise.withResolvers<void>()
    const {miner, caller} = await calling((request, response) => {
      if (request.url !== '/slow') return says(request, response)
      inside.resolve()
      void release.promise.then(() => response.end('late'))
    })
    const slow = world.ask('/slow')
    await inside.promise
    const [site] = world.table.revisions
    if (site === undefined) throw new Error('no revision')
    world.table.revisions.push({...site, id: 'rev_4', spec: {...site.spec, calls: ['lost']}})
    const entry = world.table.apps[0]?.functions.find(({function: name}) => name === 'site')
    if (entry !== undefined) entry.revision = 'rev_4'
    const newer = await world.addMiner({serve: says}, {revision: 'rev_4'})
    await expect.poll(async () => (await world.ask('/')).headers['x-revision']).toBe('rev_4')
    expect((await call(miner, caller, {host: 'api.internal'})).headers['creo-revision']).toBe('rev_2')
    expect((await call(newer, newer.callerOf('rev_4'), {host: 'api.internal'})).status).toBe(403)
    release.resolve()
    expect((await slow).body).toBe('late')
  })

  it('may call only so often, all instances under one lease together', async () => {
    const limits = {...DEFAULT_SETTINGS.limits, requestsPerSecondPerClient: 0.1, requestsBurstPerClient: 2}
    await shop({settings: {...DEFAULT_SETTINGS, limits}})
    const {miner, caller} = await calling()
    const statuses: number[] = []
    for (let count = 0; count < 3; count += 1) statuses.push((await call(miner, caller, {host: 'api.internal'})).status)
    expect(statuses).toEqual([200, 200, 429])
    expect((await call(miner, {...caller, instance: 'another'}, {host: 'api.internal'})).status).toBe(429)
  })
})

describe('what is called', () => {
  it('streams its answer, and hears when the caller leaves in the middle', async () => {
    await shop()
    const left = Promise.withResolvers<void>()
    const {miner, caller} = await calling((request, response) => {
      if (request.url !== '/events') return says(request, response)
      response.write('one')
      request.on('data', (chunk: Buffer) => response.write(`heard ${chunk}`))
      response.on('close', () => left.resolve())
    })
    const socket = await miner.openCalls(caller)
    const asked = request({createConnection: () => socket.resume(), path: '/events', method: 'POST', headers: {host: 'api.internal'}})
    asked.flushHeaders()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(String((await once(answer, 'data'))[0])).toBe('one')
    asked.write('two')
    expect(String((await once(answer, 'data'))[0])).toBe('heard two')
    socket.destroy()
    await left.promise
  })

  it('speaks WebSocket with the caller, if that is what the caller asks for', async () => {
    await shop()
    const upgraded: FakeMinerOptions['onUpgrade'] = (socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n')
      socket.write(head)
      socket.pipe(socket)
    }
    const miner = await world.addMiner({serve: says, onUpgrade: upgraded})
    expect((await world.ask('/')).status).toBe(200)
    const socket = await miner.openCalls(miner.callerOf('rev_1'))
    socket.write('GET /chat HTTP/1.1\r\nhost: api.internal\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.resume()
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
    socket.write('said')
    expect(String((await once(socket, 'data'))[0])).toBe('said')
    socket.destroy()
  })

  it('may be the caller itself, until one request has led to 16 calls, each within the other', async () => {
    await shop()
    let requests = 0
    const {miner} = await calling(async (asked, response) => {
      requests += 1
      if (asked.url === '/') return response.end('quiet')
      const within = await call(miner, miner.callerOf('rev_1'), {host: 'site.internal', path: '/loop'})
      response.writeHead(within.status).end(within.body)
    })
    requests = 0
    const answer = await world.ask('/loop')
    expect([answer.status, codeOf(answer), requests]).toEqual([508, 'loop_detected', 17])
    // When it is over, all is as before.
    expect((await call(miner, miner.callerOf('rev_1'), {host: 'site.internal'})).body).toBe('quiet')
    const again = await world.ask('/loop')
    expect([again.status, requests]).toEqual([508, 17 + 1 + 17])
  })
})
