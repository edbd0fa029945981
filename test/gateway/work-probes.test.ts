import {afterEach, beforeEach, expect, it} from 'vitest'
import {WORK_PROBES_PATH} from '../../src/core/protocol/work-probes.ts'
import {visitorHeaders} from '../../src/gateway/visitor-headers.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {type Answer, type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

/** What the coordinator has a gateway ask, over a real connection. */

/** As long as an honest host needs, many times. */
const PROBE_MS = 1000
let world: GatewayWorld
let asked: Record<string, string | string[] | undefined>[]
beforeEach(async () => {
  asked = []
  world = await openGatewayWorld({async: {probeAnswerMaxMs: PROBE_MS}})
})
afterEach(() => world.close())

async function addMiner(answer: string, status = 200): Promise<string> {
  const miner = await world.addMiner({
    serve: (request, response) => {
      asked.push({...request.headers, ':path': request.url})
      response.writeHead(status).end(answer)
    }
  })
  return miner.node
}

const PROBE = {host: 'shop--acme.localhost', path: '/now?nonce=7', address: '41.7.7.7'}

async function probe(body: object = PROBE, key = world.coordinator): Promise<Answer> {
  const url = new URL(WORK_PROBES_PATH, world.gateway.publicUrl).href
  const text = JSON.stringify(body)
  const headers = {...signRequest({method: 'POST', url, key, nowMs: Date.now(), body: text}), 'content-type': 'application/json'}
  const response = await fetch(url, {method: 'POST', headers, body: text})
  return {status: response.status, headers: {}, body: await response.text()}
}

it('a function is asked as by a visitor: from the address that was thought of, with nothing that says who wants to know', async () => {
  const node = await addMiner('the time')
  const {status, body} = await probe()
  expect(status).toBe(200)
  expect(JSON.parse(body)).toEqual({nodes: [node], status: 200, text: 'the time', ms: expect.any(Number)})
  await world.ask('/now?nonce=7', {
    headers: {accept: '*/*', 'accept-language': 'en', 'accept-encoding': 'gzip, deflate', 'user-agent': 'x', referer: 'http://x/'}
  })
  const [probed = {}, visited = {}] = asked
  expect(probed).toMatchObject({':path': '/now?nonce=7', 'x-forwarded-for': '41.7.7.7', 'x-forwarded-proto': 'http'})
  // The same headers as anybody's, in the same order.
  const ofPerson = new Set(['host', 'x-forwarded-host', 'connection'])
  expect(
    Object.keys(probed)
      .filter((name) => !ofPerson.has(name))
      .sort()
  ).toEqual(
    Object.keys(visited)
      .filter((name) => !ofPerson.has(name))
      .sort()
  )
  expect(JSON.stringify(probed)).not.toMatch(/creo-|coordinator|probe/i)
})

it('comes from one browser or another, in the words of its kind, and says no more without TLS than they do', () => {
  const agents = new Set<string>()
  for (const origin of ['https://exchange--creometry.example.org', 'http://exchange--creometry.example.org']) {
    for (let browser = 0; browser < 7; browser += 1) {
      const list = visitorHeaders(origin, (below) => browser % below)
      const headers = Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : [])))
      const agent = String(headers['user-agent'])
      agents.add(agent)
      expect(headers.referer).toBe(`${origin}/`)
      const isChromium = agent.includes('Chrome/')
      const isSecure = origin.startsWith('https:')
      expect(Object.keys(headers).filter((name) => name.startsWith('sec-ch-'))).toHaveLength(isChromium && isSecure ? 3 : 0)
      expect(Object.keys(headers).filter((name) => name.startsWith('sec-fetch-'))).toHaveLength(isSecure ? 3 : 0)
      if (isChromium && isSecure) expect(headers['sec-ch-ua-mobile']).toBe(agent.includes('Mobile') ? '?1' : '?0')
    }
  }
  expect(agents.size).toBe(7)
})

it('says what was answered, right or wrong, and that nobody was there to ask', async () => {
  expect(JSON.parse((await probe({...PROBE, host: 'nothing--acme.localhost'})).body)).toMatchObject({nodes: [], status: null})
  const node = await addMiner('garbage'.repeat(2000), 500)
  expect(JSON.parse((await probe()).body)).toMatchObject({nodes: [node], status: 500, text: expect.stringMatching(/^garbage.{4089}$/)})
})

it('is done for the coordinator alone, in the form that is known, and an app has its own address there', async () => {
  await addMiner('no')
  expect((await probe(PROBE, generateKeyPair())).status).toBe(401)
  expect((await probe({...PROBE, path: 'x'})).status).toBe(400)
  expect((await probe({...PROBE, address: 'localhost'})).status).toBe(400)
  const unsigned = await fetch(new URL(WORK_PROBES_PATH, world.gateway.publicUrl), {method: 'POST', body: JSON.stringify(PROBE)})
  expect(unsigned.status).toBe(401)
  expect(asked).toEqual([])
  expect((await world.ask(WORK_PROBES_PATH, {method: 'POST', body: '{}'})).body).toBe('no')
})

it('names a host that begins to answer and does not end', async () => {
  const miner = await world.addMiner({serve: (_request, response) => void response.writeHead(200, {'content-length': '100'}).write('{')})
  expect(JSON.parse((await probe()).body)).toMatchObject({nodes: [miner.node], status: null, text: ''})
})
