import {chmod, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import fc from 'fast-check'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {z} from 'zod'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import type {ReceiptProposal} from '../../src/core/protocol/receipts.ts'
import type {TunnelHello} from '../../src/core/protocol/tunnel.ts'
import {accountIdOf, commandHash, signCommand, verifyCommand} from '../../src/identity/commands.ts'
import {openHello, signHello, verifyHello} from '../../src/identity/hello.ts'
import {
  gatewayIdOf,
  generateKeyPair,
  keyIdOf,
  loadKeyFile,
  loadOrCreateKeyFile,
  nodeIdOf,
  saveKeyFile,
  signText,
  verifyText
} from '../../src/identity/keys.ts'
import {attest, openReceipt, signProposal, verifyReceipt} from '../../src/identity/receipts.ts'
import {openTable, signTable} from '../../src/identity/tables.ts'
import {signTime, verifyTime} from '../../src/identity/time.ts'

const NETWORK = 'ab'.repeat(32)
const key = generateKeyPair()
const other = generateKeyPair()
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Every way to change one letter of a text into another one. */
const letterChange = (length: number) => fc.tuple(fc.nat({max: length - 1}), fc.constantFrom(...BASE64URL))
const changed = (text: string, [at, letter]: [number, string]): string => text.slice(0, at) + letter + text.slice(at + 1)

describe('keys', () => {
  it('gives the same ids for the same key and other ids for another', () => {
    expect(key.keyId).toMatch(/^[0-9a-f]{32}$/)
    expect(keyIdOf(key.publicKey)).toBe(key.keyId)
    expect([nodeIdOf(key.publicKey), gatewayIdOf(key.publicKey)]).toEqual([`node_${key.keyId}`, `gw_${key.keyId}`])
    expect(other.keyId).not.toBe(key.keyId)
  })

  it('verifies a text and refuses it with any letter of the signature or key changed', () => {
    const signature = signText(key, 'text')
    expect(verifyText(key.publicKey, 'text', signature)).toBe(true)
    expect(verifyText(key.publicKey, 'texts', signature)).toBe(false)
    fc.assert(
      fc.property(letterChange(86), (change) => {
        const other = changed(signature, change)
        fc.pre(other !== signature)
        return !verifyText(key.publicKey, 'text', other)
      })
    )
    fc.assert(
      fc.property(letterChange(43), (change) => {
        const other = changed(key.publicKey, change)
        fc.pre(other !== key.publicKey)
        return !verifyText(other, 'text', signature)
      })
    )
    fc.assert(fc.property(fc.string(), (junk) => !verifyText(key.publicKey, 'text', junk) && !verifyText(junk, 'text', signature)))
  })
})

describe('key files', () => {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'creo-keys-'))
  })
  afterAll(() => rm(directory, {recursive: true}))

  it('never start with a hyphen, which a command line would take for a flag', () => {
    const first = Array.from({length: 1000}, () => generateKeyPair().publicKey[0])
    expect(first).not.toContain('-')
  })

  it('are made once, readable by their owner alone, and read back as the same key', async () => {
    const path = join(directory, 'deep', 'a.json')
    const [one, two] = await Promise.all([loadOrCreateKeyFile(path), loadOrCreateKeyFile(path)])
    expect(one.publicKey).toBe(two.publicKey)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(directory, 'deep'))).toEqual(['a.json'])
    expect(verifyText(one.publicKey, 'x', signText(await loadKeyFile(path), 'x'))).toBe(true)
  })

  it('are never replaced', async () => {
    const path = join(directory, 'b.json')
    await saveKeyFile(path, key)
    const before = await readFile(path, 'utf8')
    await expect(saveKeyFile(path, other)).rejects.toMatchObject({code: 'conflict'})
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('are refused when they are missing, open to others, damaged or in an unwritable place', async () => {
    await expect(loadKeyFile(join(directory, 'none.json'))).rejects.toMatchObject({code: 'not_found'})
    const path = join(directory, 'c.json')
    await saveKeyFile(path, key)
    await chmod(path, 0o644)
    await expect(loadKeyFile(path)).rejects.toMatchObject({code: 'forbidden'})
    await writeFile(path, (await readFile(path, 'utf8')).replace(key.publicKey, other.publicKey))
    await chmod(path, 0o600)
    await expect(loadKeyFile(path)).rejects.toMatchObject({code: 'invalid_input'})
    await expect(saveKeyFile(join(path, 'below-a-file', 'key.json'), key)).rejects.toMatchObject({code: 'data_dir_unwritable'})
  })
})

describe('signed commands', () => {
  const command = signCommand({
    network: NETWORK,
    account: `acc_${'0'.repeat(32)}`,
    key,
    idempotencyKey: 'k-1',
    notAfterMs: 1000,
    body: {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: 12}
  })

  it('carry amounts as strings and verify with their key alone', () => {
    expect(command.body).toBe('{"type":"pool.fund","incentive":"colibris/LEAF","amountMinor":"12"}')
    expect(verifyCommand(command, key.publicKey)).toBe(true)
    expect(verifyCommand(command, other.publicKey)).toBe(false)
    expect(accountIdOf(command)).toBe(`acc_${commandHash(command).slice(0, 32)}`)
  })

  it('fail with any field changed', () => {
    const changes: Partial<SignedCommand>[] = [
      {network: 'cd'.repeat(32)},
      {account: 'operator'},
      {keyId: other.keyId},
      {idempotencyKey: 'k-2'},
      {notAfterMs: 1001},
      {body: command.body.replace('12', '13')},
      {signature: signText(key, 'else')}
    ]
    for (const change of changes) expect(verifyCommand({...command, ...change}, key.publicKey)).toBe(false)
    fc.assert(
      fc.property(fc.nat({max: command.body.length - 1}), fc.string({minLength: 1, maxLength: 1}), (at, letter) => {
        const body = changed(command.body, [at, letter])
        fc.pre(body !== command.body)
        return !verifyCommand({...command, body}, key.publicKey)
      })
    )
  })
})

