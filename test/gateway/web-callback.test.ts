import {once} from 'node:events'
import {createServer, type Server} from 'node:https'
import {type AddressInfo, connect} from 'node:net'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {GatewayCalls} from '../../src/coordinator/gateway-calls.ts'
import {acceptedCallSchema, type CallSummary, callViewSchema} from '../../src/core/protocol/async.ts'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'
import {selfSignedCertificate} from '../../src/tunnel/self-signed.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

/** The name that the certificate is for. */
const HOST = 'hooks.example.org'
const PUBLIC = '93.184.216.34'

let world: GatewayWorld
let server: Server
/** What the address outside was sent, and what it answers, in turn. */
let told: {path: string; id: string; attempt: string; host: string; body: string}[]
let statuses: number[]
/** Addresses of each name, and those that were connected to. */
let names: Record<string, readonly string[]>
let dialled: string[]

beforeEach(async () => {
  told = []
  statuses = []
  dialled = []
  names = {[HOST]: [PUBLIC], 'inside.example.org': [PUBLIC, '10.0.0.7'], 'other.example.org': [PUBLIC], 'home.example.org': ['198.41.0.4']}
  const certificate = selfSignedCertificate(generateKeyPair(), HOST)
  server = createServer(certificate, (request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      const {'creo-call-id': id, 'creo-attempt': attempt, host = ''} = request.headers
      told.push({path: request.url ?? '', id: String(id), attempt: String(attempt), host, body})
      response.writeHead(statuses.shift() ?? 204, {location: `https://${HOST}/elsewhere`}).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  world = await openGatewayWorld({
    async: {
      backoffFirstMs: 5,
      web: {
        ca: certificate.cert,
        resolve: async (host) => names[host] ?? [],
        ownNetworks: () => ['198.41.0.0/24'],
        connect: (address, at) => {
          dialled.push(`${address}:${at}`)
          return connect(port, '127.0.0.1')
        }
      }
    }
  })
  await world.addMiner({serve: (_, response) => response.end('done')})
})
afterEach(async () => {
  await world.close()
  server.close().closeAllConnections()
})

async function post(callback: string): Promise<string> {
  const answer = await world.ask('/async/work', {method: 'POST', headers: {'creo-callback': callback}})
  return acceptedCallSchema.parse(JSON.parse(answer.body)).id
}

/** The callback of a call, once it has ended. */
async function callbackOf(id: string): Promise<CallSummary> {
  const calls = new GatewayCalls({key: world.coordinator, nowMs: Date.now})
  const {publicKey} = world.key
  const urls = {tunnelUrl: world.gateway.tunnelUrl, publicUrl: world.gateway.publicUrl}
  const gateway = {id: gatewayIdOf(publicKey), publicKey, name: 'gw', ...urls}
  const find = async () =>
    (await calls.list(gateway, {org: 'acme', app: 'shop', limit: 10}, new AbortController().signal)).find((one) => one.callbackOf === id)
  await expect.poll(async () => (await find())?.state).toMatch(/succeeded|failed/)
  return (await find()) as CallSummary
}

it('a result is posted to an https address, again until it is taken, under one id', async () => {
  statuses = [500, 200]
  const id = await post(`https://${HOST}/hook?for=ana#part`)
  expect(await callbackOf(id)).toMatchObject({
    state: 'succeeded',
    attempts: 2,
    function: 'acme/shop',
    target: `https://${HOST}/hook?for=ana`
  })
  expect(told.map(({path, attempt, host}) => [path, attempt, host])).toEqual([
    ['/hook?for=ana', '1', HOST],
    ['/hook?for=ana', '2', HOST]
  ])
  expect(told[0]?.id).toBe(told[1]?.id)
  expect(callViewSchema.parse(JSON.parse(told[1]?.body ?? ''))).toMatchObject({id, state: 'succeeded', result: {status: 200, body: 'done'}})
  expect(dialled).toEqual([`${PUBLIC}:443`, `${PUBLIC}:443`])
})

it.each([
  ['a name with one private address', 'https://inside.example.org/', 'forbidden'],
  ["an address of this machine's own networks", 'https://home.example.org/', 'forbidden'],
  ['a name without an address', 'https://nobody.example.org/', 'not_found']
])('%s is not connected to', async (_, callback, code) => {
  expect(await callbackOf(await post(callback))).toMatchObject({state: 'failed', attempts: 1, error: {code}})
  expect(dialled).toEqual([])
})

it('a redirection is not followed', async () => {
  statuses = [302]
  expect(await callbackOf(await post(`https://${HOST}/`))).toMatchObject({state: 'failed', attempts: 1})
  expect(told.map(({path}) => path)).toEqual(['/'])
})

it('a certificate for another name is refused, and tried again', async () => {
  const id = await post('https://other.example.org/')
  await expect.poll(() => dialled.length).toBeGreaterThan(1)
  expect(told).toEqual([])
  names['other.example.org'] = []
  expect(await callbackOf(id)).toMatchObject({state: 'failed'})
})
