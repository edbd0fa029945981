import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bodyOfTold, groupHash} from '../../src/ledger/group.ts'
import type {JournalHead} from '../../src/ledger/journal.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {deployOf} from '../exchange/world.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

let world: LedgerWorld

beforeEach(async () => {
  world = await LedgerWorld.make()
})

afterEach(async () => {
  await world.remove()
})

/** Everything that the reads show, for comparing. */
function everything({reads}: Ledger): unknown {
  return {
    balances: reads.balances({}),
    incentives: reads.incentives(),
    offers: reads.offers({}),
    book: reads.book('acme/LEAF'),
    trades: reads.trades('acme/LEAF', {limit: 1000}),
    orders: reads.orders({limit: 1000}),
    redemptions: reads.redemptions({limit: 1000}),
    apps: reads.apps({}),
    routes: reads.appRoutes(),
    revisions: reads.revisions({org: 'acme', app: 'site', limit: 100}),
    leases: reads.leases({}),
    nodes: reads.nodes({}),
    gateways: reads.gateways(),
    receipts: reads.receipts({limit: 1000}),
    epochs: reads.epochs({limit: 1000}),
    accounts: [...new Set(reads.balances({}).map((balance) => balance.account))].map((id) => reads.account(id))
  }
}

async function trade(): Promise<void> {
  await world.must('acme', orderOf('sell', 30, 100))
  await world.must('bob', orderOf('buy', 50, 110))
  await world
    .must('bob', {type: 'redemption.request', offer: world.ledger.reads.offers({})[0]?.id ?? '', quantity: 0 + 1})
    .catch(() => undefined)
}

/** Deploys a second revision beside this one, with a tag and a fifth of the traffic. */
async function shareTraffic(first: string): Promise<string> {
  const {revisions, ...rest} = deployOf([], {image: 'b'})
  const tagged = revisions.map((revision) => ({...revision, tag: 'next', noTraffic: true}))
  const made = await world.must('acme', {...rest, revisions: tagged})
  const second = (made.revisions as {revision: string}[])[0]?.revision ?? ''
  expect(world.ledger.reads.revision(second)).toMatchObject({percent: 0, tags: ['next'], current: true, served: false})
  const traffic = [
    {revision: first, percent: 80},
    {revision: second, percent: 20}
  ]
  await world.must('acme', {type: 'traffic.set', app: 'site', functions: [{function: 'web', traffic}]})
  return second
}

it('checks the signature of a command that was proven by another key than the one that should have signed', async () => {
  await world.settle()
  const signed = world.sign('bob', orderOf('buy', 1, 100))
  const forged = {...signed, signature: world.sign('ann', orderOf('buy', 1, 100)).signature}
  const provenBy = (who: string) => world.ledger.submit(forged, world.signal, {provenBy: world.key(who).publicKey})
  await expect(provenBy('ann')).rejects.toMatchObject({code: 'bad_signature'})
  expect(await provenBy('bob')).toMatchObject({status: 'applied'})
})

