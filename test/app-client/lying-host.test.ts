import {type RequestDescriptor, verifySignature} from 'http-message-sig'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {ACCEPT_SIGNATURE} from '../../src/app-client/answer-proof.ts'
import {Network} from '../../src/app-client/network.ts'
import {Outbox} from '../../src/app-client/outbox.ts'
import {createWebKey, proveWebKey, type WebKey} from '../../src/app-client/web-key.ts'
import {sha256Hex} from '../../src/identity/keys.ts'
import {verifyBytes} from '../../src/identity/verify-bytes.ts'
import {startWorld} from '../coordinator/coordinator-world.ts'
import {runFunction, stopFunctions} from '../support/function-server.ts'

/** Who hosts what hands on reads and commands, and says what it likes. */
type Lie = (response: Response, request: {readonly url: URL; readonly init: RequestInit | undefined}) => Response | Promise<Response>

let world: Awaited<ReturnType<typeof startWorld>>
let key: WebKey
let account: string
/** How much later it is, for everybody. */
let laterMs = 0

beforeAll(async () => {
  world = await startWorld({nowMs: () => Date.now() + laterMs})
  await world.actors.colibris()
  key = (await createWebKey()).key
  const network = await Network.connect({url: world.actors.url, networkId: world.actors.networkId})
  const proof = await proveWebKey(key, {network: network.id, account: 'ann'})
  const made = await network.submit(
    {account: 'new', key},
    {type: 'account.create', name: 'ann', keys: [{publicKey: key.publicKey, roles: ['owner'], proof}]},
    {idempotencyKey: 'ann'}
  )
  account = String(made.result.account)
})
afterAll(async () => {
  await stopFunctions()
  await world.close()
})

function hostedBy(lie: Lie, now: () => number = Date.now): Promise<Network> {
  return Network.connect({
    url: world.actors.url,
    networkId: world.actors.networkId,
    now,
    fetch: async (address, init) => {
      const url = new URL(String(address))
      const response = await fetch(address, init)
      return url.pathname === '/v1/network' || url.pathname === '/v1/time' ? response : lie(response, {url, init})
    }
  })
}

const changed =
  (from: string, to: string): Lie =>
  async (response) =>
    new Response((await response.text()).replaceAll(from, to), response)
const unsigned: Lie = async (response) => new Response(await response.text(), {headers: {'content-type': 'application/json'}})

describe('a host that does its work', () => {
  it('is believed what quotes and relay hand on, as the coordinator signed it', async () => {
    const env = {COORDINATOR_URL: world.actors.url}
    const [quotes, relay] = await Promise.all([runFunction('apps/exchange/quotes', env), runFunction('apps/exchange/relay', env)])
    const network = await Network.connect({
      url: `${quotes.url}/quotes`,
      networkId: world.actors.networkId,
      fetch: (address, init) => fetch(init?.method === 'POST' ? `${relay.url}/relay` : String(address), init)
    })
    expect(await network.account('ann')).toMatchObject({id: account})
    expect(await network.read('/v1/offers?incentive=colibris%2FLEAF&limit=10')).toMatchObject({offers: [{incentive: 'colibris/LEAF'}]})
    const body = {type: 'node.token', tokenHash: sha256Hex('by relay'), expiresAtMs: Date.now() + 60_000} as const
    expect(await network.submit({account, key}, body, {idempotencyKey: 'relayed'})).toMatchObject({seq: expect.any(Number)})
    await expect(network.account('nobody')).rejects.toMatchObject({code: 'not_found'})
    const plain = await fetch(`${quotes.url}/quotes/v1/offers`)
    expect(plain.headers.get('signature')).toBeNull()
  })
})

