import {afterAll, beforeAll, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {startWorld} from './coordinator-world.ts'

let world: Awaited<ReturnType<typeof startWorld>>

beforeAll(async () => {
  world = await startWorld()
  await world.actors.colibris()
})
afterAll(() => world.close())

it('sends nothing again to who has it, and everything once it has changed', async () => {
  const {actors} = world
  const first = await actors.ask('GET', '/v1/accounts')
  const etag = first.headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]{43}"$/)
  expect(await actors.ask('GET', '/v1/accounts', {headers: {'if-none-match': etag}})).toMatchObject({status: 304, json: {}})
  expect(await actors.ask('GET', '/v1/accounts', {headers: {'if-none-match': `"other", W/${etag}`}})).toMatchObject({status: 304})
  const {id, key} = await actors.person('zoe')
  const {seq} = await actors.apply(id, key, {type: 'node.token', tokenHash: 'a'.repeat(64), expiresAtMs: Date.now() + 60_000})
  const later = await actors.ask('GET', '/v1/accounts', {headers: {'if-none-match': etag, 'creo-after': String(seq)}})
  expect(later.status).toBe(200)
  expect(later.headers.get('etag')).not.toBe(etag)
})

it('answers an error to who names a tag of what is not there', async () => {
  const {actors} = world
  const refused = await actors.ask('GET', '/v1/apps/colibris/nothing', {headers: {'if-none-match': '*'}})
  expect([refused.status, refused.headers.get('etag')]).toEqual([404, null])
})

it("is asked by creo's own client only for what has changed", async () => {
  const {url, networkId, coordinatorKey} = world.actors
  const client = createClient({coordinatorUrl: url, networkId, coordinatorKey, now: Date.now})
  try {
    const offers = await client.offers()
    expect(offers.offers).toHaveLength(1)
    expect(await client.offers()).toEqual(offers)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('creo_coordinator_requests_total{route="/v1/offers",status="304"} 1')
  } finally {
    await client.close()
  }
})
