import {expect, it} from 'vitest'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import {RevisionPool} from '../../src/gateway/revision-pool.ts'

it('a pool forgets since when nothing could be started once nobody waits any more', async () => {
  const pool = new RevisionPool({
    entry: {id: 'rev_1', spec: {timeoutMs: 20_000, concurrency: 1}} as RevisionEntry,
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