describe('signed tables', () => {
  const schema = z.object({kind: z.literal('t'), n: z.int()})
  const trust = {network: NETWORK, coordinatorKey: key.publicKey}
  const table = signTable({network: NETWORK, version: 7, body: {kind: 't', n: 1}, key})

  it('open for the network and key they were made for', () => {
    expect(openTable(table, schema, trust)).toEqual({kind: 't', n: 1})
    expect(openTable(JSON.parse(JSON.stringify(table)), schema, trust)).toEqual({kind: 't', n: 1})
  })

  it.each([
    ['version', {version: 8}],
    ['network', {network: 'cd'.repeat(32)}],
    ['body', {body: '{"kind":"t","n":2}'}],
    ['signature', {signature: signText(other, 'x')}]
  ])('are refused with another %s', (_, change) => {
    expect(() => openTable({...table, ...change}, schema, trust)).toThrow(expect.objectContaining({code: 'bad_signature'}))
  })

  it('are refused when they are signed but not understood', () => {
    const odd = signTable({network: NETWORK, version: 7, body: {kind: 'u'}, key})
    expect(() => openTable(odd, schema, trust)).toThrow(expect.objectContaining({code: 'invalid_input'}))
    expect(() => openTable({}, schema, trust)).toThrow(expect.objectContaining({code: 'invalid_input'}))
  })
})

describe('receipts', () => {
  const proposal: ReceiptProposal = {
    v: 'creo-receipt-v1',
    network: NETWORK,
    gateway: gatewayIdOf(key.publicKey),
    node: nodeIdOf(other.publicKey),
    revision: 'rev_1',
    lease: 'lea_2',
    window: 3,
    windowStartMs: 1000,
    windowMs: 5000,
    requests: 10,
    requestsFailed: 0,
    mibMs: 640,
    bytesIn: 1,
    bytesOut: 2
  }
  const receipt = attest(signProposal(proposal, key), {mibMs: 600, bytesIn: 1, bytesOut: 2}, other)
  const keys = {gatewayKey: key.publicKey, nodeKey: other.publicKey}

  it('hold with the signatures of the gateway and the node that they name', () => {
    expect(verifyReceipt(receipt, keys)).toBe(true)
    expect(verifyReceipt(receipt, {gatewayKey: other.publicKey, nodeKey: key.publicKey})).toBe(false)
    expect(openReceipt(receipt)).toMatchObject({proposal, attestation: {mibMs: 600}})
  })

  it('fail when a count is changed, and when an attestation speaks of another proposal', () => {
    const more = {...receipt, attestation: receipt.attestation.replace('"mibMs":600', '"mibMs":700')}
    expect(more.attestation).not.toBe(receipt.attestation)
    expect(verifyReceipt(more, keys)).toBe(false)
    const swapped = {...receipt, ...signProposal({...proposal, requests: 99}, key)}
    expect(() => openReceipt(swapped)).toThrow(expect.objectContaining({code: 'invalid_input'}))
    expect(() => openReceipt({})).toThrow(expect.objectContaining({code: 'invalid_input'}))
  })
})

describe('tunnel hellos and signed time', () => {
  const hello: TunnelHello = {
    v: 'creo-tunnel-v1',
    network: NETWORK,
    node: nodeIdOf(key.publicKey),
    gateway: gatewayIdOf(other.publicKey),
    kind: 'control',
    session: 'A'.repeat(22),
    nonce: 'B'.repeat(22),
    atMs: 5,
    exporter: ''
  }

  it('opens a hello and verifies it with the key of the node that it names', () => {
    const opened = openHello(signHello(hello, key))
    expect(opened.hello).toEqual(hello)
    expect(verifyHello(opened, key.publicKey)).toBe(true)
    expect(verifyHello(opened, other.publicKey)).toBe(false)
    expect(verifyHello(openHello(signHello({...hello, node: nodeIdOf(other.publicKey)}, key)), key.publicKey)).toBe(false)
  })

  it('never accepts a hello with a letter changed', () => {
    const header = signHello(hello, key)
    fc.assert(
      fc.property(letterChange(header.length), (change) => {
        const other = changed(header, change)
        fc.pre(other !== header)
        try {
          return !verifyHello(openHello(other), key.publicKey)
        } catch {
          return true
        }
      })
    )
  })

  it('binds the time to the nonce of who asked', () => {
    const time = signTime({nonce: 'n', atMs: 77, key})
    expect(verifyTime(time, {nonce: 'n', coordinatorKey: key.publicKey})).toBe(true)
    expect(verifyTime(time, {nonce: 'm', coordinatorKey: key.publicKey})).toBe(false)
    expect(verifyTime({...time, atMs: 78}, {nonce: 'n', coordinatorKey: key.publicKey})).toBe(false)
  })
})
