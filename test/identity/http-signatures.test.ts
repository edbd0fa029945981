import {createPrivateKey, sign} from 'node:crypto'
import fc from 'fast-check'
import {createSignatureSync} from 'http-message-sig'
import {describe, expect, it} from 'vitest'
import {signRequest, verifyRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {createNonceMemory} from '../../src/identity/nonces.ts'
import {verifyBytes} from '../../src/identity/verify-bytes.ts'

const NOW_MS = 1_800_000_000_000
const key = generateKeyPair()
const keyOf = (keyId: string): string | undefined => (keyId === key.keyId ? key.publicKey : undefined)
const post = {method: 'POST', url: 'http://127.0.0.1:7700/v1/heartbeats?x=1', body: '{"a":1}', key, nowMs: NOW_MS}

function received(overrides: object = {}) {
  return {
    method: post.method,
    url: post.url,
    headers: signRequest(post),
    body: post.body,
    keyOf,
    nonces: createNonceMemory(),
    nowMs: NOW_MS,
    ...overrides
  }
}

describe('signed HTTP requests', () => {
  it('reproduces the Ed25519 example of RFC 9421, B.2.6', () => {
    const privateKey = createPrivateKey({
      key: {kty: 'OKP', crv: 'Ed25519', d: 'n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs'},
      format: 'jwk'
    })
    const fields = createSignatureSync(
      {
        kind: 'request',
        method: 'POST',
        targetUri: 'https://example.com/foo?param=Value&Pet=dog',
        fields: [
          {name: 'date', value: 'Tue, 20 Apr 2021 02:07:55 GMT'},
          {name: 'content-type', value: 'application/json'},
          {name: 'content-length', value: '18'}
        ]
      },
      {
        label: 'sig-b26',
        components: ['date', '@method', '@path', '@authority', 'content-type', 'content-length'],
        parameters: {created: 1618884473, keyid: 'test-key-ed25519'},
        signer: {algorithm: 'ed25519', sign: (data) => sign(null, data, privateKey)}
      }
    )
    const expected = 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=='
    expect(fields.signatureInput).toBe(
      'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"'
    )
    expect(fields.signature).toBe(`sig-b26=:${expected}:`)
    const base = [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@authority": example.com',
      '"content-type": application/json',
      '"content-length": 18',
      `"@signature-params": ${fields.signatureInput.slice('sig-b26='.length)}`
    ].join('\n')
    expect(verifyBytes('JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs', Buffer.from(base), Buffer.from(expected, 'base64'))).toBe(true)
  })

  it('says which key signed, with or without a body', async () => {
    expect((await verifyRequest(received())).keyId).toBe(key.keyId)
    const get = {method: 'GET', url: 'http://127.0.0.1:7700/v1/x', key, nowMs: NOW_MS}
    const verified = await verifyRequest({...get, headers: signRequest(get), keyOf, nonces: createNonceMemory()})
    expect(verified).toEqual({keyId: key.keyId, bodySha256: undefined})
  })

  it('refuses the same request a second time', async () => {
    const once = received()
    await verifyRequest(once)
    await expect(verifyRequest(once)).rejects.toMatchObject({code: 'replayed'})
  })

  it.each([-301_000, 31_000])('refuses a request made %i ms from now as clock_skew', async (offsetMs) => {
    await expect(verifyRequest(received({headers: signRequest({...post, nowMs: NOW_MS + offsetMs})}))).rejects.toMatchObject({
      code: 'clock_skew'
    })
  })

  it.each([
    ['another method', {method: 'PUT'}],
    ['another path', {url: 'http://127.0.0.1:7700/v1/heartbeat?x=1'}],
    ['another query', {url: 'http://127.0.0.1:7700/v1/heartbeats?x=2'}],
    ['another host', {url: 'http://127.0.0.1:7701/v1/heartbeats?x=1'}]
  ])('refuses a signature for %s', async (_, change) => {
    await expect(verifyRequest(received(change))).rejects.toMatchObject({code: 'bad_signature'})
  })

  it('refuses another body, an unsigned body, an unknown key and no signature', async () => {
    await expect(verifyRequest(received({body: '{"a":2}'}))).rejects.toMatchObject({code: 'digest_mismatch'})
    const {body: _, ...bodiless} = post
    await expect(verifyRequest(received({headers: signRequest(bodiless)}))).rejects.toMatchObject({code: 'bad_signature'})
    await expect(verifyRequest(received({keyOf: () => undefined}))).rejects.toMatchObject({code: 'unauthorized'})
    await expect(verifyRequest(received({headers: {}}))).rejects.toMatchObject({code: 'unauthorized'})
  })

  it('refuses every request with one byte of its signature changed', async () => {
    const headers = signRequest(post)
    const bytes = Buffer.from(headers.signature!.slice('creo=:'.length, -1), 'base64')
    await fc.assert(
      fc.asyncProperty(fc.nat({max: 63}), fc.integer({min: 1, max: 255}), async (at, mask) => {
        const changed = Buffer.from(bytes)
        changed[at]! ^= mask
        const request = received({headers: {...headers, signature: `creo=:${changed.toString('base64')}:`}})
        await expect(verifyRequest(request)).rejects.toMatchObject({code: 'bad_signature'})
      }),
      {numRuns: 64}
    )
  })
})

describe('the memory for nonces', () => {
  const entry = (nonce: string, nowMs = NOW_MS, keyId = 'k') => ({keyId, nonce, nowMs})

  it('takes no more of one key than its bound, and more of it when the first could no longer be replayed', () => {
    const memory = createNonceMemory({perKeyMax: 2})
    expect([memory.remember(entry('a')), memory.remember(entry('b')), memory.remember(entry('c'))]).toEqual(['new', 'new', 'full'])
    expect(memory.remember(entry('d', NOW_MS, 'other'))).toBe('new')
    expect(memory.remember(entry('c', NOW_MS + 700_000))).toBe('new')
  })

  it.each([0, 200_000, 330_000])('knows a nonce for as long as its request could be replayed, %i ms after its beginning', (sinceMs) => {
    const memory = createNonceMemory()
    memory.remember(entry('first'))
    memory.remember(entry('a', NOW_MS + sinceMs))
    for (let afterMs = 0; afterMs < 330_000; afterMs += 10_000) {
      memory.remember(entry(`at ${afterMs}`, NOW_MS + sinceMs + afterMs, 'other'))
      expect(memory.remember(entry('a', NOW_MS + sinceMs + afterMs))).toBe('seen')
    }
  })

  it('never locks out a key that signs little because of keys that sign much', () => {
    const memory = createNonceMemory({max: 100})
    const outcomes = Array.from({length: 300}, (_, at) => memory.remember(entry(String(at), NOW_MS, `flood ${at % 2}`)))
    expect(outcomes.filter((outcome) => outcome === 'new')).toHaveLength(100)
    for (let at = 0; at < 20; at += 1) expect(memory.remember(entry(String(at), NOW_MS, 'quiet'))).toBe('new')
    expect(memory.remember(entry('more', NOW_MS, 'flood 0'))).toBe('full')
  })
})
