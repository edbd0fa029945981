import {cp, mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it, onTestFinished} from 'vitest'
import {ReputationBoard} from '../../src/coordinator/reputation-board.ts'
import type {ConductReport} from '../../src/core/protocol/conduct.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {type Node, type Person, startWorld} from './coordinator-world.ts'

const NOTHING = {requests: 0, failed: 0, slow: 0, starts: 0, startsFailed: 0, cuts: 0}
const BAD = {requests: 100, failed: 100}
const DAY_MS = 24 * 3_600_000

let world: Awaited<ReturnType<typeof startWorld>>
let owner: Person
let node: Node
let gateways: KeyPair[]
let untilMs = 1_790_000_000_000

beforeAll(async () => {
  world = await startWorld()
  owner = await world.actors.person('ann')
  node = await world.actors.node(owner)
  gateways = []
  for (let count = 0; count < 3; count += 1) gateways.push(await world.actors.gateway(world.operator))
})
afterAll(() => world.close())

function reportOf(by: KeyPair, of: Node, seen: Partial<typeof NOTHING>): ConductReport {
  untilMs += 1
  return {gateway: gatewayIdOf(by.publicKey), untilMs, nodes: [{node: of.id, ...NOTHING, ...seen}]}
}

function tell(by: KeyPair, body: ConductReport) {
  return world.actors.signed('POST', '/v1/conduct', by, {body})
}

async function reputation(of: Node) {
  const {json} = await world.actors.ask('GET', `/v1/nodes/${of.id}`)
  return (json as unknown as {reputation: {standing: string; score: number; gateways: number; reasons: string[]}}).reputation
}

const [one, two, three] = [0, 1, 2].map((at) => () => gateways[at] ?? expect.unreachable()) as [() => KeyPair, () => KeyPair, () => KeyPair]

it('a new node stands as one that does well, and what gateways say changes that, one voice each', async () => {
  expect(await reputation(node)).toEqual({standing: 'fair', score: 90, gateways: 0, reasons: []})
  for (let count = 0; count < 4; count += 1) await tell(one(), reportOf(one(), node, {requests: 100}))
  for (let count = 0; count < 9; count += 1) await tell(two(), reportOf(two(), node, BAD))
  expect(await reputation(node)).toMatchObject({standing: 'fair', gateways: 2})
  for (let count = 0; count < 4; count += 1) await tell(three(), reportOf(three(), node, BAD))
  expect(await reputation(node)).toMatchObject({
    standing: 'poor',
    gateways: 3,
    reasons: [expect.stringContaining('Requests failed here that other nodes answer')]
  })
})

it('a report that comes twice counts once', async () => {
  const fresh = await world.actors.node(owner)
  const report = reportOf(one(), fresh, {requests: 5, starts: 1})
  for (let count = 0; count < 5; count += 1) expect((await tell(one(), report)).status).toBe(200)
  expect((await reputation(fresh)).gateways).toBe(1)
  const cold = await world.actors.node(owner)
  const light = reportOf(one(), cold, {requests: 3})
  for (let count = 0; count < 5; count += 1) await tell(one(), light)
  expect((await reputation(cold)).gateways).toBe(0)
})

it('a gateway whose clock was ahead once is heard again', async () => {
  const fresh = await world.actors.node(owner)
  const ahead = {...reportOf(one(), fresh, BAD), untilMs: Date.now() + DAY_MS}
  expect((await tell(one(), ahead)).json.error?.code).toBe('invalid_input')
  for (let count = 0; count < 5; count += 1) await tell(one(), reportOf(one(), fresh, BAD))
  expect((await reputation(fresh)).gateways).toBe(1)
})

it('only an admitted gateway is heard, and each for itself alone', async () => {
  const stranger = generateKeyPair()
  const {status, json} = await tell(stranger, reportOf(stranger, node, BAD))
  expect([status, json.error?.code]).toEqual([401, 'unauthorized'])
  expect((await tell(one(), reportOf(two(), node, BAD))).json.error?.code).toBe('forbidden')
  expect((await world.actors.signed('POST', '/v1/conduct', node.key, {body: reportOf(one(), node, {requests: 1})})).json.error?.code).toBe(
    'forbidden'
  )
  expect((await world.actors.signed('POST', '/v1/conduct', owner.key, {body: reportOf(one(), node, {requests: 1})})).json.error?.code).toBe(
    'forbidden'
  )
  // Under its own name, too: else whoever has an account fills the disk with what nobody hears.
  for (const key of [node.key, owner.key]) expect((await tell(key, reportOf(key, node, BAD))).json.error?.code).toBe('forbidden')
})

