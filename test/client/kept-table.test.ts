import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {z} from 'zod'
import {KeptTable} from '../../src/client/kept-table.ts'
import type {SignedTable, SignedTableDelta} from '../../src/core/protocol/tables.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {signTable, signTableDelta} from '../../src/identity/tables.ts'
import {temporaryFolder} from '../coordinator/coordinator-world.ts'

const network = 'ab'.repeat(32)
const key = generateKeyPair()
const form = {
  schema: z.object({words: z.array(z.string())}),
  deltaSchema: z.object({added: z.string()}),
  changed: ({words}: {words: string[]}, {added}: {added: string}) => ({words: [...words, added]})
}
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let path = ''
beforeEach(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, 'table.json')
})
afterEach(() => folder.remove())

function open() {
  return new KeptTable({path, form, network, coordinatorKey: key.publicKey})
}

function whole(version: number, words: string[], signer = key): SignedTable {
  return signTable({network, version, body: {words}, key: signer})
}

function delta(since: number, version: number, added: string, signer = key): SignedTableDelta {
  return signTableDelta({network, since, version, body: {added}, key: signer})
}

it('keeps a whole table and what changed since, and a later process goes on from there', async () => {
  const kept = open()
  expect([kept.version, kept.takesDeltas]).toEqual([-1, false])
  await kept.accept(whole(3, ['a']))
  expect(kept.takesDeltas).toBe(true)
  await kept.accept(delta(3, 5, 'b'))
  await kept.accept(delta(5, 9, 'c'))
  expect(await kept.accept(delta(3, 5, 'b'))).toBe('old')
  const later = open()
  await later.load()
  expect([later.version, later.table]).toEqual([9, {words: ['a', 'b', 'c']}])
  await later.accept(whole(12, ['z']))
  const last = open()
  await last.load()
  expect([last.version, last.table]).toEqual([12, {words: ['z']}])
})

it('asks for the whole after what does not fit the version that is there, and after what another signed', async () => {
  const kept = open()
  await kept.accept(whole(3, ['a']))
  await expect(kept.accept(delta(4, 5, 'b'))).rejects.toMatchObject({code: 'invalid_input'})
  expect([kept.version, kept.takesDeltas]).toEqual([3, false])
  await kept.accept(whole(5, ['a', 'b']))
  expect(kept.takesDeltas).toBe(true)
  await expect(kept.accept(delta(5, 6, 'c', generateKeyPair()))).rejects.toMatchObject({code: 'bad_signature'})
  await expect(kept.accept({...delta(5, 6, 'c'), version: 7})).rejects.toMatchObject({code: 'bad_signature'})
  expect([kept.version, kept.table, kept.takesDeltas]).toEqual([5, {words: ['a', 'b']}, false])
})

it('starts from as many stored changes as hang together', async () => {
  const kept = open()
  await kept.accept(whole(3, ['a']))
  for (const [since, added] of [
    [3, 'b'],
    [4, 'c'],
    [5, 'd']
  ] as const)
    await kept.accept(delta(since, since + 1, added))
  const lines = (await readFile(`${path}.deltas`, 'utf8')).split('\n')
  const started = async (text: string) => {
    await writeFile(`${path}.deltas`, text)
    const later = open()
    await later.load()
    return later.table?.words.join('')
  }
  expect(await started(lines.join('\n'))).toBe('abcd')
  expect(await started(lines.join('\n').slice(0, -9))).toBe('abc')
  expect(await started([lines[0], lines[2]].join('\n'))).toBe('ab')
  expect(await started([lines[0], JSON.stringify(delta(4, 5, 'x', generateKeyPair())), lines[2]].join('\n'))).toBe('ab')
  expect(await started(lines.slice(1).join('\n'))).toBe('a')
})

it('wants the whole again when more changes lie beside the table than it is worth', async () => {
  const kept = open()
  await kept.accept(whole(0, []))
  let version = 0
  for (; kept.takesDeltas; version += 1) await kept.accept(delta(version, version + 1, 'a'))
  expect(version).toBe(100)
  await kept.accept(whole(101, []))
  await kept.accept(delta(101, 102, 'a'.repeat(2 ** 18)))
  expect(kept.takesDeltas).toBe(false)
})
