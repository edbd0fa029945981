import {afterAll, beforeAll, expect, it} from 'vitest'
import type {KeyPair} from '../../src/identity/keys.ts'
import {type Actors, type Node, type Person, startWorld} from './coordinator-world.ts'

const LEAF = 'colibris/LEAF'
const GARDEN = '/v1/apps/colibris/garden'

let world: Awaited<ReturnType<typeof startWorld>>
let actors: Actors
let org: Person
let ann: Person
let node: Node
let gateway: KeyPair
beforeAll(async () => {
  world = await startWorld()
  actors = world.actors
  org = await actors.colibris()
  ann = await actors.person('ann')
  node = await actors.node(ann)
  gateway = await actors.gateway(world.operator)
})
afterAll(() => world.close())

async function readiness(after = -1) {
  const {json} = await actors.signed('GET', `${GARDEN}/readiness?after=${after}`, org.key)
  return json as unknown as {next: number; revisions: Record<string, unknown>[]}
}

it('says why no node runs an app, by what its nodes are told', async () => {
  expect((await readiness()).revisions).toMatchObject([{function: 'api', nodes: [], refusals: [], failures: []}])
  const other = await actors.node(ann)
  await actors.heartbeat(other, {earn: ['gutta']})
  await actors.heartbeat(await actors.node(ann), {memoryBytes: 2 ** 20})
  await actors.heartbeat(await actors.node(ann), {earn: ['gutta']})
  expect((await readiness()).revisions).toMatchObject([
    {
      nodes: [],
      refusals: [
        {nodes: 2, reason: 'No deployed function pays what you selected (gutta).'},
        {nodes: 1, reason: expect.stringContaining('more memory')}
      ],
      tooSmall: 1
    }
  ])
})

it('names the nodes that hold a lease, and what they said of its instances after a place', async () => {
  await actors.heartbeat(node)
  const {lease} = await actors.leased(node)
  const said = {instance: 'i-1', atMs: Date.now(), revision: lease.revision}
  const logs = [
    {...said, line: 'booting'},
    {...said, line: 'It ended with exit code 3.', failure: {reason: 'crash', exitCode: 3}}
  ]
  await actors.heartbeat(node, {logs})
  const first = await readiness()
  expect(first.revisions).toMatchObject([
    {nodes: [node.id], refusals: [], failures: [{node: node.id, instance: 'i-1', failure: {reason: 'crash', exitCode: 3}}]}
  ])
  expect((await readiness(first.next)).revisions).toMatchObject([{failures: []}])
  const {json} = await actors.signed('GET', `${GARDEN}/logs?function=api`, org.key)
  expect(json).toMatchObject({lines: [{function: 'api', line: 'booting'}, {failure: {reason: 'crash'}}]})
})

it('gives lines of one function, one revision or a time alone', async () => {
  const {lease} = await actors.leased(node)
  const count = async (query: string) => {
    const {json} = await actors.signed('GET', `${GARDEN}/logs?${query}`, org.key)
    return (json as unknown as {lines: unknown[]}).lines.length
  }
  await actors.heartbeat(node, {logs: [{instance: 'i-1', atMs: 5, revision: lease.revision, line: 'long ago'}]})
  const all = await count('after=-1')
  expect(
    await Promise.all([count(`revision=${lease.revision}`), count('function=none'), count('revision=rev_1'), count('sinceMs=6')])
  ).toEqual([all, 0, 0, all - 1])
})

it('shows nobody else how an app is doing', async () => {
  for (const path of ['readiness', 'logs']) {
    expect((await actors.signed('GET', `${GARDEN}/${path}`, ann.key)).json).toMatchObject({error: {code: 'forbidden'}})
  }
})

it('counts what functions were paid within the last day, beside what is left to pay them', async () => {
  const {lease} = await actors.leased(node)
  expect((await actors.ask('GET', `${GARDEN}/spending`)).json).toMatchObject({functions: [], pools: [{incentive: LEAF, paidMinor: '0'}]})
  for (const window of [1, 2]) {
    const receipts = [actors.receipt({gateway, node, lease, window, requests: 3})]
    expect((await actors.ask('POST', '/v1/receipts', {body: {receipts}})).json).toMatchObject({answers: [{status: 'paid'}]})
  }
  const {sequence} = (await actors.ask('GET', '/v1/network')).json as unknown as {sequence: number}
  const {json} = await actors.ask('GET', `${GARDEN}/spending`, {headers: {'creo-after': String(sequence)}})
  const {pools} = json as unknown as {pools: {poolMinor: string; reservedMinor: string}[]}
  expect(json).toMatchObject({
    functions: [{function: 'api', incentive: LEAF, requests: 6, mibMs: 128_000, paidMinor: '600'}],
    pools: [{incentive: LEAF, paidMinor: '600'}]
  })
  expect(Number(pools[0]?.poolMinor) + Number(pools[0]?.reservedMinor)).toBe(100_000 - 600)
})