describe('the ledger', () => {
  it('answers what it has committed, and shows it in every read', async () => {
    await world.settle()
    const receipt = await world.serve()
    await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(1, 10)})
    await trade()
    const {reads} = world.ledger
    expect(reads.balances({account: world.accounts.get('ann') ?? '', asset: 'acme/LEAF'})).toEqual([
      {account: world.accounts.get('ann'), asset: 'acme/LEAF', kind: 'available', amountMinor: 15}
    ])
    expect(reads.book('acme/LEAF')).toMatchObject({bids: [{priceMicroGutta: 110, lots: 20}], asks: []})
    expect(reads.trades('acme/LEAF', {limit: 5})).toMatchObject([{index: 0, priceMicroGutta: 100, lots: 30, takerSide: 'buy'}])
    expect(reads.orders({account: world.accounts.get('bob') ?? '', limit: 5})).toMatchObject([
      {status: 'open', remainingLots: 20, lots: 50}
    ])
    expect(reads.redemptions({limit: 5})).toMatchObject([{status: 'held', amountMinor: 250, endedAtMs: null}])
    expect(reads.incentive('acme/LEAF')).toMatchObject({tradeVolumeUsedMicroGutta: 3000, scope: null, transferable: false})
    expect(reads.app('acme', 'site')).toMatchObject({
      addresses: ['http://site--acme.localhost:2/'],
      revisions: [{function: 'web', current: true}]
    })
    expect(reads.leases({status: 'active'})).toMatchObject([{budgets: [{reservedMinor: 1000, paidMinor: 15}]}])
    expect(reads.receipts({limit: 5})).toMatchObject([{requests: 10, paid: [{incentive: 'acme/LEAF', amountMinor: 15}]}])
    expect(reads.accountByKey(world.key('ann').keyId)).toEqual({account: world.accounts.get('ann'), roles: ['owner']})
    expect(reads.nodeByKey(world.key('node').keyId)).toMatchObject({name: 'pi', owner: world.accounts.get('ann')})
    expect(reads.entries({account: world.accounts.get('ann') ?? '', asset: 'acme/LEAF', limit: 5})).toMatchObject([
      {command: 'receipt.pay', deltaMinor: 15, balanceMinor: 15}
    ])
  })

  it('shows the ended leases of a revision that began after a time, and of all leases the newest', async () => {
    await world.settle()
    await world.serve()
    const {reads} = world.ledger
    const [first] = reads.leases({})
    if (first === undefined) throw new Error('there is no lease')
    const {node, revision, startsAtMs} = first
    expect(reads.endedLeases({startedAfterMs: startsAtMs - 1})).toEqual([])
    await world.must('coordinator', {type: 'lease.end', lease: first.id})
    const budgets = [{incentive: 'acme/LEAF', amountMinor: 10}]
    const next = await world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: world.nowMs + 3_600_000, budgets})
    expect(reads.endedLeases({startedAfterMs: startsAtMs - 1})).toMatchObject([{id: first.id, budgets: first.budgets}])
    expect(reads.endedLeases({startedAfterMs: startsAtMs})).toEqual([])
    expect(reads.leases({}).map(({id}) => id)).toEqual([first.id, next.lease])
    expect(reads.leases({limit: 1}).map(({id}) => id)).toEqual([next.lease])
  })

  it('comes back from the journal exactly as it was', async () => {
    await world.settle()
    const receipt = await world.serve()
    await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(1, 10)})
    await trade()
    const before = everything(world.ledger)
    const {sequence} = world.ledger
    await world.close()
    await world.open()
    expect(world.ledger.sequence).toBe(sequence)
    expect(everything(world.ledger)).toEqual(before)
  })

  it('shows whom the traffic goes to, and says of each function that has more to say than one revision', async () => {
    await world.settle()
    await world.serve()
    const first = world.ledger.reads.currentRevisions()[0]?.id ?? ''
    const second = await shareTraffic(first)
    const {reads} = world.ledger
    const shown = reads.revisions({org: 'acme', app: 'site', limit: 10})
    expect(shown.map(({id, percent, tags, current, served}) => [id, percent, tags, current, served])).toEqual([
      [second, 20, ['next'], true, true],
      [first, 80, [], true, true]
    ])
    const traffic = [
      {revision: first, percent: 80},
      {revision: second, percent: 20}
    ]
    expect(reads.appRoutes()).toMatchObject([
      {functions: [{function: 'web', revision: first, traffic, tags: [{tag: 'next', revision: second}]}]}
    ])
    world.nowMs += 1000
    await world.must('acme', {
      type: 'traffic.set',
      app: 'site',
      functions: [{function: 'web', traffic: [{revision: second, percent: 100}], untag: ['next']}]
    })
    expect(reads.appRoutes()).toMatchObject([{functions: [{function: 'web', revision: second}]}])
    expect(reads.revision(first)).toMatchObject({current: false, percent: 0, served: true, trafficAtMs: world.nowMs})
    expect(reads.currentRevisions().map(({id}) => id)).toEqual([second])
  })

  it('rebuilds projections that were deleted, and none of it differs', async () => {
    await world.settle()
    await trade()
    await world.serve()
    await shareTraffic(world.ledger.reads.currentRevisions()[0]?.id ?? '')
    const before = everything(world.ledger)
    await world.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(world.directory, `ledger.sqlite${suffix}`), {force: true})
    await world.open()
    expect(everything(world.ledger)).toEqual(before)
  })

  it('pays a receipt once, however often it comes', async () => {
    await world.settle()
    const receipt = (await world.serve())(7, 10)
    await world.must('coordinator', {type: 'receipt.pay', receipt})
    const again = await world.submit(world.sign('coordinator', {type: 'receipt.pay', receipt}))
    expect(again).toMatchObject({status: 'rejected', code: 'replayed'})
    expect(again).toHaveProperty('message', expect.stringContaining('already'))
    await world.close()
    await world.open()
    expect(await world.submit(world.sign('coordinator', {type: 'receipt.pay', receipt}))).toMatchObject({code: 'replayed'})
    const [paid] = world.ledger.reads.balances({account: world.accounts.get('ann') ?? '', asset: 'acme/LEAF'})
    expect(paid?.amountMinor).toBe(15)
  })

  it('gives the first answer to the same key and body, also after a restart, and refuses another body', async () => {
    await world.settle()
    const command = world.sign('ann', orderOf('buy', 1, 100), {idempotencyKey: 'mine'})
    const [first, second] = await Promise.all([world.submit(command), world.submit(command)])
    expect(second).toEqual(first)
    await world.close()
    await world.open()
    expect(await world.submit(command)).toEqual(first)
    expect(world.ledger.sequence).toBe(first.seq)
    const other = world.sign('ann', orderOf('buy', 2, 100), {idempotencyKey: 'mine'})
    await expect(world.submit(other)).rejects.toMatchObject({code: 'idempotency_conflict'})
    const rejected = world.sign('ann', orderOf('sell', 1, 100), {idempotencyKey: 'none'})
    const refusal = await world.submit(rejected)
    expect(refusal).toMatchObject({status: 'rejected', code: 'insufficient_funds'})
    expect(await world.submit(rejected)).toEqual(refusal)
  })

  it('journals nothing of what is not signed rightly', async () => {
    await world.settle()
    const receipt = (await world.serve())(1, 10)
    const before = world.ledger.sequence
    const good = world.sign('ann', orderOf('buy', 1, 100))
    const cases: [string, Parameters<Ledger['submit']>[0]][] = [
      ['bad_signature', {...good, signature: world.sign('ann', orderOf('buy', 1, 101)).signature}],
      ['bad_signature', {...good, idempotencyKey: 'changed'}],
      ['bad_signature', {...good, body: good.body.replace('"100"', '"1"')}],
      ['unauthorized', {...good, account: world.accounts.get('bob') ?? ''}],
      ['unauthorized', {...good, network: '0'.repeat(64)}],
      ['unauthorized', world.sign('ann', orderOf('buy', 1, 100), {as: 'new'})],
      ['bad_signature', world.sign('ann', {type: 'time.advance'}, {as: 'coordinator'})],
      ['expired', world.sign('ann', orderOf('buy', 1, 100), {notAfterMs: world.nowMs})],
      ['invalid_input', world.sign('ann', orderOf('buy', 1, 100), {notAfterMs: world.nowMs + 25 * 3_600_000})],
      ['invalid_input', {...good, body: '{"type":"order.place"}'}],
      ['invalid_input', {...good, body: 'nothing'}],
      ['bad_signature', world.sign('coordinator', {type: 'receipt.pay', receipt: {...receipt, nodeSignature: receipt.gatewaySignature}})],
      [
        'invalid_input',
        world.sign('coordinator', {
          type: 'receipt.pay',
          receipt: {...receipt, proposal: receipt.proposal.replace('"requests":10', '"requests":99')}
        })
      ]
    ]
    for (const [code, command] of cases) await expect(world.submit(command), code).rejects.toMatchObject({code})
    expect(world.ledger.sequence).toBe(before)
  })

  it('answers nothing more after it is closed', async () => {
    const {ledger} = world
    await world.close()
    const command = world.sign('ann', orderOf('buy', 1, 100))
    await expect(ledger.submit(command, world.signal)).rejects.toMatchObject({code: 'unavailable'})
  })

  it('says when the next thing comes due, and nothing once it ended', async () => {
    await world.settle()
    expect(world.ledger.nextExpiryMs()).toBeUndefined()
    const expiresAtMs = world.nowMs + 5000
    const {order} = await world.must('ann', {...orderOf('buy', 1, 1), timeInForce: 'GTT', expiresAtMs})
    expect(world.ledger.nextExpiryMs()).toBe(expiresAtMs)
    await world.must('ann', {type: 'order.cancel', order: String(order)})
    expect(world.ledger.nextExpiryMs()).toBeUndefined()
  })

  it('lists accounts by name, also those that hold nothing', async () => {
    for (const name of ['zoe', 'ann']) await world.account(name)
    expect(world.ledger.reads.accounts({limit: 5}).map(({name}) => name)).toEqual(['ann', 'zoe'])
    expect(world.ledger.reads.accounts({limit: 1})).toHaveLength(1)
  })

  it('replays a rejection whatever its words are now, and none that was another', async () => {
    await world.settle()
    const rejected = await world.submit(world.sign('ann', {type: 'order.cancel', order: 'ord_9'}))
    await world.ledger.projected(rejected.seq, world.signal)
    const groups = world.ledger.reads.journal({from: 1, limit: 1000})
    const replayAs = (code: string) => () => {
      const machine = machineOf(world.genesisText)
      let head: JournalHead = {number: 0, lastSeq: 0, hash: world.network}
      for (const group of groups) {
        const body = Buffer.from(bodyOfTold(group).toString('latin1').replace('not_found', code), 'latin1')
        const changed = {...group, prevHash: head.hash, body}
        head = replayGroup(machine, head, {...changed, hash: groupHash(changed)}, {signatures: true})
      }
      return head.lastSeq
    }
    expect(groups.some((group) => bodyOfTold(group).includes('There is no open order'))).toBe(false)
    expect(replayAs('not_found')()).toBe(rejected.seq)
    expect(replayAs('forbidden')).toThrow('does something else')
  })
})
