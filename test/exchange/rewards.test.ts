import {describe, expect, it} from 'vitest'
import {REVISIONS_KEPT_MAX} from '../../src/core/exchange/limits.ts'
import type {PaidWindows} from '../../src/core/exchange/paid-windows.ts'
import {deployOf, type ReceiptParts, receiptOf, START_MS, World} from './world.ts'

const DAY_MS = 24 * 3_600_000

function paidWindows(world: World): PaidWindows | undefined {
  const pairs = [...world.machine.state.revisions.values()].flatMap((revision) => [...revision.work.values()])
  return pairs.flatMap((pair) => [...(pair.paid?.values() ?? [])])[0]
}
const line = {incentive: 'acme/LEAF', requestsPerMillionMinor: 1_500_000, mibMsPerMillionMinor: 2_000_000, dailyBudgetMinor: 1_000_000}

interface Serving {
  readonly world: World
  readonly revision: string
  readonly lease: string
  pay(parts: Partial<ReceiptParts>): string
}

/** Ann's node serves `acme` under a lease with a budget of 100. */
function serving(): Serving {
  const world = new World()
  for (const name of ['creometry', 'acme', 'ann', 'bob']) world.account(name)
  world.issue('acme')
  world.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 1000})
  const revision = world.deploy('acme', [line])
  const node = world.node('pi', 'ann')
  world.node('other', 'bob')
  const gateway = world.gateway('gate')
  const budgets = [{incentive: 'acme/LEAF', amountMinor: 100}]
  const lease = String(world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: START_MS + DAY_MS, budgets}).lease)
  let window = 0
  const pay = (parts: Partial<ReceiptParts>): string => {
    window += 1
    return world.try('coordinator', receiptOf({gateway, node, revision, lease, window, ...parts}))
  }
  return {world, revision, lease, pay}
}

