import {mkdir} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {expect, test} from 'vitest'
import {z} from 'zod'
import {type NodeTable, nodeTableSchema, type SignedTable} from '../../src/core/protocol/tables.ts'
import {generateKeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {signTable} from '../../src/identity/tables.ts'
import {LeaseBook} from '../../src/miner/lease-book.ts'
import {NETWORK, revisionEntry, temporaryDirectory} from './worlds.ts'

const coordinator = generateKeyPair()
const node = nodeIdOf(generateKeyPair().publicKey)
const LEASE = {id: 'lea_9', node, revision: 'rev_7', startsAtMs: 0, endsAtMs: 5000, budgets: []}

function signed(version: number, changes: Partial<NodeTable> = {}, key = coordinator): SignedTable {
  const revisions = [revisionEntry(`sha256:${'0'.repeat(64)}`)]
  const table: NodeTable = {kind: 'node', node, leases: [LEASE], revisions, gateways: [], ...changes}
  return signTable({network: NETWORK, version, body: z.encode(nodeTableSchema, table), key})
}

async function options(): Promise<Parameters<typeof LeaseBook.open>[0]> {
  return {path: join(await temporaryDirectory(), 'table.json'), network: NETWORK, coordinatorKey: coordinator.publicKey, node}
}

test('a table is kept on disk, and a later process starts from it', async () => {
  const at = await options()
  const book = await LeaseBook.open(at)
  expect([book.version, book.current(0)]).toEqual([-1, []])
  expect(await book.accept(signed(4))).toBe('newer')
  const later = await LeaseBook.open(at)
  expect(later.version).toBe(4)
  expect(later.find('lea_9', 4999)?.revision.function).toBe('site')
})

test('a table that cannot be written is not taken, and taken when it comes again', async () => {
  const at = await options()
  const folder = join(dirname(at.path), 'later')
  const book = await LeaseBook.open({...at, path: join(folder, 'table.json')})
  await expect(book.accept(signed(4))).rejects.toMatchObject({code: 'ENOENT'})
  expect([book.version, book.current(0)]).toEqual([-1, []])
  await mkdir(folder)
  expect(await book.accept(signed(4))).toBe('newer')
  expect(book.version).toBe(4)
})

test('a lease holds until its end and not a moment longer', async () => {
  const book = await LeaseBook.open(await options())
  await book.accept(signed(4))
  expect([book.find('lea_9', 4999)?.lease.id, book.find('lea_9', 5000), book.find('lea_8', 0)]).toEqual(['lea_9', undefined, undefined])
})

test('what holds is one and the same list until a lease ends, a table comes or the clock is set back before the last end', async () => {
  const book = await LeaseBook.open(await options())
  const leases = [LEASE, {...LEASE, id: 'lea_10', endsAtMs: 7000}]
  await book.accept(signed(4, {leases}))
  const idsAt = (nowMs: number): readonly string[] => book.current(nowMs).map(({lease}) => lease.id)
  const first = book.current(0)
  expect([book.current(4999), idsAt(4999)]).toEqual([first, ['lea_9', 'lea_10']])
  expect(book.current(4999)).toBe(first)
  const second = book.current(5000)
  expect([idsAt(5000), book.current(6999) === second, idsAt(7000), idsAt(4999)]).toEqual([['lea_10'], true, [], ['lea_9', 'lea_10']])
  const [none, all] = [new Set<string>(), new Set(['lea_9', 'lea_10'])]
  expect(book.revisions(0, none)).toBe(book.revisions(1, none))
  expect([book.revisions(0, none).length, book.revisions(0, all)]).toEqual([1, []])
  await book.accept(signed(5, {leases: leases.slice(1)}))
  expect(idsAt(0)).toEqual(['lea_10'])
})

test('an older table, a forged one, and one for another node or network change nothing', async () => {
  const book = await LeaseBook.open(await options())
  await book.accept(signed(4))
  expect(await book.accept(signed(4, {leases: []}))).toBe('old')
  expect(await book.accept(signed(3, {leases: []}))).toBe('old')
  await expect(book.accept(signed(5, {leases: []}, generateKeyPair()))).rejects.toMatchObject({code: 'bad_signature'})
  await expect(book.accept(signed(5, {node: `node_${'1'.repeat(32)}`}))).rejects.toMatchObject({code: 'bad_signature'})
  await expect(book.accept({...signed(5), network: 'cd'.repeat(32)})).rejects.toMatchObject({code: 'bad_signature'})
  expect([book.version, book.current(0).length]).toEqual([4, 1])
})
