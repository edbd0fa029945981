import {createHash, createPublicKey, generateKeyPairSync, type KeyObject, verify} from 'node:crypto'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {expect, test} from 'vitest'
import {publicKeyFile, signFile} from '../../packaging/package/signature.ts'

const CONTENT = Buffer.from('abc  creo-linux-x64\n')

test("a signature is minisign's: over the BLAKE2b of the file, and over the comment with it", () => {
  const {pem, publicKey} = ed25519()
  const lines = signFile(CONTENT, 'creo 1.2.3', pem).split('\n')
  const [algorithm, id, signature] = parts(lines[1]!)
  expect(algorithm).toBe('ED')
  expect(lines[2]).toBe('trusted comment: creo 1.2.3')
  expect(verify(null, createHash('blake2b512').update(CONTENT).digest(), publicKey, signature!)).toBe(true)
  expect(verify(null, Buffer.concat([signature!, Buffer.from('creo 1.2.3')]), publicKey, Buffer.from(lines[3]!, 'base64'))).toBe(true)
  const [keyAlgorithm, keyId, raw] = parts(publicKeyFile(pem).split('\n')[1]!)
  expect([keyAlgorithm, keyId]).toEqual(['Ed', id])
  expect(raw!.equals(publicKey.export({type: 'spki', format: 'der'}).subarray(-32))).toBe(true)
})

test('the same file gives the same signature, another file another', () => {
  const {pem} = ed25519()
  expect(signFile(CONTENT, 'creo', pem)).toBe(signFile(CONTENT, 'creo', pem))
  expect(signFile(Buffer.from('other'), 'creo', pem)).not.toBe(signFile(CONTENT, 'creo', pem))
})

test('a key that is not Ed25519 is refused with how to make one', () => {
  const {privateKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  expect(() => signFile(CONTENT, 'creo', privateKey.export({type: 'pkcs8', format: 'pem'}).toString())).toThrow(/openssl genpkey/)
  for (const none of ['', 'a key']) expect(() => signFile(CONTENT, 'creo', none)).toThrow(/openssl genpkey/)
})

test('a key that is not there is named before anything is packaged', async () => {
  const script = fileURLToPath(new URL('../../packaging/package/package.ts', import.meta.url))
  const {exitCode, stderr} = await execa(process.execPath, [script, '--key', '/none/key.pem'], {reject: false})
  expect([exitCode, stderr]).toEqual([
    1,
    "The key /none/key.pem can't be read: name an Ed25519 key in PEM by --key or CREO_SIGNING_KEY_FILE."
  ])
})

function ed25519(): {readonly pem: string; readonly publicKey: KeyObject} {
  const {privateKey} = generateKeyPairSync('ed25519')
  return {pem: privateKey.export({type: 'pkcs8', format: 'pem'}).toString(), publicKey: createPublicKey(privateKey)}
}

function parts(line: string): readonly [string, string, Buffer] {
  const bytes = Buffer.from(line, 'base64')
  return [bytes.subarray(0, 2).toString(), bytes.subarray(2, 10).toString('hex'), bytes.subarray(10)]
}
