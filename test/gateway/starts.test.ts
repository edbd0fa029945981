import {expect, it, onTestFinished} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import type {LeaseEntry} from '../../src/core/protocol/tables.ts'
import type {RevisionPool} from '../../src/gateway/revision-pool.ts'
import {Starts} from '../../src/gateway/starts.ts'
import type {MinerLink} from '../../src/tunnel/miner-link.ts'
import {openGatewayWorld} from '../support/gateway-world.ts'

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

it('asks a node soon again whose table with the lease is late, and less and less soon while it stays so', () => {
  let nowMs = 0
  const starts = new Starts({monotonicMs: () => nowMs, onFailed: () => undefined})
  const link = {node: 'node_a', send: () => undefined} as unknown as MinerLink
  const failedFor = (isEarly: boolean): number => {
    const pool = {entry: {id: 'rev_1'}, starting: 0} as RevisionPool
    const instance = starts.ask({pool, lease: {id: 'lea_1', node: 'node_a'} as LeaseEntry, link})
    starts.fail(link, instance, new CreoError('failed', 'This node holds no such lease.'), {isEarly})
    const sinceMs = nowMs
    while (starts.isCooling('rev_1', 'node_a')) nowMs += 50
    return nowMs - sinceMs
  }
  expect([failedFor(true), failedFor(true), failedFor(true), failedFor(false)]).toEqual([100, 200, 400, 8000])
  starts.close()
})

it('an instance is not started anew on a node that is back and has not said yet what runs there', async () => {
  const world = await openGatewayWorld()
  onTestFinished(() => world.close())
  const [back, heard] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let sessions = 0
  const greets = async (): Promise<void> => {
    sessions += 1
    if (sessions === 1) return
    back.resolve()
    await heard.promise
  }
  const miner = await world.addMiner({serve: (_request, response) => void response.end('hello'), greets})
  const first = (await world.ask('/')).headers['x-instance']
  miner.drop()
  await back.promise
  const again = world.ask('/')
  await expect.poll(() => world.gateway.status().revisions[0]).toMatchObject({instances: 0, starting: 0, waiting: 1})
  heard.resolve()
  expect((await again).headers['x-instance']).toBe(first)
})
