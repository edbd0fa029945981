import {request} from 'node:http'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {GatewayCalls} from '../../src/coordinator/gateway-calls.ts'
import {GATEWAY_CALLS_PATH} from '../../src/core/protocol/async.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

/** The coordinator's side and a gateway's, over a real connection. */

const {signal} = new AbortController()
const SCHEDULED_MS = Date.UTC(2030, 0, 1, 7, 30)
const call = {
  id: `call_${'c'.repeat(32)}`,
  org: 'acme',
  app: 'shop',
  function: 'api',
  method: 'PUT',
  path: '/water?all=1',
  scheduledAtMs: SCHEDULED_MS
}

let world: GatewayWorld
let asked: {url: string; method: string; headers: Record<string, unknown>}[]
beforeEach(async () => {
  asked = []
  world = await openGatewayWorld({async: {backoffFirstMs: 5}})
  await world.addMiner({
    serve: (request, response) => {
      asked.push({url: request.url ?? '', method: request.method ?? '', headers: request.headers})
      response.writeHead(204).end()
    }
  })
})
afterEach(() => world.close())

function gateway() {
  const {publicKey} = world.key
  return {id: gatewayIdOf(publicKey), publicKey, name: 'gw', tunnelUrl: world.gateway.tunnelUrl, publicUrl: world.gateway.publicUrl}
}

it('a call of a schedule is taken once, however often it is handed in, and says which time it is for', async () => {
  const calls = new GatewayCalls({key: world.coordinator, nowMs: Date.now})
  await Promise.all([1, 2, 3].map(() => calls.hand(gateway(), call, signal)))
  await expect.poll(async () => (await calls.find(gateway(), call.id, signal)).state).toBe('succeeded')
  await calls.hand(gateway(), call, signal)
  expect(asked).toHaveLength(1)
  expect(asked[0]).toMatchObject({url: '/water?all=1', method: 'PUT'})
  expect(asked[0]?.headers).toMatchObject({'creo-call-id': call.id, 'creo-attempt': '1', 'creo-scheduled-at': '2030-01-01T07:30:00.000Z'})
  const listed = await calls.list(gateway(), {org: 'acme', app: 'shop', limit: 10}, signal)
  expect(listed).toMatchObject([{id: call.id, state: 'succeeded', function: 'acme/shop/api', scheduledAtMs: SCHEDULED_MS}])
  expect(await calls.list(gateway(), {org: 'acme', app: 'shop', state: 'failed', limit: 10}, signal)).toEqual([])
  expect(await calls.list(gateway(), {org: 'acme', app: 'other', limit: 10}, signal)).toEqual([])
})

it('a call of a schedule whose function is gone fails', async () => {
  const calls = new GatewayCalls({key: world.coordinator, nowMs: Date.now})
  await calls.hand(gateway(), {...call, function: 'gone'}, signal)
  await expect.poll(() => calls.find(gateway(), call.id, signal)).toMatchObject({state: 'failed', error: {code: 'not_found'}})
})

it('nobody but the coordinator hands in or lists calls, and none of its requests counts twice', async () => {
  const stranger = new GatewayCalls({key: generateKeyPair(), nowMs: Date.now})
  await expect(stranger.hand(gateway(), call, signal)).rejects.toMatchObject({code: 'unauthorized'})
  await expect(stranger.list(gateway(), {org: 'acme', app: 'shop', limit: 1}, signal)).rejects.toMatchObject({code: 'unauthorized'})
  const url = new URL(GATEWAY_CALLS_PATH, world.gateway.publicUrl).href
  const body = JSON.stringify(call)
  const unsigned = await fetch(url, {method: 'POST', body})
  expect(unsigned.status).toBe(401)
  const headers = signRequest({method: 'POST', url, body, key: world.coordinator, nowMs: Date.now()})
  expect((await fetch(url, {method: 'POST', body: body.replace('PUT', 'GET'), headers})).status).toBe(400)
  const answers = [await fetch(url, {method: 'POST', body, headers}), await fetch(url, {method: 'POST', body, headers})]
  expect(answers.map(({status}) => status)).toEqual([202, 409])
})

it('who has not the key of the coordinator is refused before it sends a body, and a large one is not read', async () => {
  const url = new URL(GATEWAY_CALLS_PATH, world.gateway.publicUrl).href
  const headers = signRequest({method: 'POST', url, body: 'x', key: generateKeyPair(), nowMs: Date.now()})
  const status = await new Promise((resolve, reject) => {
    const asking = request(url, {method: 'POST', headers: {...headers, 'content-length': '1000'}}, (answer) => {
      resolve(answer.statusCode)
      asking.destroy()
    })
    asking.on('error', reject).flushHeaders()
  })
  expect(status).toBe(401)
  const body = JSON.stringify({...call, path: `/${'x'.repeat(16 * 1024)}`})
  const signed = signRequest({method: 'POST', url, body, key: world.coordinator, nowMs: Date.now()})
  expect((await fetch(url, {method: 'POST', body, headers: signed})).status).toBe(413)
})

it('lists have the beginning of a long target', async () => {
  const calls = new GatewayCalls({key: world.coordinator, nowMs: Date.now})
  const target = `/long?${'x'.repeat(3000)}`
  expect((await world.ask(`/async${target}`, {method: 'POST'})).status).toBe(202)
  const [listed] = await calls.list(gateway(), {org: 'acme', app: 'shop', limit: 10}, signal)
  expect(listed?.target).toBe(target.slice(0, 1024))
  expect((await calls.find(gateway(), listed?.id ?? '', signal)).target).toBe(target)
})

it('a gateway that does not answer is said to be unavailable', async () => {
  const calls = new GatewayCalls({key: world.coordinator, nowMs: Date.now})
  const silent = {...gateway(), publicUrl: 'http://127.0.0.1:1'}
  await expect(calls.hand(silent, call, signal)).rejects.toMatchObject({code: 'unavailable'})
})
