import {expect, it} from 'vitest'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import type {Instance} from '../../src/gateway/instance.ts'
import {RevisionPool} from '../../src/gateway/revision-pool.ts'

const ENTRY = {id: 'rev_1', spec: {timeoutMs: 20_000, concurrency: 1}} as RevisionEntry

it('a pool forgets since when nothing could be started once nobody waits any more', async () => {
  const pool = new RevisionPool({
    entry: ENTRY,
    random: Math.random,
    monotonicMs: () => 0,
    onWaiting: (stuck) => {
      stuck.stuckSinceMs ??= 0
    }
  })
  const clients = [new AbortController(), new AbortController()]
  const waits = clients.map((client) => pool.wait(client.signal))
  clients[0]?.abort()
  await expect(waits[0]).rejects.toMatchObject({code: 'interrupted'})
  expect(pool.stuckSinceMs).toBe(0)
  clients[1]?.abort()
  await expect(waits[1]).rejects.toMatchObject({code: 'interrupted'})
  expect(pool.stuckSinceMs).toBeUndefined()
})

it('a pool lets a thousand requests wait, and refuses the one after them', async () => {
  const pool = emptyPool()
  const client = new AbortController()
  const waits = Array.from({length: 1000}, () => pool.wait(client.signal))
  const left = Promise.allSettled(waits)
  await expect(pool.wait(client.signal)).rejects.toMatchObject({code: 'overloaded'})
  expect(pool.waiting).toBe(1000)
  client.abort()
  expect((await left).every(({status}) => status === 'rejected')).toBe(true)
  expect(pool.waiting).toBe(0)
})

it.each([
  ['first', 0],
  ['last', 0.99]
])('a pool takes the less busy of two instances, whichever was drawn %s', (_drawn, chance) => {
  const pool = emptyPool(() => chance)
  const [busy, free] = [instanceWith(3), instanceWith(1)]
  pool.add(busy)
  pool.add(free)
  expect([pool.tryAcquire(), pool.tryAcquire(), free.inFlight]).toEqual([free, free, 3])
})

function emptyPool(random: () => number = () => 0): RevisionPool {
  return new RevisionPool({entry: ENTRY, random, monotonicMs: () => 0, onWaiting: () => undefined})
}

function instanceWith(inFlight: number): Instance {
  return {inFlight, hasRoom: true, draining: false} as Instance
}
