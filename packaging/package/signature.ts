import {createHash, createPrivateKey, createPublicKey, type KeyObject, sign} from 'node:crypto'

/** Ed25519 over the BLAKE2b-512 of the file, as minisign writes it. */
const ALGORITHM = Buffer.from('ED')
/** What a public key is called by: Ed25519 itself. */
const KEY_ALGORITHM = Buffer.from('Ed')
const KEY_ID_BYTES = 8
const RAW_KEY_BYTES = 32

/**
 * The signature of a file in the form of minisign, which `minisign -V` checks. `comment` is signed too. `privateKey` is an Ed25519 key in PEM.
 * It holds no time: the same file, comment and key give the same bytes.
 */
export function signFile(content: Uint8Array, comment: string, privateKey: string): string {
  const key = readPrivateKey(privateKey)
  const signature = sign(null, createHash('blake2b512').update(content).digest(), key)
  const whole = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key)
  const lines = [
    'untrusted comment: signature of creo',
    Buffer.concat([ALGORITHM, keyId(key), signature]).toString('base64'),
    `trusted comment: ${comment}`,
    whole.toString('base64')
  ]
  return `${lines.join('\n')}\n`
}

/** The public key in the form of minisign, which `minisign -V -p` takes. */
export function publicKeyFile(privateKey: string): string {
  return `untrusted comment: public key of creo\n${publicKeyLine(privateKey)}\n`
}

/** The same as one word, which `minisign -V -P` takes. */
export function publicKeyLine(privateKey: string): string {
  const key = readPrivateKey(privateKey)
  return Buffer.concat([KEY_ALGORITHM, keyId(key), rawPublicKey(key)]).toString('base64')
}

function readPrivateKey(pem: string): KeyObject {
  const key = parsed(pem)
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new Error('The key to sign with is no Ed25519 key in PEM without a passphrase: openssl genpkey -algorithm ed25519 makes one.')
  return key
}

function parsed(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha256').update(rawPublicKey(key)).digest().subarray(0, KEY_ID_BYTES)
}

function rawPublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({type: 'spki', format: 'der'}).subarray(-RAW_KEY_BYTES)
}
