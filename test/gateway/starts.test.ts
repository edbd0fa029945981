import {expect, it} from 'vitest'
import type {LeaseEntry} from '../../src/core/protocol/tables.ts'
import type {RevisionPool} from '../../src/gateway/revision-pool.ts'
import {Starts} from '../../src/gateway/starts.ts'
import type {MinerLink} from '../../src/tunnel/miner-link.ts'

const NODES = ['node_a', 'node_b'] as const

it('leaves out a node that failed, longer each time, until room was made on it', () => {
  const starts = new Starts({monotonicMs: () => 0, onFailed: () => undefined})
  const pool = {entry: {id: 'rev_1'}, starting: 0} as RevisionPool
  for (const node of [...NODES, ...NODES]) {
    const link = {node, send: () => undefined} as unknown as MinerLink
    starts.ask({pool, lease: {id: 'lea_1', node} as LeaseEntry, link})
    starts.failAll(link)
  }
  const cooling = (): boolean[] => NODES.map((node) => starts.isCooling('rev_1', node))
  expect(cooling()).toEqual([true, true])
  starts.roomOn('node_a')
  expect(cooling()).toEqual([false, true])
  starts.close()
})
