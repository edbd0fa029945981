import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {updatableProgram} from '../../src/compose/update/installation.ts'
import {compareVersions} from '../../src/compose/update/version.ts'
import {wantedRelease} from '../../src/compose/update/wanted.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-installation-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('the packaged program updates itself; a checkout and a package of the system say what updates them', async () => {
  const list = join(folder, 'creo.list')
  writeFileSync(list, '/.\n/usr/bin\n/usr/bin/creo\n')
  expect(await updatableProgram({CREO_PACKAGED: '/usr/local/bin/creo'}, list)).toBe('/usr/local/bin/creo')
  await expect(updatableProgram({CREO_PACKAGED: '/usr/bin/creo'}, list)).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining('apt')
  })
  await expect(updatableProgram({}, list)).rejects.toMatchObject({code: 'usage', hint: expect.stringContaining('git pull')})
})

test('nothing is taken without a key, a place, or with what is no key', async () => {
  const wanted = (place?: string, publicKey?: string): Promise<unknown> => wantedRelease({place, publicKey, to: undefined})
  await expect(wanted()).rejects.toMatchObject({code: 'usage', hint: expect.stringContaining('creo update URL')})
  await expect(wanted(folder)).rejects.toMatchObject({code: 'usage', hint: expect.stringContaining('--public-key')})
  await expect(wanted(folder, 'no-such-file')).rejects.toMatchObject({code: 'not_found', hint: 'A key begins with RW.'})
  await expect(wanted(folder, 'RWshort')).rejects.toMatchObject({code: 'invalid_input', message: expect.stringContaining('this one has 7')})
  await expect(wanted(folder, '/dev/zero')).rejects.toMatchObject({code: 'payload_too_large'})
})

test('versions are ordered as Semantic Versioning orders them', () => {
  const ordered = [
    '0.9.9',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-rc.2',
    '1.0.0-rc.10',
    '1.0.0',
    '1.0.10',
    '1.2.0',
    '10.0.0'
  ]
  expect(ordered.toReversed().sort(compareVersions)).toEqual(ordered)
  expect(() => compareVersions('1.0', '1.0.0')).toThrow(/"1\.0" is no version/)
})