it('what a gateway said counts no more once it is revoked', async () => {
  const other = await world.actors.gateway(world.operator)
  const fresh = await world.actors.node(owner)
  for (let count = 0; count < 5; count += 1) await tell(other, reportOf(other, fresh, BAD))
  expect((await reputation(fresh)).gateways).toBe(1)
  await world.actors.apply('operator', world.operator, {type: 'gateway.revoke', publicKey: other.publicKey})
  await expect.poll(async () => (await reputation(fresh)).gateways, {timeout: 30_000}).toBe(0)
  const {status} = await tell(other, reportOf(other, fresh, BAD))
  expect(status).toBe(401)
})

/** What a process would find that starts after this one was killed now. */
async function afterKill(path: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'creo-reputation-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  for (const end of ['', '-wal']) await cp(`${path}${end}`, join(folder, `board${end}`))
  return join(folder, 'board')
}

it('a coordinator that is killed knows what it knew, standings included, and what was held against a node fades', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'creo-reputation-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  const options = {ownerOf: (id: string) => (id === 'node_unknown' ? undefined : `owner of ${id}`), gateways: () => ['gw_1']}
  const board = ReputationBoard.open({...options, path: join(folder, 'board')})
  const nowMs = 1_790_000_000_000
  const ids = ['node_bad', 'node_good', 'node_unknown']
  const report = (at: number, id: string, seen: Partial<typeof NOTHING>) =>
    board.record({gateway: 'gw_1', untilMs: nowMs + at, nodes: [{node: id, ...NOTHING, ...seen}]}, nowMs + at)
  for (let at = 1; at <= 4; at += 1) report(at, 'node_bad', BAD)
  for (let at = 5; at <= 9; at += 1) report(at, 'node_good', {requests: 10})
  // Between the two limits a standing is what it was.
  let at = 10
  while (board.viewOf('node_bad', nowMs).score < 65) report(at++, 'node_bad', {requests: 100})
  report(at++, 'node_unknown', BAD)
  const poorOf = (of: ReputationBoard, when: number) => ids.filter((id) => of.poor(when).has(id))
  expect(poorOf(board, nowMs + 10)).toEqual(['node_bad'])

  const next = ReputationBoard.open({...options, path: await afterKill(join(folder, 'board'))})
  for (const id of ids) expect(next.viewOf(id, nowMs + 10)).toEqual(board.viewOf(id, nowMs + 10))
  expect(poorOf(next, nowMs + 10)).toEqual(['node_bad'])
  expect(next.viewOf('node_unknown', nowMs)).toMatchObject({standing: 'fair', gateways: 0})
  expect(next.record({gateway: 'gw_1', untilMs: nowMs + 4, nodes: [{node: 'node_bad', ...NOTHING, ...BAD}]}, nowMs + 20)).toBe('same')
  expect(poorOf(next, nowMs + 9 * DAY_MS)).toEqual([])
  board.close()
  next.close()
})

it('a machine that is enrolled anew stands as poorly as it did before, until it has served or that has faded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'creo-reputation-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  const owners: Record<string, string> = {old: 'ann', again: 'ann', known: 'ann', other: 'bob'}
  const board = ReputationBoard.open({path: join(folder, 'board'), ownerOf: (id) => owners[id], gateways: () => ['gw_1']})
  let nowMs = 1_790_000_000_000
  const report = (id: string, seen: Partial<typeof NOTHING>) =>
    board.record({gateway: 'gw_1', untilMs: ++nowMs, nodes: [{node: id, ...NOTHING, ...seen}]}, nowMs)
  const poor = (atMs = nowMs) => ['old', 'again', 'known', 'other', 'stranger'].filter((id) => board.poor(atMs).has(id))
  for (let count = 0; count < 3; count += 1) report('known', {requests: 100})
  expect(poor()).toEqual([])
  for (let count = 0; count < 4; count += 1) report('old', BAD)
  expect(poor()).toEqual(['old', 'again'])
  expect(board.viewOf('again', nowMs)).toMatchObject({
    standing: 'poor',
    reasons: [expect.stringContaining('Another machine of the same owner')]
  })
  expect(board.viewOf('known', nowMs)).toMatchObject({standing: 'fair', reasons: []})

  // One good report is not enough.
  report('again', {requests: 100})
  expect(poor()).toEqual(['old', 'again'])
  for (let count = 0; count < 2; count += 1) report('again', {requests: 100})
  expect(poor()).toEqual(['old'])
  expect(board.viewOf('again', nowMs)).toMatchObject({standing: 'fair', reasons: []})

  expect(poor(nowMs + 9 * DAY_MS)).toEqual([])
  board.close()
})
