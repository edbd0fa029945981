import {afterAll, beforeAll, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {listKeys, revokeKey} from '../../src/developer/account-keys.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {type Person, startWorld} from '../coordinator/coordinator-world.ts'

const {signal} = new AbortController()
let world: Awaited<ReturnType<typeof startWorld>>
let ann: Person
let context: AccountContext
beforeAll(async () => {
  world = await startWorld()
  ann = await world.actors.person('ann')
  const {url: coordinatorUrl, networkId, coordinatorKey} = world.actors
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key: ann.key, account: ann.id, signal})
  context = {name: 'test', coordinatorUrl, networkId, coordinatorKey, client, account: ann, key: ann.key}
})
afterAll(async () => {
  await context.client.close()
  await world.close()
})

async function add(by: KeyPair, role: 'owner' | 'deployer'): Promise<KeyPair> {
  const key = generateKeyPair()
  const proof = proveKey(key, {network: world.actors.networkId, account: ann.id})
  await world.actors.apply(ann.id, by, {type: 'key.add', publicKey: key.publicKey, roles: [role], proof})
  // The client below knows of no command of others.
  await world.actors.ask('GET', '/v1/network')
  return key
}
const keyIds = async () => (await listKeys(context.client, ann.id)).keys.map(({keyId}) => keyId)

it('a stolen key is taken away with what its thief has added by it, and not with what others have', async () => {
  const own = await add(ann.key, 'deployer')
  const stolen = await add(ann.key, 'owner')
  const thiefs = await add(stolen, 'owner')
  const second = await add(thiefs, 'deployer')
  const {keys} = await listKeys(context.client, ann.id)
  expect(keys.map(({addedBy}) => addedBy)).toEqual([null, ann.key.keyId, ann.key.keyId, stolen.keyId, thiefs.keyId])
  const alone = await revokeKey(context, stolen.keyId, {withAdded: false})
  expect(alone).toMatchObject({status: 'revoked', withAdded: [], addedLeft: [thiefs.keyId, second.keyId]})
  const all = await revokeKey(context, stolen.keyId, {withAdded: true})
  expect(all).toMatchObject({status: 'already_revoked', withAdded: [thiefs.keyId, second.keyId], addedLeft: []})
  expect(await keyIds()).toEqual([ann.key.keyId, own.keyId])
})

it('the key that signs stays, although it was added by the one that goes', async () => {
  const later = await add(ann.key, 'owner')
  const by = {...context, client: context.client.as(ann.id, later), key: later}
  expect(await revokeKey(by, ann.key.keyId, {withAdded: true})).toMatchObject({addedLeft: [later.keyId]})
  expect(await keyIds()).toEqual([later.keyId])
})
