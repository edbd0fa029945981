import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {type Client, createClient} from '../../src/client/client.ts'
import {joinToken} from '../../src/core/join-token.ts'
import {generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {enroll} from '../../src/miner/enrolment.ts'
import {type FakeCoordinator, startFakeCoordinator} from '../support/fake-coordinator.ts'
import {temporaryDirectory} from './worlds.ts'

const OWNER = `acc_${'a'.repeat(32)}`
const signal = new AbortController().signal

async function world(): Promise<{coordinator: FakeCoordinator; client: Client; key: KeyPair; self: Parameters<typeof enroll>[0]}> {
  const coordinator = await startFakeCoordinator(join(await temporaryDirectory(), 'c'))
  onTestFinished(() => coordinator.stop())
  const key = generateKeyPair()
  const {url: coordinatorUrl, network: networkId} = coordinator
  const client = createClient({coordinatorUrl, networkId, coordinatorKey: coordinator.key.publicKey, now: Date.now, key, account: 'new'})
  onTestFinished(() => client.close())
  const self = {client, node: nodeIdOf(key.publicKey), name: 'host', architecture: 'amd64', token: undefined} as const
  return {coordinator, client, key, self}
}

test('a token makes a key a node, and the second start needs none', async () => {
  const {coordinator, self} = await world()
  const token = joinToken(OWNER, 't0ken')
  coordinator.allowToken(token)
  expect(await enroll({...self, token}, signal)).toBe('enrolled')
  expect(coordinator.enrolled).toEqual(new Set([self.node]))
  expect(await enroll(self, signal)).toBe('already_enrolled')
  expect(await enroll({...self, token}, signal)).toBe('already_enrolled')
})

test('without a token, with a wrong one, or without a coordinator it says what to do', async () => {
  const {coordinator, self} = await world()
  await expect(enroll(self, signal)).rejects.toMatchObject({code: 'usage', hint: expect.stringContaining('creo node token')})
  const token = joinToken(OWNER, 'wrong')
  await expect(enroll({...self, token}, signal)).rejects.toMatchObject({code: 'forbidden'})
  await expect(enroll({...self, token: 'wrong'}, signal)).rejects.toMatchObject({code: 'invalid_input'})
  await coordinator.stop()
  await expect(enroll({...self, token}, signal)).rejects.toMatchObject({code: 'unavailable'})
})
