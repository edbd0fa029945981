import {once} from 'node:events'
import {Agent, request} from 'node:http'
import {connect, type Socket} from 'node:net'
import {afterEach, describe, expect, it, vi} from 'vitest'
import {indexRoutes} from '../../src/core/routing.ts'
import type {Fleet} from '../../src/gateway/fleet.ts'
import type {HttpServer} from '../../src/gateway/http/http-server.ts'
import {listenOn} from '../../src/gateway/listen.ts'
import {createPublicServer} from '../../src/gateway/public-server.ts'
import {RequestLimits} from '../../src/gateway/request-limits.ts'
import {RevisionPool} from '../../src/gateway/revision-pool.ts'
import {DEFAULT_SETTINGS} from '../../src/gateway/settings.ts'
import type {TrafficMetrics} from '../../src/gateway/traffic-metrics.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

/** Requests that may wait for a revision. */
const WAITING_MAX = 1000

/** The public side alone, with an answer to which pool serves. */
function publicServer(poolFor: Fleet['poolFor'], onAnswered: () => void): HttpServer {
  return createPublicServer({
    fleet: {poolFor, release: () => undefined} as unknown as Fleet,
    routing: () => indexRoutes(world.table, []),
    onWork: () => undefined,
    metrics: {answered: onAnswered} as unknown as TrafficMetrics,
    conduct: {request: () => undefined},
    reach: {answer: () => false},
    assets: {serve: () => Promise.resolve(false)},
    calls: {claim: () => undefined, answer: () => Promise.resolve(''), workProbes: {answer: () => false}},
    limits: new RequestLimits(() => DEFAULT_SETTINGS.limits),
    settings: () => DEFAULT_SETTINGS,
    random: () => 0,
    monotonicMs: () => performance.now(),
    log: createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}})
  })
}

describe('a request that comes to nothing', () => {
  it('can be sent to its end by a client whose body nobody wants any more', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: (asked) => void asked.once('data', () => asked.socket.destroy())})
    const length = 16 * 2 ** 20
    const headers = {host: 'shop--acme.localhost', 'content-length': String(length)}
    const agent = new Agent({keepAlive: true})
    const asked = request(world.gateway.publicUrl, {agent, method: 'POST', headers})
    asked.write(Buffer.alloc(1024))
    const [response] = await once(asked, 'response')
    response.resume()
    expect(response.statusCode).toBe(502)
    asked.end(Buffer.alloc(length - 1024))
    await once(asked, 'finish')
    agent.destroy()
  })

  it('is not tried on a newer revision when its client has left', async () => {
    world = await openGatewayWorld()
    const {promise: waits, resolve: isWaiting} = Promise.withResolvers<void>()
    const {promise: judged, resolve: hasJudged} = Promise.withResolvers<void>()
    const poolOf = (id: string): RevisionPool => {
      const entry = {...world.table.revisions[0]!, id}
      return new RevisionPool({entry, random: Math.random, monotonicMs: () => performance.now(), onWaiting: () => isWaiting()})
    }
    const [old, newer] = [poolOf('rev_1'), poolOf('rev_9')]
    const asked = vi.fn(() => old)
    asked.mockReturnValueOnce(old).mockReturnValue(newer)
    const taken = vi.spyOn(newer, 'tryAcquire')
    const listening = await listenOn(publicServer(asked, hasJudged), {host: '127.0.0.1', port: 0}, {closeMaxMs: 0})
    const client = connect(listening.port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nhost: shop--acme.localhost\r\n\r\n')
    await waits
    client.destroy()
    await judged
    expect(taken).not.toHaveBeenCalled()
    await listening.close()
  })

  it('is told when to come again where too many wait already', async () => {
    world = await openGatewayWorld({spec: {concurrency: 1, scaleMax: 1}})
    await world.addMiner({serve: () => undefined})
    const agent = new Agent()
    const headers = {host: 'shop--acme.localhost'}
    for (let count = 0; count <= WAITING_MAX; count += 1) {
      request(world.gateway.publicUrl, {agent, headers})
        .on('error', () => undefined)
        .end()
    }
    const load = () => world.gateway.status().revisions.map(({inFlight, waiting}) => ({inFlight, waiting}))
    await expect.poll(load, {timeout: 20_000}).toContainEqual({inFlight: 1, waiting: WAITING_MAX})
    const answer = await world.ask('/')
    expect([answer.status, JSON.parse(answer.body).error.code, answer.headers['retry-after']]).toEqual([503, 'overloaded', '2'])
    agent.destroy()
  })

  it('loses its connection when it was for a WebSocket, also when the client keeps its own side open', async () => {
    world = await openGatewayWorld()
    const server = publicServer(
      () => undefined,
      () => undefined
    )
    const connected = once(server, 'connection')
    const listening = await listenOn(server, {host: '127.0.0.1', port: 0}, {closeMaxMs: 0})
    const client = connect({port: listening.port, host: '127.0.0.1', allowHalfOpen: true})
    client.write('GET / HTTP/1.1\r\nhost: shop--acme.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n')
    const [socket] = (await connected) as [Socket]
    const closed = once(socket, 'close')
    expect(String((await once(client, 'data'))[0])).toMatch(/^HTTP\/1.1 503 /)
    await closed
    client.destroy()
    await listening.close()
  })
})
