import {createServer} from 'node:http'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {type Person, startWorld} from './coordinator-world.ts'

const GARDEN = '/v1/apps/colibris/garden'
const ID = `call_${'c'.repeat(32)}`

let aheadMs = 0
let world: Awaited<ReturnType<typeof startWorld>>
let org: Person
/** A gateway that has one call, and takes what schedules make. */
const gateway = createServer((request, response) => {
  const call = {
    id: ID,
    callbackOf: ID,
    state: 'failed',
    function: 'colibris/garden/api',
    method: 'POST',
    target: '/',
    attempts: 1,
    acceptedAtMs: 1
  }
  const answer = request.method === 'POST' ? {state: 'queued'} : request.url?.includes('?') ? {calls: [call]} : call
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(answer))
})

async function keyOf(role: 'viewer' | 'deployer'): Promise<KeyPair> {
  const key = generateKeyPair()
  const proof = proveKey(key, {network: world.actors.networkId, account: org.id})
  await world.actors.apply(org.id, org.key, {type: 'key.add', publicKey: key.publicKey, roles: [role], proof})
  return key
}

beforeAll(async () => {
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve))
  const {port} = gateway.address() as {port: number}
  world = await startWorld({nowMs: () => Date.now() + aheadMs})
  const {actors, operator} = world
  org = await actors.person('colibris')
  const urls = {tunnelUrl: 'http://127.0.0.1:1', publicUrl: `http://127.0.0.1:${port}`}
  await actors.apply('operator', operator, {type: 'gateway.admit', publicKey: generateKeyPair().publicKey, name: 'gateway', ...urls})
  await actors.deploy(org, false, undefined, [{schedule: '* * * * *', path: '/'}])
})
afterAll(async () => {
  await world.close()
  gateway.close()
})

it('a key that may only look sees calls and schedules without ids, which are the right to end what they name', async () => {
  const [viewer, deployer] = [await keyOf('viewer'), await keyOf('deployer')]
  const seenBy = async (key: KeyPair, path: string) => {
    const {status, json} = await world.actors.signed('GET', `${GARDEN}/${path}`, key, {nowMs: Date.now() + aheadMs})
    expect(status).toBe(200)
    return json as unknown as {calls: Record<string, unknown>[]; schedules: {last: {call?: string} | null}[]}
  }
  expect((await seenBy(deployer, 'calls')).calls).toMatchObject([{id: ID, callbackOf: ID, state: 'failed'}])
  const [seen] = (await seenBy(viewer, 'calls')).calls
  expect(seen).toMatchObject({state: 'failed', gateway: 'gateway'})
  expect(JSON.stringify(seen)).not.toContain('call_')
  const lastOf = async (key: KeyPair) => (await seenBy(key, 'cron')).schedules[0]?.last
  expect(await lastOf(deployer)).toBeNull()
  aheadMs = 61_000
  await expect.poll(() => lastOf(deployer)).toMatchObject({call: expect.stringMatching(/^call_/)})
  expect(await lastOf(viewer)).toMatchObject({scheduledAtMs: expect.any(Number)})
  expect(await lastOf(viewer)).not.toHaveProperty('call')
})