describe('leases and receipts', () => {
  it('pays the owner from what the lease reserved, and carries what is less than a minor unit', () => {
    const {world, pay} = serving()
    expect([world.balance('acme', 'acme/LEAF', 'pool'), world.balance('acme', 'acme/LEAF', 'reserved')]).toEqual([900, 100])
    expect(pay({requests: 3, mibMs: 2})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(8)
    expect(pay({requests: 1})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(10)
    expect(world.balance('acme', 'acme/LEAF', 'reserved')).toBe(90)
  })

  it('pays running time by what both attest', () => {
    const {world, pay} = serving()
    pay({mibMs: 10, nodeMibMs: 4})
    pay({mibMs: 3, nodeMibMs: 40})
    expect(world.balance('ann', 'acme/LEAF')).toBe(2 * 4 + 2 * 3)
  })

  it('pays nothing for requests that were lost by the fault of the node', () => {
    const {world, pay} = serving()
    expect(pay({requests: 2, requestsFailed: 1_000_000})).toBe('applied')
    expect(pay({requestsFailed: 1_000_000})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(3)
  })

  it('pays a window once', () => {
    const {world, pay} = serving()
    for (const window of [3, 1, 2, 5, 4]) expect(pay({window, requests: 2})).toBe('applied')
    for (const window of [1, 2, 3, 4, 5]) expect(pay({window, requests: 2})).toBe('replayed')
    expect(world.balance('ann', 'acme/LEAF')).toBe(15)
    expect(paidWindows(world)).toMatchObject({floor: 0, ranges: [{first: 1, last: 5}]})
  })

  it('never pays above the budget, and counts such a receipt as paid', () => {
    const {world, pay} = serving()
    expect(pay({window: 9, requests: 1_000_000})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(100)
    expect(pay({window: 9, requests: 1})).toBe('replayed')
    expect(pay({requests: 1})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(100)
  })

  it.each([
    ['another node', {node: `node_${'0'.repeat(32)}`}, 'forbidden'],
    ['an unknown gateway', {gateway: `gw_${'0'.repeat(32)}`}, 'forbidden'],
    ['a window before the lease', {windowStartMs: START_MS - DAY_MS}, 'expired'],
    ['a window that has not ended yet', {windowStartMs: START_MS + 300_000}, 'clock_skew'],
    ['a lease that never was', {lease: 'lea_9999'}, 'expired'],
    ['counts that no supply could pay', {requests: 2 ** 50, mibMs: 2 ** 50}, 'applied'],
    ['counts beyond the schema', {requests: 2 ** 51}, 'invalid_input']
  ] as const)('answers a receipt of %s as it should', (_title, parts, expected) => {
    expect(serving().pay(parts)).toBe(expected)
  })

  it('refuses counts times rates that can not be counted exactly, instead of stopping', () => {
    const {world, lease} = serving()
    const revision = world.deploy('acme', [{...line, requestsPerMillionMinor: Number.MAX_SAFE_INTEGER}], {fn: 'rich'})
    const node = [...world.machine.state.nodes.keys()][0] ?? ''
    const gateway = [...world.machine.state.gateways.keys()][0] ?? ''
    const budgets = [{incentive: 'acme/LEAF', amountMinor: 100}]
    const rich = String(world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: START_MS + DAY_MS, budgets}).lease)
    expect(rich).not.toBe(lease)
    world.nowMs += 3_600_000
    expect(
      world.try('coordinator', receiptOf({gateway, node, revision, lease: rich, window: 1, requests: 2 ** 50, windowMs: 3_600_000}))
    ).toBe('invalid_input')
  })

  it('still pays a gateway that was revoked for the time before', () => {
    const {world, pay} = serving()
    world.nowMs += 3_600_000
    world.must(
      'operator',
      {type: 'gateway.revoke', publicKey: 'A'.repeat(43)},
      {bodyKeyIds: [[...world.machine.state.gateways.keys()][0]?.slice(3) ?? '']}
    )
    expect(pay({requests: 2})).toBe('applied')
    world.nowMs += 3_600_000
    expect(pay({requests: 2, windowStartMs: START_MS + 3_600_000 + 300_000})).toBe('forbidden')
  })

  it('pays what was served before a command ended the lease, then gives the rest back after the grace', () => {
    const {world, lease, pay} = serving()
    world.nowMs += 60_000
    const endsAtMs = world.nowMs
    expect(world.must('coordinator', {type: 'lease.end', lease})).toEqual({lease, endsAtMs, settlesAtMs: endsAtMs + DAY_MS})
    expect(world.effects.at(-1)).toEqual({type: 'lease.ended', id: lease, endsAtMs})
    expect(world.try('coordinator', {type: 'lease.end', lease})).toBe('not_found')
    expect(world.balance('acme', 'acme/LEAF', 'reserved')).toBe(100)
    world.nowMs += DAY_MS - 1
    world.must('coordinator', {type: 'time.advance'})
    expect(pay({requests: 20, windowStartMs: endsAtMs - 1})).toBe('applied')
    expect(pay({requests: 20, windowStartMs: endsAtMs})).toBe('expired')
    world.nowMs += 1
    expect(world.must('coordinator', {type: 'time.advance'})).toEqual({expired: 1, more: false})
    expect([world.balance('acme', 'acme/LEAF', 'pool'), world.balance('acme', 'acme/LEAF', 'reserved')]).toEqual([970, 0])
    expect(pay({requests: 2})).toBe('expired')
    world.nowMs = START_MS + 3 * DAY_MS
    expect(world.must('coordinator', {type: 'time.advance'})).toEqual({expired: 0, more: false})
  })

  it('gives the rest back by time alone when a lease reaches its end', () => {
    const {world, lease, pay} = serving()
    world.nowMs = START_MS + 2 * DAY_MS - 1
    world.must('coordinator', {type: 'time.advance'})
    expect(pay({requests: 2})).toBe('applied')
    world.nowMs += 1
    world.must('coordinator', {type: 'time.advance'})
    expect(world.balance('acme', 'acme/LEAF', 'pool')).toBe(997)
    expect(world.effects.findLast((effect) => effect.type === 'lease.ended')).toMatchObject({id: lease, endsAtMs: START_MS + DAY_MS})
    expect(pay({requests: 2})).toBe('expired')
  })

  it('counts no more work than one node can do in the window', () => {
    const {world, pay} = serving()
    expect(pay({requests: 2 ** 50, mibMs: 2 ** 50})).toBe('applied')
    expect(world.effects.findLast((effect) => effect.type === 'receipt')).toMatchObject({requests: 200_000, mibMs: 64 * 10_000 * 2})
  })

  it('forgets paid windows once every lease they can be of is settled, and takes none of that age again', () => {
    const {world, revision, lease, pay} = serving()
    const [node = ''] = world.machine.state.nodes.keys()
    for (const window of [1, 3, 5]) pay({window, requests: 2})
    world.nowMs += 600_000
    const grant = {type: 'lease.grant', node, revision, endsAtMs: START_MS + 9 * DAY_MS, budgets: []} as const
    const next = String(world.must('coordinator', {...grant, budgets: []}).lease)
    world.must('coordinator', {type: 'lease.end', lease})
    pay({window: 9, lease: next, windowStartMs: world.nowMs})
    world.nowMs += DAY_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(paidWindows(world)).toMatchObject({floor: 6, ranges: [{first: 9, last: 9}]})
    const later = {lease: next, windowStartMs: START_MS + 600_000}
    expect([pay({window: 5, ...later}), pay({window: 9, ...later}), pay({window: 8, ...later})]).toEqual(['expired', 'replayed', 'applied'])
  })

  it('forgets a revision that is too old to go back to once no lease refers to it', () => {
    const {world, revision, lease} = serving()
    const newer = Array.from({length: REVISIONS_KEPT_MAX + 2}, (_, index) => world.deploy('acme', [line], {image: `b${index}`}))
    const known = (): string[] => [...world.machine.state.revisions.keys()]
    expect(known()).toEqual([revision, ...newer.slice(1)])
    world.must('coordinator', {type: 'lease.end', lease})
    world.nowMs += DAY_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(known()).toEqual(newer.slice(1))
  })

  it('leases no revision that is only kept to go back to', () => {
    const {world, revision, lease} = serving()
    world.deploy('acme', [line], {image: 'b'})
    const [node = ''] = world.machine.state.nodes.keys()
    const grant = (): string => world.try('coordinator', {type: 'lease.grant', node, revision, endsAtMs: world.nowMs + DAY_MS, budgets: []})
    world.must('coordinator', {type: 'lease.end', lease})
    world.nowMs += DAY_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(grant()).toBe('not_found')
    world.must('acme', {type: 'traffic.set', app: 'site', functions: [{function: 'web', traffic: [{revision, percent: 100}]}]})
    expect(grant()).toBe('applied')
  })

  it('refuses a lease that the pool is too short for, and one of nothing', () => {
    const {world, revision} = serving()
    const [node = ''] = world.machine.state.nodes.keys()
    const grant = {
      type: 'lease.grant',
      node,
      revision,
      endsAtMs: START_MS + DAY_MS,
      budgets: [{incentive: 'acme/LEAF', amountMinor: 901}]
    } as const
    const grantOf = (changes: object): string => world.try('coordinator', {...grant, budgets: [...grant.budgets], ...changes})
    expect(grantOf({})).toBe('reward_pool_empty')
    expect(world.do('coordinator', {...grant, budgets: [...grant.budgets]})).toMatchObject({
      message: 'The reward pool holds 9 acme/LEAF, less than 9.01 acme/LEAF.'
    })
    expect(grantOf({node: `node_${'0'.repeat(32)}`})).toBe('not_found')
    expect(grantOf({revision: 'rev_1'})).toBe('not_found')
    expect(grantOf({endsAtMs: START_MS})).toBe('invalid_input')
    expect(grantOf({budgets: [{incentive: 'acme/NONE', amountMinor: 1}]})).toBe('invalid_input')
    expect(grantOf({budgets: []})).toBe('applied')
  })
})

describe('a revision that is kept for some owners', () => {
  function keptFor(owners: (world: World) => string[]): {world: World; deployed: string; grant(owner: string): string} {
    const world = new World()
    for (const name of ['creometry', 'acme', 'ann', 'bob']) world.account(name)
    const body = deployOf()
    const revisions = body.revisions.map((one) => ({...one, spec: {...one.spec, owners: owners(world)}}))
    const answer = world.do('acme', {...body, revisions})
    const revision = String(world.machine.state.revisions.keys().next().value)
    const grant = (owner: string): string =>
      world.try('coordinator', {
        type: 'lease.grant',
        node: world.node(`node of ${owner}`, owner),
        revision,
        endsAtMs: START_MS + DAY_MS,
        budgets: []
      })
    return {world, deployed: answer.status === 'applied' ? 'applied' : answer.code, grant}
  }

  it('is leased to their nodes alone', () => {
    const {deployed, grant} = keptFor((world) => [world.id('ann')])
    expect([deployed, grant('ann'), grant('bob')]).toEqual(['applied', 'applied', 'forbidden'])
  })

  it('is refused when one of them is no account', () => {
    expect(keptFor((world) => [world.id('ann'), `acc_${'0'.repeat(32)}`]).deployed).toBe('not_found')
  })
})

describe('epochs', () => {
  /** Ann and Bob host the exchange app: work by their requests. */
  function hosting(): {world: World; work(owner: 'ann' | 'bob', requests: number): void; close(epoch: number): Record<string, unknown>} {
    const world = new World()
    for (const name of ['creometry', 'ann', 'bob']) world.account(name)
    const revision = world.deploy('creometry')
    const gateway = world.gateway('gate')
    const leases = new Map<string, {node: string; lease: string}>()
    for (const owner of ['ann', 'bob']) {
      const node = world.node(`node of ${owner}`, owner)
      const lease = String(world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: START_MS + DAY_MS, budgets: []}).lease)
      leases.set(owner, {node, lease})
    }
    let window = 0
    return {
      world,
      work: (owner, requests) => {
        window += 1
        const {node = '', lease = ''} = leases.get(owner) ?? {}
        world.must('coordinator', receiptOf({gateway, node, revision, lease, window, requests}))
      },
      close: (epoch) => {
        world.nowMs = Math.max(world.nowMs, START_MS + (epoch + 1) * 60_000)
        return world.must('coordinator', {type: 'epoch.close', epoch})
      }
    }
  }

  it('shares the emission by verified work, capped per owner, and carries the rest', () => {
    const {world, work, close} = hosting()
    work('ann', 90)
    work('bob', 10)
    expect(close(0)).toEqual({epoch: 0, mintedMicroGutta: '700000', shares: 2})
    expect([world.balance('ann', 'gutta'), world.balance('bob', 'gutta')]).toEqual([600_000, 100_000])
    expect(world.balance('creometry', 'gutta', 'issued')).toBe(-700_000)
    work('ann', 1)
    work('bob', 2)
    expect(close(1)).toMatchObject({mintedMicroGutta: String(433_333 + 780_000)})
  })

  it('mints nothing without work, and that epoch lapses', () => {
    const {world, work, close} = hosting()
    expect(close(0)).toEqual({epoch: 0, mintedMicroGutta: '0', shares: 0})
    work('ann', 1)
    expect(close(1)).toMatchObject({mintedMicroGutta: '600000'})
    expect(world.machine.state.carriedMicroGutta).toBe(400_000)
  })

  it('halves as written and never mints more than the total', () => {
    const {world, work, close} = hosting()
    const minted: number[] = []
    for (let epoch = 0; epoch < 12; epoch += 1) {
      work('ann', 1)
      work('bob', 1)
      minted.push(Number(close(epoch).mintedMicroGutta))
    }
    expect(minted).toEqual([1_000_000, 1_000_000, 1_000_000, 1_000_000, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(world.machine.state.mintedMicroGutta).toBe(4_000_000)
  })

  it('closes epochs in order, once, and not before their time', () => {
    const {world, close} = hosting()
    expect(world.try('coordinator', {type: 'epoch.close', epoch: 0})).toBe('rejected')
    expect(world.try('coordinator', {type: 'epoch.close', epoch: 1})).toBe('conflict')
    close(0)
    expect(world.try('coordinator', {type: 'epoch.close', epoch: 0})).toBe('conflict')
  })
})
