import {createPublicKey, sign} from 'node:crypto'
import type {KeyPair} from '../identity/keys.ts'

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OID = 0x06
const UTF8 = 0x0c
const GENERALIZED_TIME = 0x18
const VERSION = 0xa0

/** 1.3.101.112, Ed25519. */
const ED25519 = der(SEQUENCE, der(OID, Buffer.from([0x2b, 0x65, 0x70])))
/** 2.5.4.3. */
const COMMON_NAME = der(OID, Buffer.from([0x55, 0x04, 0x03]))
/** RFC 5280, 4.1.2.5: a certificate without an end. What is trusted is its key, see `checkPinnedKey`. */
const VALIDITY = der(SEQUENCE, time('20200101000000Z'), time('99991231235959Z'))

/**
 * An X.509 certificate (RFC 5280, RFC 8410) that a key has signed for itself, with its private key, as PEM for node:tls.
 * The same key always gives the same certificate.
 */
export function selfSignedCertificate(key: KeyPair, name: string): {readonly cert: string; readonly key: string} {
  const spki = createPublicKey(key.privateKey).export({type: 'spki', format: 'der'})
  const subject = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, Buffer.from(name)))))
  const version3 = der(VERSION, der(INTEGER, Buffer.from([2])))
  const serial = der(INTEGER, Buffer.from([1]))
  const body = der(SEQUENCE, version3, serial, ED25519, subject, VALIDITY, subject, spki)
  const signature = der(BIT_STRING, Buffer.from([0]), sign(null, body, key.privateKey))
  const certificate = der(SEQUENCE, body, ED25519, signature)
  return {cert: pem('CERTIFICATE', certificate), key: key.privateKey.export({type: 'pkcs8', format: 'pem'}).toString()}
}

/** Tag, length, content: the definite form of DER up to 64 KiB. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const {length} = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}

function time(text: string): Buffer {
  return der(GENERALIZED_TIME, Buffer.from(text))
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
