import {appendFile, readFile, truncate} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {type NonceStore, openNonceStore} from '../../src/identity/nonce-store.ts'
import {GENERATION_MS} from '../../src/identity/nonces.ts'
import {temporaryFolder} from '../coordinator/coordinator-world.ts'

const START_MS = 1_800_000_000_000
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let path = ''
const stores: NonceStore[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, 'nonces')
})
afterEach(async () => {
  for (const store of stores.splice(0)) store.close()
  await folder.remove()
})

/** As a process that is started does, whatever the one before it came to. */
function open(): NonceStore {
  const store = openNonceStore(path)
  stores.push(store)
  return store
}

function remember(store: NonceStore, nonce: string, afterMs = 0): string {
  return store.remember({keyId: 'key', nonce, nowMs: START_MS + afterMs})
}

it('knows nonces still that came to a process which was not closed', () => {
  const first = open()
  expect([remember(first, 'a'), remember(first, 'a'), remember(first, 'b', 1000)]).toEqual(['new', 'seen', 'new'])
  const second = open()
  expect([remember(second, 'a', 2000), remember(second, 'b', 2000), remember(second, 'c', 2000)]).toEqual(['seen', 'seen', 'new'])
  expect(remember(open(), 'c', 3000)).toBe('seen')
})

it('forgets on disk what is too old to be replayed, and nothing else', async () => {
  const store = open()
  remember(store, 'first')
  remember(store, 'second', GENERATION_MS + 1)
  expect(remember(open(), 'first', GENERATION_MS)).toBe('seen')
  remember(store, 'third', 2 * GENERATION_MS + 2)
  const texts = (await Promise.all([readFile(`${path}.0`, 'utf8'), readFile(`${path}.1`, 'utf8')])).join('')
  expect(['first', 'second', 'third'].map((nonce) => texts.includes(nonce))).toEqual([false, true, true])
  const later = open()
  expect([remember(later, 'second', 2 * GENERATION_MS + 3), remember(later, 'fourth', 2 * GENERATION_MS + 3)]).toEqual(['seen', 'new'])
})

it('knows what came after a line that a full disk cut', async () => {
  const store = open()
  remember(store, 'a')
  remember(store, 'cut')
  const {length} = await readFile(`${path}.0`)
  await truncate(`${path}.0`, length - 4)
  remember(store, 'after')
  const again = open()
  expect([remember(again, 'a'), remember(again, 'after')]).toEqual(['seen', 'seen'])
})

it('goes on after a line that was cut', async () => {
  const first = open()
  remember(first, 'a')
  remember(first, 'b')
  const {length} = await readFile(`${path}.0`)
  await truncate(`${path}.0`, length - 4)
  const second = open()
  expect([remember(second, 'a'), remember(second, 'b'), remember(second, 'c')]).toEqual(['seen', 'new', 'new'])
  await appendFile(`${path}.0`, '["not a nonce"]\n')
  const third = open()
  expect(['a', 'b', 'c', 'd'].map((nonce) => remember(third, nonce))).toEqual(['seen', 'seen', 'seen', 'new'])
})
