import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {request} from 'node:https'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {TLSSocket} from 'node:tls'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {DEFAULT_SETTINGS, readSettings} from '../../src/gateway/settings.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {selfSignedCertificate} from '../../src/tunnel/self-signed.ts'
import {openGatewayWorld} from '../support/gateway-world.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-settings-'))
})
afterEach(() => rm(folder, {recursive: true, force: true}))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

/** A certificate of this name, its files, and what a gateway would make of them. */
async function certificate(name: string) {
  const {cert, key} = selfSignedCertificate(generateKeyPair(), name)
  const paths = {cert: await file(`${name}.crt`, cert), key: await file(`${name}.key`, key)}
  return {paths, settings: await readSettings({path: undefined, tls: paths})}
}

describe("the operator's settings", () => {
  it('are the written defaults where nothing is said, in YAML as in JSON', async () => {
    const path = await file('settings.yaml', 'accessLog: true\nlimits:\n  bodyBytes: 1000\n')
    const settings = {...DEFAULT_SETTINGS, accessLog: true, limits: {...DEFAULT_SETTINGS.limits, bodyBytes: 1000}}
    expect(await readSettings({path, tls: undefined})).toEqual(settings)
    expect(
      await readSettings({path: await file('settings.json', '{"accessLog": true, "limits": {"bodyBytes": 1000}}'), tls: undefined})
    ).toEqual(settings)
    expect(await readSettings({path: await file('empty.yaml', ''), tls: undefined})).toEqual(DEFAULT_SETTINGS)
  })

  it.each([
    ['limits:\n  bodyBytes: -1\n', 'limits.bodyBytes: must be a whole number from 0 to 1099511627776.'],
    ['limits:\n  connections: many\n', 'limits.connections: must be a whole number from 1 to 1000000.'],
    ['limits:\n  bodyByte: 1\n', 'limits: "bodyByte" is not known here; did you mean "bodyBytes"?'],
    ['limits: 5\n', 'limits: must be a set of keys, not a number.'],
    ['- a\n', 'settings.yaml: all of it: must be a set of keys, not a list.'],
    ['accessLog: perhaps\n', 'accessLog: must be true or false.'],
    ['tls: {cert: a}\n', 'tls.key: is missing.'],
    ['{', 'neither YAML nor JSON']
  ])('are refused with the name of what is wrong: %j', async (text, named) => {
    const path = await file('settings.yaml', text)
    await expect(readSettings({path, tls: undefined})).rejects.toMatchObject({code: 'usage', message: expect.stringContaining(named)})
  })

  it('name files that are there and belong together', async () => {
    await expect(readSettings({path: join(folder, 'none'), tls: undefined})).rejects.toMatchObject({code: 'not_found'})
    await expect(readSettings({path: await file('s', 'tls: {cert: /none, key: /none}'), tls: undefined})).rejects.toMatchObject({
      code: 'not_found'
    })
    const [a, b] = [await certificate('a'), await certificate('b')]
    const mixed = {cert: a.paths.cert, key: b.paths.key}
    await expect(readSettings({path: undefined, tls: mixed})).rejects.toMatchObject({code: 'invalid_input'})
  })
})

describe('TLS on the public address', () => {
  it('serves with the given certificate, tells the function, and takes up a renewed one while it runs', async () => {
    const [first, renewed] = [await certificate('first'), await certificate('renewed')]
    const world = await openGatewayWorld({settings: first.settings})
    try {
      await world.addMiner({serve: (asked, response) => void response.end(String(asked.headers['x-forwarded-proto']))})
      const ask = (): Promise<{name: string; body: string}> =>
        new Promise((resolve, reject) => {
          const options = {headers: {host: 'shop--acme.localhost'}, rejectUnauthorized: false, agent: false as const}
          const asked = request(world.gateway.publicUrl, options, (response) => {
            const name = String((response.socket as TLSSocket).getPeerCertificate().subject.CN)
            let body = ''
            response.on('data', (chunk: Buffer) => {
              body += chunk.toString()
            })
            response.on('end', () => resolve({name, body}))
          })
          asked.on('error', reject)
          asked.end()
        })
      expect(world.gateway.publicUrl).toMatch(/^https:/)
      expect(await ask()).toEqual({name: 'first', body: 'https'})
      world.gateway.useSettings(renewed.settings)
      expect(await ask()).toEqual({name: 'renewed', body: 'https'})
      expect(() => world.gateway.useSettings(DEFAULT_SETTINGS)).toThrow(expect.objectContaining({code: 'conflict'}))
    } finally {
      await world.close()
    }
  })
})
