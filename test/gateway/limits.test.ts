import {afterEach, describe, expect, it} from 'vitest'
import type {Client} from '../../src/gateway/http/client-call.ts'
import {clientName, RequestLimits} from '../../src/gateway/request-limits.ts'
import {DEFAULT_SETTINGS, type GatewayLimits} from '../../src/gateway/settings.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

const limits = (changed: Partial<GatewayLimits>): GatewayLimits => ({...DEFAULT_SETTINGS.limits, ...changed})
const clientAt = (address: string): Client => ({address, secure: false})
const refused = expect.objectContaining({code: 'rate_limited'})

describe('how often a client may ask', () => {
  it.each([
    ['198.51.100.7', '198.51.100.7'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['::ffff:127.0.0.1', undefined]
  ])('%s counts as %s', (address, name) => {
    expect(clientName(address)).toBe(name)
  })

  it('is a burst, and then so many a second, each client for itself', () => {
    const requests = new RequestLimits(() => limits({requestsPerSecondPerClient: 2, requestsBurstPerClient: 3}))
    const [ann, bob] = [clientAt('198.51.100.7'), clientAt('198.51.100.8')]
    for (let count = 0; count < 3; count += 1) requests.takeFromClient(ann, 0)
    expect(() => requests.takeFromClient(ann, 0)).toThrow(refused)
    expect(() => requests.takeFromClient(ann, 499)).toThrow(refused)
    requests.takeFromClient(ann, 500)
    expect(() => requests.takeFromClient(ann, 500)).toThrow(refused)
    requests.takeFromClient(bob, 500)
    expect(() => requests.takeFromClient(ann, 500)).toThrow(refused)
  })

  it('counts calls by the lease that their node holds, whatever instances the node names', () => {
    const requests = new RequestLimits(() => limits({requestsPerSecondPerClient: 2, requestsBurstPerClient: 3}))
    const calls = (instance: string, lease = 'lea_1'): void =>
      requests.takeFromClient({address: instance, secure: false, caller: {node: 'node_1', instance, lease}}, 0)
    for (const instance of ['localhost', 'i-1', 'i-2']) calls(instance)
    for (const instance of ['localhost', 'i-1', 'i-3']) expect(() => calls(instance)).toThrow(refused)
    calls('i-1', 'lea_2')
  })

  it('follows the settings while it runs, and a clock that goes back gives nothing away', () => {
    let current = limits({requestsPerSecondPerFunction: 1, requestsBurstPerFunction: 1})
    const requests = new RequestLimits(() => current)
    requests.takeFromFunction('acme/shop/site', 1000)
    expect(() => requests.takeFromFunction('acme/shop/site', 0)).toThrow(refused)
    requests.takeFromFunction('acme/shop/api', 0)
    current = limits({requestsPerSecondPerFunction: 1000, requestsBurstPerFunction: 10})
    requests.takeFromFunction('acme/shop/site', 1)
  })
})

describe('a gateway with limits', () => {
  let world: GatewayWorld
  afterEach(async () => {
    await world.close()
    expect(world.fatal).toEqual([])
  })
  const codeOf = (body: string): string => JSON.parse(body).error.code

  it('answers rate_limited with Retry-After for the function that is asked too often, and serves the other', async () => {
    const settings = {...DEFAULT_SETTINGS, limits: limits({requestsPerSecondPerFunction: 1, requestsBurstPerFunction: 1})}
    world = await openGatewayWorld({settings})
    await world.addMiner({serve: (_request, response) => void response.end('ok')})
    expect((await world.ask('/')).status).toBe(200)
    const answer = await world.ask('/', {method: 'POST', body: 'x'.repeat(100_000)})
    expect([answer.status, codeOf(answer.body), answer.headers['retry-after']]).toEqual([429, 'rate_limited', '2'])
    expect((await world.ask('/api')).status).toBe(200)
  })

  it('refuses a body that is too large, by its length before the function hears of it, in chunks as soon as it is', async () => {
    world = await openGatewayWorld({settings: {...DEFAULT_SETTINGS, limits: limits({bodyBytes: 1000})}})
    let heard = 0
    await world.addMiner({
      serve: (request, response) => {
        heard += 1
        request.resume().once('end', () => response.end('all of it'))
      }
    })
    expect((await world.ask('/', {method: 'POST', body: 'x'.repeat(1000)})).body).toBe('all of it')
    const announced = await world.ask('/', {method: 'POST', body: 'x'.repeat(1001)})
    expect([announced.status, codeOf(announced.body), heard]).toEqual([413, 'payload_too_large', 1])
    const chunked = await world.ask('/', {method: 'POST', body: 'x'.repeat(1001), headers: {'transfer-encoding': 'chunked'}})
    expect([chunked.status, codeOf(chunked.body)]).toEqual([413, 'payload_too_large'])
    // It is the client's doing: the instance is used on.
    expect((await world.ask('/', {method: 'POST', body: 'x'})).body).toBe('all of it')
  })

  it('writes one line a request to the access log when that is on, without the query or the id of a call', async () => {
    const lines: string[] = []
    const stream = {write: (line: string) => void lines.push(line)}
    world = await openGatewayWorld({settings: {...DEFAULT_SETTINGS, accessLog: true}, log: createLog({role: 'gateway', env: {}, stream})})
    await world.addMiner({serve: (_request, response) => void response.writeHead(201).end('ok')})
    await world.ask('/api/x?secret=1')
    await world.ask('/', {host: 'nobody.localhost'})
    const id = `call_${'i'.repeat(32)}`
    await world.ask(`/async/calls/${id}`)
    await world.ask(`/.creo/async/calls/${id}/retry`, {method: 'POST', host: '127.0.0.1'})
    const logged = lines.map((line) => JSON.parse(line)).filter(({msg}) => msg === 'request')
    expect(logged).toMatchObject([
      {client: '127.0.0.1', method: 'GET', host: 'shop--acme.localhost', path: '/api/x', status: 201, function: 'acme/shop/api'},
      {path: '/', status: 404, function: '', code: 'not_found'},
      {path: '/async/calls/…', status: 404},
      {path: '/.creo/async/calls/…/retry', status: 404}
    ])
    for (const {trace} of logged) expect(trace).toMatch(/^[0-9a-f]{32}$/)
    expect(lines.join('')).not.toMatch(/secret|call_/)
  })
})
