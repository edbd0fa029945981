import {describe, expect, it} from 'vitest'
import {newRedemptionCode, redemptionCodeAgain as webCodeAgain} from '../../src/app-client/redemption-codes.ts'
import {openKey, type SealedKey, sealKey} from '../../src/app-client/sealed-key.ts'
import {createWebKey, keyIdOf, proveWebKey, verifyWebText, webKeyOfSecret, webKeyOfSeed} from '../../src/app-client/web-key.ts'
import {keyPairOfSeed, verifyKeyProof} from '../../src/identity/key-proofs.ts'
import {keyIdOf as nodeKeyIdOf, signText, verifyText} from '../../src/identity/keys.ts'
import {newRedemptionCode as newNativeCode, redemptionCodeAgain} from '../../src/identity/redemption-codes.ts'

const PASSPHRASE = 'plum tulip ladder frost'
const of = {network: 'ab'.repeat(32), account: 'ann'}

describe('a key in a browser', () => {
  it('is the same key as the command line makes of the same bytes', async () => {
    // RFC 8032, 7.1, test 1.
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
    const [web, native] = [await webKeyOfSeed(seed), keyPairOfSeed(seed)]
    expect(Buffer.from(web.publicKey, 'base64url').toString('hex')).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    expect({keyId: web.keyId, publicKey: web.publicKey}).toEqual({keyId: native.keyId, publicKey: native.publicKey})
    expect(await web.sign('a text')).toBe(signText(native, 'a text'))
  })

  it('signs what the coordinator accepts, and accepts what it signs', async () => {
    const {key} = await createWebKey()
    const signature = await key.sign('ça va')
    expect(verifyText(key.publicKey, 'ça va', signature)).toBe(true)
    expect(await verifyWebText(key.publicKey, 'ça va', signature)).toBe(true)
    expect(nodeKeyIdOf(key.publicKey)).toBe(await keyIdOf(key.publicKey))
    expect(verifyKeyProof(key.publicKey, of, await proveWebKey(key, of))).toBe(true)
  })

  it.each([
    ['another text', (signature: string) => ['b', signature]],
    ['a signature that is cut', (signature: string) => ['a', signature.slice(0, -2)]],
    ['another spelling of the same bytes', (signature: string) => ['a', `${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'z'}`]],
    ['what is no base64url', () => ['a', '?'.repeat(86)]]
  ] as const)('refuses %s', async (_what, change) => {
    const {key} = await createWebKey()
    const [text, signature] = change(await key.sign('a')) as [string, string]
    expect(await verifyWebText(key.publicKey, text, signature)).toBe(false)
  })

  it('makes the codes of redemptions that the command line makes of it', async () => {
    const seed = Buffer.alloc(32, 7)
    const [web, native] = [await webKeyOfSeed(seed), keyPairOfSeed(seed)]
    const made = await newRedemptionCode(web, of.network)
    expect(redemptionCodeAgain(native, of.network, made.kept)).toBe(made.code)
    const {code, kept} = newNativeCode(native, of.network)
    expect(await webCodeAgain(web, of.network, {codeSalt: kept.salt, codeHash: kept.hash})).toBe(code)
    const {key: other} = await createWebKey()
    expect(await webCodeAgain(other, of.network, {codeSalt: kept.salt, codeHash: kept.hash})).toBeUndefined()
    expect(await webCodeAgain(web, of.network, {codeSalt: null})).toBeUndefined()
  })

  it('comes back from its secret', async () => {
    const {key, secret} = await createWebKey()
    expect((await webKeyOfSecret(secret)).publicKey).toBe(key.publicKey)
    await expect(webKeyOfSecret(secret.slice(1))).rejects.toMatchObject({code: 'invalid_input'})
  })
})

describe('a key that is kept', async () => {
  const {key, secret} = await createWebKey()
  const sealed = await sealKey(secret, key.publicKey, PASSPHRASE)

  it('is opened by its passphrase, however its accents were typed', async () => {
    const opened = await openKey(JSON.parse(JSON.stringify(sealed)), PASSPHRASE)
    expect(opened.key.publicKey).toBe(key.publicKey)
    const accented = await sealKey(secret, key.publicKey, 'un café noir'.normalize('NFD'))
    expect((await openKey(accented, 'un café noir'.normalize('NFC'))).secret).toEqual(secret)
  })

  it('is not opened by another passphrase, nor under another public key', async () => {
    const {key: other} = await createWebKey()
    await expect(openKey(sealed, 'plum tulip ladder frosT')).rejects.toMatchObject({code: 'unauthorized'})
    await expect(openKey({...sealed, publicKey: other.publicKey}, PASSPHRASE)).rejects.toMatchObject({code: 'unauthorized'})
  })

  it.each<[string, (kept: SealedKey) => unknown]>([
    ['that is no object', () => 'creo-sealed-key-v1'],
    ['with so few rounds that it protects nothing', (kept) => ({...kept, rounds: 1})],
    ['with so many rounds that the page would hang', (kept) => ({...kept, rounds: 1e12})],
    ['with a salt of another length', (kept) => ({...kept, salt: 'AAAA'})]
  ])('%s is refused before anything is computed', async (_what, change) => {
    await expect(openKey(change(sealed), PASSPHRASE)).rejects.toMatchObject({code: 'invalid_input'})
  })

  it('is sealed under no short passphrase', async () => {
    await expect(sealKey(secret, key.publicKey, '9 letters')).rejects.toMatchObject({code: 'invalid_input'})
  })
})
