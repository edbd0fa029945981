import {mkdtemp, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type SealedSecret, sealingContext} from '../../src/core/protocol/secrets.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {loadOrCreateSealingKey, type SealingKey, seal, signSealingKey, unseal, verifySealingKey} from '../../src/identity/sealing.ts'

const NETWORK = 'a'.repeat(64)
const SECRET: SealedSecret = {network: NETWORK, recipient: 'coordinator', org: 'colibris', app: 'shop', name: 'API_KEY', version: 1}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-sealing-'))
})
afterEach(() => rm(folder, {recursive: true}))

function key(name: string): Promise<SealingKey> {
  return loadOrCreateSealingKey(join(folder, name))
}

function fromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url')
}

test('opens what RFC 9180 seals: appendix A.1.1, base mode, first message', async () => {
  const path = join(folder, 'rfc.key')
  const file = {
    publicKey: fromHex('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d'),
    privateKey: fromHex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8')
  }
  await writeFile(path, JSON.stringify(file), {mode: 0o600})
  const sealed = {
    enc: fromHex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
    ciphertext: fromHex('f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a')
  }
  const context = {info: 'Ode on a Grecian Urn', aad: 'Count-0'}
  const opened = await unseal(sealed, {key: await loadOrCreateSealingKey(path), context})
  expect(opened.toString()).toBe('Beauty is truth, truth beauty')
})

test('only the key that it was sealed to opens it', async () => {
  const [ann, ben] = [await key('ann'), await key('ben')]
  const context = sealingContext(SECRET)
  const sealed = await seal(Buffer.from('hunter2'), {to: ann.publicKey, context})
  expect((await unseal(sealed, {key: ann, context})).toString()).toBe('hunter2')
  await expect(unseal(sealed, {key: ben, context})).rejects.toMatchObject({code: 'verification_failed'})
})

test.each(['network', 'recipient', 'org', 'app', 'name', 'version'] as const)('it does not open as one of another %s', async (part) => {
  const ann = await key('ann')
  const sealed = await seal(Buffer.from('hunter2'), {to: ann.publicKey, context: sealingContext(SECRET)})
  const other = {...SECRET, [part]: part === 'version' ? 2 : 'other'}
  await expect(unseal(sealed, {key: ann, context: sealingContext(other)})).rejects.toMatchObject({code: 'verification_failed'})
})

test('a changed ciphertext does not open', async () => {
  const ann = await key('ann')
  const context = sealingContext(SECRET)
  const sealed = await seal(Buffer.from('hunter2'), {to: ann.publicKey, context})
  const ciphertext = (sealed.ciphertext.startsWith('A') ? 'B' : 'A') + sealed.ciphertext.slice(1)
  await expect(unseal({...sealed, ciphertext}, {key: ann, context})).rejects.toMatchObject({code: 'verification_failed'})
})

test('a key file is made once, for its owner alone', async () => {
  const path = join(folder, 'made.key')
  const [first, second] = await Promise.all([loadOrCreateSealingKey(path), loadOrCreateSealingKey(path)])
  expect(first.publicKey).toBe(second.publicKey)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await writeFile(join(folder, 'open.key'), '{}', {mode: 0o644})
  await expect(key('open.key')).rejects.toMatchObject({code: 'forbidden'})
})

test('a sealing key holds in the name of who signed it, in one network', async () => {
  const [owner, other] = [generateKeyPair(), generateKeyPair()]
  const {publicKey} = await key('ann')
  const statement = signSealingKey({network: NETWORK, publicKey}, owner)
  expect(verifySealingKey(statement, {network: NETWORK, key: owner.publicKey})).toBe(true)
  expect(verifySealingKey(statement, {network: NETWORK, key: other.publicKey})).toBe(false)
  expect(verifySealingKey(statement, {network: 'b'.repeat(64), key: owner.publicKey})).toBe(false)
  expect(verifySealingKey({...statement, publicKey: (await key('ben')).publicKey}, {network: NETWORK, key: owner.publicKey})).toBe(false)
})