describe('a host that lies', () => {
  it('is not believed that an account is another one', async () => {
    const other = `acc_${'0'.repeat(32)}`
    const network = await hostedBy(changed(account, other))
    await expect(network.account('ann')).rejects.toMatchObject({code: 'verification_failed'})
  })

  it.each<[string, Lie]>([
    ['not signed', unsigned],
    ['signed, to another question', (_, {init}) => fetch(`${world.actors.url}/v1/accounts/colibris`, init)],
    ['signed, to the same with other filters', (_, {url, init}) => fetch(`${url}?seq=1`, init)],
    ['signed, by a status of its own', async (response) => new Response(await response.text(), {status: 203, headers: response.headers})]
  ])('is not believed an answer that is %s', async (_, lie) => {
    const network = await hostedBy(lie)
    await expect(network.account('ann')).rejects.toMatchObject({code: 'verification_failed'})
    await expect(network.read('/v1/incentives/colibris/LEAF')).rejects.toMatchObject({code: 'verification_failed'})
  })

  it.each<[string, Lie]>([
    ['says itself that it was refused', () => Response.json({error: {code: 'conflict', message: 'No.'}}, {status: 409})],
    ['says that it was rejected', () => Response.json({answers: [{status: 'rejected', seq: 1, code: 'conflict', message: 'No.'}]})],
    ['names another result', changed('applied', 'rejected')]
  ])('leaves a command unknown, and so kept, when it %s', async (what, lie) => {
    const stored = new Map<string, string>()
    const store = {getItem: (name: string) => stored.get(name) ?? null, setItem: (name: string, value: string) => stored.set(name, value)}
    const body = {type: 'node.token', tokenHash: sha256Hex(what), expiresAtMs: Date.now() + 60_000} as const
    const lying = await hostedBy(lie)
    const outbox = new Outbox(store, 'ann')
    const command = await lying.sign({account, key}, body, {idempotencyKey: what.replaceAll(' ', '-')})
    await expect(outbox.send(lying, {about: 'A node.', command})).rejects.toMatchObject({code: 'verification_failed'})
    expect(outbox.waiting()).toHaveLength(1)
    expect(await outbox.resend(await hostedBy((response) => response))).toMatchObject([{status: 'applied'}])
  })
})

describe('a signed answer', () => {
  it('is one by RFC 9421, which any program can check', async () => {
    const url = `${world.actors.url}/v1/offers?limit=10`
    const response = await fetch(url, {headers: {'accept-signature': ACCEPT_SIGNATURE}})
    const fields = [...response.headers].map(([name, value]) => ({name, value}))
    const request: RequestDescriptor = {kind: 'request', method: 'GET', targetUri: url, fields: []}
    const verified = await verifySignature(
      {kind: 'response', status: 200, fields, request},
      {
        label: 'creo',
        policy: {
          algorithms: ['ed25519'],
          requiredComponents: ['@status', 'content-digest'],
          requiredParameters: ['created', 'keyid', 'tag']
        },
        resolveVerifier: () => ({
          algorithm: 'ed25519',
          verify: (data, signature) => verifyBytes(world.actors.coordinatorKey, data, signature)
        })
      }
    )
    expect(verified.parameters.tag).toBe('creo-answer')
  })

  it('is made for nobody who does not ask, and nothing is done for a body that is not the one with the digest', async () => {
    const plain = await fetch(`${world.actors.url}/v1/offers`)
    expect([plain.headers.get('signature'), plain.headers.get('content-digest')]).toEqual([null, null])
    const network = await hostedBy((response) => response)
    const body = {type: 'node.token', tokenHash: 'cd'.repeat(32), expiresAtMs: Date.now() + 60_000} as const
    const command = await network.sign({account, key}, body, {idempotencyKey: 'digest'})
    const before = await world.actors.ask('GET', '/v1/network')
    const refused = await fetch(`${world.actors.url}/v1/commands`, {
      method: 'POST',
      headers: {'content-type': 'application/json', 'content-digest': 'sha-256=:AAAA:', 'accept-signature': ACCEPT_SIGNATURE},
      body: JSON.stringify({commands: [command]})
    })
    expect(await refused.json()).toMatchObject({error: {code: 'digest_mismatch'}})
    expect((await world.actors.ask('GET', '/v1/network')).json).toEqual(before.json)
  })
})

describe('an answer that somebody kept', () => {
  it('is believed for a minute, also where the clock of the device was set anew meanwhile', async () => {
    const answer = await fetch(`${world.actors.url}/v1/accounts/ann/balances`, {headers: {'accept-signature': ACCEPT_SIGNATURE}})
    let setAheadMs = 0
    const network = await hostedBy(
      () => answer.clone(),
      () => Date.now() + laterMs + setAheadMs
    )
    expect(await network.balances('ann')).toEqual([])
    setAheadMs = 400 * 86_400_000
    expect(await network.balances('ann')).toEqual([])
    laterMs = 120_000
    await expect(network.balances('ann')).rejects.toMatchObject({code: 'verification_failed', message: expect.stringContaining('old one')})
  })
})
