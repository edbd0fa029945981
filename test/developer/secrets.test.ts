import {join} from 'node:path'
import {expect, test} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {setSecret} from '../../src/developer/secrets.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {loadOrCreateSealingKey, signSealingKey} from '../../src/identity/sealing.ts'
import {temporaryDirectory} from '../miner/worlds.ts'

const PLACE = {org: 'colibris', app: 'shop'}
const {signal} = new AbortController()

/** A network where one function names the secret; `onLookUp` happens while its readers are looked up. */
async function network(onLookUp: (app: {image: string}) => void) {
  const app = {image: 'sha256:old'}
  const key = generateKeyPair()
  const {publicKey} = await loadOrCreateSealingKey(join(await temporaryDirectory(), 'key'))
  const view = {name: 'API_KEY', version: 2, setAtMs: 1, keyId: 'k'}
  const revisions = () => [{id: 'rev_1', function: 'api', imageDigest: app.image, percent: 100, spec: {secrets: ['API_KEY']}}]
  const shown = () => ({...PLACE, routes: [{path: '/', function: 'api'}], revisions: revisions(), addresses: []})
  const client = {
    sealingKey: async () => signSealingKey({network: 'n', publicKey}, key),
    setSecret: async () => view,
    secrets: async () => ({secrets: [view]}),
    app: async () => shown(),
    apps: async () => ({apps: [shown()]}),
    leases: async () => {
      onLookUp(app)
      return {leases: []}
    },
    submit: async ({revisions: [made]}: {revisions: {imageDigest: string; spec: {secretVersions: unknown}}[]}) => {
      app.image = made?.imageDigest ?? ''
      expect(made?.spec.secretVersions).toEqual({API_KEY: 2})
      return {result: {revisions: [{function: 'api', revision: 'rev_2'}]}}
    }
  }
  const by = {client, networkId: 'n', coordinatorKey: key.publicKey} as unknown as AccountContext
  return {app, set: () => setSecret(by, PLACE, {name: 'API_KEY', value: Buffer.from('value')}, signal)}
}

test('a newer value does not take back what somebody deploys while its readers are looked up', async () => {
  const {app, set} = await network((one) => {
    one.image = 'sha256:new'
  })
  expect(await set()).toMatchObject({readers: [], readersKnown: true, rolled: [{function: 'api', revision: 'rev_2'}]})
  expect(app.image).toBe('sha256:new')
})

test('a newer value takes over although its readers cannot be looked up', async () => {
  const {set} = await network(() => {
    throw new CreoError('unavailable', 'gone')
  })
  expect(await set()).toMatchObject({version: 2, readers: [], readersKnown: false, rolled: [{function: 'api', revision: 'rev_2'}]})
})
