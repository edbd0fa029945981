import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {CallStore} from '../../src/gateway/async/call-store.ts'
import {bytesOf, type NewCall, ROW_BYTES} from '../../src/gateway/async/stored-call.ts'

let folder: string
let store: CallStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-calls-'))
  store = new CallStore(join(folder, 'queue.sqlite'))
})
afterEach(async () => {
  store.close()
  await rm(folder, {recursive: true, force: true})
})

function call(id: string, app = 'acme/shop', bytes = 10): NewCall {
  const request = {method: 'POST', host: 'h', target: '/', headers: [], address: '', secure: false}
  return {id, app, function: `${app}/site`, acceptedAtMs: 1, request, body: Buffer.alloc(bytes, 1)}
}

const left = (app = 'acme/shop'): string[] => store.list({app, state: undefined, limit: 100}).map(({id}) => id)
const limits = {doneBeforeMs: 0, failedBeforeMs: 0, entriesMax: 100, bytesMax: 1e9, appShare: 1}

it('a group is on disk as a whole or not at all', () => {
  expect(() =>
    store.group(() => {
      store.put(call('one'))
      throw new Error('the power goes')
    })
  ).toThrow()
  expect(left()).toEqual([])
})

it('ended calls are forgotten after their time, failed ones later, and those that wait never', () => {
  for (const id of ['waits', 'done', 'failed', 'long-ago']) store.put(call(id))
  store.end({id: 'done', state: 'succeeded', atMs: 10})
  store.end({id: 'failed', state: 'failed', atMs: 10})
  store.end({id: 'long-ago', state: 'failed', atMs: 2})
  store.prune({...limits, doneBeforeMs: 11, failedBeforeMs: 5})
  expect(left().sort()).toEqual(['failed', 'waits'])
})

it('beyond the limits the oldest ended calls go, first those of an app beyond its share', () => {
  for (let index = 0; index < 6; index += 1) {
    const app = index < 4 ? 'acme/shop' : 'acme/other'
    store.put(call(`c${index}`, app))
    store.end({id: `c${index}`, state: 'cancelled', atMs: 10 - index})
  }
  store.prune({...limits, entriesMax: 4, appShare: 0.5})
  expect([left().sort(), left('acme/other').sort()]).toEqual([
    ['c0', 'c1'],
    ['c4', 'c5']
  ])
  store.prune({...limits, entriesMax: 3})
  expect([left().sort(), left('acme/other')]).toEqual([['c0', 'c1'], ['c4']])
  store.prune({...limits, bytesMax: 2 * ROW_BYTES})
  expect([left(), left('acme/other')]).toEqual([['c0'], []])
})

it('what is kept of an ended call counts, and of the request headers and body are kept for a failed one alone', () => {
  const asked = (id: string): NewCall => ({
    ...call(id),
    request: {...call(id).request, target: `/${id}`, headers: ['authorization', 'Bearer x'.repeat(1000)], scheduledAtMs: 3}
  })
  const result = {status: 200, headers: {'x-large': 'y'.repeat(10_000)}, truncated: false}
  for (const id of ['done', 'cancelled', 'failed']) store.put(asked(id))
  store.end({id: 'done', state: 'succeeded', atMs: 5, result, body: Buffer.alloc(50)})
  store.end({id: 'cancelled', state: 'cancelled', atMs: 6})
  store.end({id: 'failed', state: 'failed', atMs: 7, result})
  for (const id of ['done', 'cancelled']) {
    expect(store.find(id)?.call.request).toEqual({...asked(id).request, headers: []})
  }
  expect(store.find('failed')?.call.request).toEqual(asked('failed').request)
  store.prune({...limits, bytesMax: 20_000})
  expect(left().sort()).toEqual(['cancelled', 'failed'])
  expect(store.retry({id: 'failed', nowMs: 8})?.bytes).toBe(bytesOf(asked('failed')))
})

it('a call that ended stays as it ended, and a failed one can be taken up again with its body', () => {
  store.put(call('c', 'acme/shop', 100))
  const [before] = store.waiting()
  expect(store.take('c')?.body).toHaveLength(100)
  const result = {status: 500, headers: {}, truncated: false}
  expect(store.end({id: 'c', state: 'failed', atMs: 5, result, body: Buffer.alloc(50)})).toBe(true)
  expect(store.end({id: 'c', state: 'cancelled', atMs: 6})).toBe(false)
  expect(store.take('c')).toBeUndefined()
  expect(store.find('c')).toMatchObject({call: {state: 'failed', attempts: 1}, result})
  expect(store.retry({id: 'c', nowMs: 7})).toEqual({...before, dueAtMs: 7})
  expect(store.retry({id: 'c', nowMs: 8})).toBeUndefined()
  expect(store.take('c')).toMatchObject({attempts: 1, acceptedAtMs: 7, body: expect.objectContaining({length: 100})})
  expect(store.find('c')?.result).toBeUndefined()
})
