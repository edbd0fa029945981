import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {Effect} from '../../src/core/exchange/outcome.ts'
import {HOUR_MS, type ReceiptParts, receiptOf, START_MS, World} from './world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const RUNS = IS_LONG ? 300 : 40
const STEPS = IS_LONG ? 400 : 80

const line = {
  incentive: 'acme/LEAF',
  requestsPerMillionMinor: 1_500_000,
  mibMsPerMillionMinor: 333_333,
  standbyMsPerMillionMinor: 70_001,
  dailyBudgetMinor: 1_000_000
}
/** Only standing by is paid. */
const standbyLine = {...line, requestsPerMillionMinor: 0, mibMsPerMillionMinor: 0, standbyMsPerMillionMinor: 1_000_000}
const MINUTE_MS = 60_000

interface Standing {
  readonly world: World
  readonly revision: string
  readonly nodes: readonly string[]
  readonly gateways: readonly string[]
  grant(node: string, budgetMinor: number, lastsMs?: number): string
  pay(parts: Partial<ReceiptParts> & {readonly lease: string}): string
}

function standing(reward = standbyLine): Standing {
  const world = new World()
  for (const name of ['creometry', 'acme', 'ann', 'bob']) world.account(name)
  world.issue('acme', {supplyMinor: 100_000_000})
  world.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 90_000_000})
  const revision = world.deploy('acme', [reward])
  const nodes = [world.node('pi', 'ann'), world.node('other', 'bob')]
  const gateways = ['gate', 'door', 'hatch'].map((name) => world.gateway(name))
  const [gateway = ''] = gateways
  const [node = ''] = nodes
  let window = 0
  return {
    world,
    revision,
    nodes,
    gateways,
    grant: (of, budgetMinor, lastsMs = HOUR_MS) => {
      const budgets = [{incentive: 'acme/LEAF', amountMinor: budgetMinor}]
      const body = {type: 'lease.grant', node: of, revision, endsAtMs: world.nowMs + lastsMs, budgets} as const
      return String(world.must('coordinator', {...body, budgets}).lease)
    },
    pay: (parts) => {
      window += 1
      return world.try('coordinator', receiptOf({gateway, node, revision, window, windowMs: MINUTE_MS, ...parts}))
    }
  }
}

describe('standing by', () => {
  it('is paid by what both attest, and carries what is less than a minor unit', () => {
    const {world, nodes, grant, pay} = standing({...standbyLine, standbyMsPerMillionMinor: 50})
    const lease = grant(nodes[0] ?? '', 1000)
    world.nowMs += 20 * MINUTE_MS
    expect(pay({lease, standbyMs: 30_000, nodeStandbyMs: 15_000})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(0)
    expect(pay({lease, windowStartMs: START_MS + MINUTE_MS, standbyMs: 5000, nodeStandbyMs: 60_000})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(1)
    expect(world.effects.findLast((effect) => effect.type === 'receipt')).toMatchObject({standbyMs: 5000})
  })

  it('is no part of a receipt that claims none, so that journals stay as they were', () => {
    const {world, nodes, grant, pay} = standing(line)
    pay({lease: grant(nodes[0] ?? '', 1000), requests: 3, windowStartMs: START_MS - MINUTE_MS + 1})
    const paid = world.effects.findLast((effect) => effect.type === 'receipt')
    expect(Object.keys(paid ?? {})).toEqual(['type', 'id', 'lease', 'node', 'requests', 'mibMs', 'paid'])
    expect(world.machine.stateText()).not.toContain('standbyMs"')
  })

  it.each([
    ['one that claims more than its window lasted', {standbyMs: 10 * MINUTE_MS}],
    ['a miner that attests more than its gateway', {standbyMs: MINUTE_MS, nodeStandbyMs: 2 ** 50}],
    ['a gateway that proposes more than its miner', {standbyMs: 2 ** 50, nodeStandbyMs: MINUTE_MS}]
  ])('pays a minute of a minute to %s', (_who, lie) => {
    const {world, nodes, grant, pay} = standing()
    const lease = grant(nodes[0] ?? '', 1_000_000)
    world.nowMs += 10 * MINUTE_MS
    expect(pay({lease, ...lie})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(MINUTE_MS)
  })

  it('is paid once to a node that several gateways prove, however their windows overlap', () => {
    const {world, nodes, gateways, grant, pay} = standing()
    const lease = grant(nodes[0] ?? '', 10_000_000)
    world.nowMs += 5 * MINUTE_MS
    const whole = {lease, windowMs: 5 * MINUTE_MS, standbyMs: 5 * MINUTE_MS}
    for (const gateway of gateways) expect(pay({...whole, gateway})).toBe('applied')
    expect(pay({...whole, windowStartMs: START_MS + MINUTE_MS, windowMs: 4 * MINUTE_MS})).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(5 * MINUTE_MS)
  })

  it('ends with the lease, and is not paid after the grace, nor twice, nor for another lease', () => {
    const {world, nodes, grant, pay} = standing()
    const [node = '', other = ''] = nodes
    const lease = grant(node, 10_000_000, 2 * MINUTE_MS)
    const others = grant(other, 10_000_000, 2 * MINUTE_MS)
    world.nowMs += 10 * MINUTE_MS
    const late = {lease, windowStartMs: START_MS + MINUTE_MS, windowMs: 9 * MINUTE_MS, standbyMs: 9 * MINUTE_MS, window: 77}
    expect(pay(late)).toBe('applied')
    expect(world.balance('ann', 'acme/LEAF')).toBe(2 * MINUTE_MS)
    expect(pay(late)).toBe('replayed')
    expect(pay({...late, window: 78, lease: others})).toBe('forbidden')
    expect(pay({...late, window: 79, windowStartMs: START_MS + 2 * MINUTE_MS})).toBe('expired')
    world.nowMs += 25 * HOUR_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(pay({...late, window: 80})).toBe('expired')
    expect(world.balance('ann', 'acme/LEAF')).toBe(2 * MINUTE_MS)
  })

  it('is not counted when its receipt is refused', () => {
    const {world, nodes, grant, pay} = standing({...standbyLine, standbyMsPerMillionMinor: Number.MAX_SAFE_INTEGER})
    const lease = grant(nodes[0] ?? '', 1000, 24 * HOUR_MS)
    world.nowMs += 24 * HOUR_MS
    const before = world.machine.stateText().split('\n').slice(1)
    expect(pay({lease, windowMs: HOUR_MS, standbyMs: HOUR_MS})).toBe('invalid_input')
    expect(pay({lease, windowMs: HOUR_MS, standbyMs: HOUR_MS, gateway: `gw_${'0'.repeat(32)}`})).toBe('forbidden')
    expect(world.machine.stateText().split('\n').slice(1)).toEqual(before)
  })
})

const receipts = fc.record({
  node: fc.nat(1),
  gateway: fc.nat(2),
  pick: fc.nat(3),
  window: fc.nat(12),
  backMs: fc.nat(2 * HOUR_MS),
  windowMs: fc.integer({min: 1, max: HOUR_MS}),
  requests: fc.oneof(fc.nat(50), fc.constant(2 ** 50)),
  mibMs: fc.oneof(fc.nat(HOUR_MS), fc.constant(2 ** 50)),
  nodeMibMs: fc.oneof(fc.nat(HOUR_MS), fc.constant(2 ** 50)),
  standbyMs: fc.oneof(fc.nat(HOUR_MS), fc.constant(2 ** 50)),
  nodeStandbyMs: fc.oneof(fc.nat(HOUR_MS), fc.constant(2 ** 50)),
  waitMs: fc.nat(20 * MINUTE_MS),
  event: fc.nat(20),
  budgetMinor: fc.oneof(fc.nat(500), fc.constant(100_000))
})
type Claim = typeof receipts extends fc.Arbitrary<infer T> ? T : never
type PaidReceipt = Extract<Effect, {type: 'receipt'}>

/** What an accountant makes of the same claims: exact, by lease and pair. */
class Accountant {
  readonly standbyOf = new Map<string, number>()
  readonly leftOf = new Map<string, bigint>()
  readonly carries = new Map<string, bigint>()

  /** Checks one receipt that was paid against what was claimed and what was paid before. */
  check(paid: PaidReceipt, claim: Claim, lease: {readonly startsAtMs: number; readonly endsAtMs: number}, nowMs: number): void {
    const standbyMs = paid.standbyMs ?? 0
    expect(paid.requests).toBe(Math.min(claim.requests, 20 * claim.windowMs))
    expect(paid.mibMs).toBe(Math.min(claim.mibMs, claim.nodeMibMs, 64 * 2 * claim.windowMs))
    expect(standbyMs).toBeLessThanOrEqual(Math.min(claim.standbyMs, claim.nodeStandbyMs, claim.windowMs))
    const stood = (this.standbyOf.get(paid.lease) ?? 0) + standbyMs
    this.standbyOf.set(paid.lease, stood)
    expect(stood).toBeLessThanOrEqual(Math.max(0, Math.min(nowMs, lease.endsAtMs) - lease.startsAtMs))
    const millionths =
      BigInt(paid.requests) * BigInt(line.requestsPerMillionMinor) +
      BigInt(paid.mibMs) * BigInt(line.mibMsPerMillionMinor) +
      BigInt(standbyMs) * BigInt(line.standbyMsPerMillionMinor) +
      (this.carries.get(paid.node) ?? 0n)
    this.carries.set(paid.node, millionths % 1_000_000n)
    const left = this.leftOf.get(paid.lease) ?? 0n
    const earned = millionths / 1_000_000n < left ? millionths / 1_000_000n : left
    this.leftOf.set(paid.lease, left - earned)
    expect(paid.paid).toEqual([{incentive: 'acme/LEAF', amountMinor: Number(earned)}])
  }
}

describe('whatever gateways and miners claim', () => {
  it('nobody is paid beyond what both attest, what the time allows and what was reserved, and every unit is accounted for', () => {
    let paidReceipts = 0
    let stoodBy = 0
    fc.assert(
      fc.property(fc.array(receipts, {minLength: STEPS, maxLength: STEPS}), (claims) => {
        const {world, nodes, gateways, revision, grant} = standing(line)
        const accountant = new Accountant()
        const seen = new Set<string>()
        for (const claim of claims) {
          world.nowMs += claim.waitMs
          const {leases} = world.machine.state
          const node = nodes[claim.node] ?? ''
          const own = [...leases.values()].filter((lease) => lease.node === node)
          if (claim.event === 0 || own.length === 0) accountant.leftOf.set(grant(node, claim.budgetMinor), BigInt(claim.budgetMinor))
          if (claim.event === 1) world.try('coordinator', {type: 'lease.end', lease: own[0]?.id ?? 'lea_1'})
          if (claim.event === 2) world.must('coordinator', {type: 'time.advance'})
          const all = [...leases.values()]
          const lease = claim.event === 3 ? all[claim.pick % all.length] : all.filter((one) => one.node === node).at(-1 - (claim.pick % 2))
          if (lease === undefined) continue
          const gateway = gateways[claim.gateway] ?? ''
          const windowStartMs = Math.max(START_MS, world.nowMs - claim.backMs)
          const receipt = receiptOf({...claim, gateway, node, revision, lease: lease.id, windowStartMs})
          const before = world.effects.length
          const said = world.try('coordinator', receipt)
          const id = `${gateway}/${node}/${claim.window}`
          const paid = world.effects.slice(before).find((effect) => effect.type === 'receipt')
          expect(paid !== undefined).toBe(said === 'applied')
          if (paid?.type !== 'receipt') continue
          expect(seen.has(id)).toBe(false)
          seen.add(id)
          expect(windowStartMs).toBeLessThan(lease.endsAtMs)
          expect(lease.node).toBe(node)
          accountant.check(paid, claim, lease, world.nowMs)
          paidReceipts += 1
          stoodBy += paid.standbyMs ?? 0
        }
      }),
      {numRuns: RUNS}
    )
    expect(paidReceipts).toBeGreaterThan(RUNS)
    expect(stoodBy).toBeGreaterThan(0)
  })
})

describe('windows of standing by, which are numbered when they end', () => {
  it('leave windows of work that began later, under lower numbers, their pay', () => {
    const {world, nodes, grant, pay} = standing(line)
    const first = grant(nodes[0] ?? '', 1_000_000, 8 * HOUR_MS)
    world.nowMs = START_MS + 8 * HOUR_MS
    const second = grant(nodes[0] ?? '', 1_000_000, 48 * HOUR_MS)
    world.nowMs = START_MS + 11 * HOUR_MS
    const stood = {lease: first, window: 12, windowStartMs: START_MS + 6 * HOUR_MS, windowMs: HOUR_MS, standbyMs: HOUR_MS}
    expect(pay(stood)).toBe('applied')
    world.nowMs = START_MS + 33 * HOUR_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(world.machine.state.leases.has(first)).toBe(false)
    const work = {lease: second, window: 10, windowStartMs: START_MS + 10 * HOUR_MS, requests: 1}
    expect(pay(work)).toBe('applied')
    expect(pay(work)).toBe('replayed')
    expect(pay({...stood, lease: second, windowStartMs: START_MS + 12 * HOUR_MS})).toBe('replayed')
  })

  it('are paid once each, as windows of work are, in whatever order receipts come while their leases wait for them', () => {
    const hours = (most: number) => fc.oneof(fc.nat(most * HOUR_MS), fc.constant(most * HOUR_MS))
    const window = fc.record({afterMs: hours(1), stoodMs: fc.option(fc.integer({min: 1, max: HOUR_MS})), paidAfterMs: hours(28)})
    fc.assert(
      fc.property(fc.array(window, {minLength: STEPS, maxLength: STEPS}), (windows) => {
        const {world, nodes, grant, pay} = standing(line)
        world.nowMs += 2 * HOUR_MS
        const owed: {readonly parts: Partial<ReceiptParts> & {readonly lease: string}; readonly dueMs: number; tries: number}[] = []
        let lease = ''
        let grantedAtMs = Number.NEGATIVE_INFINITY
        for (const [number, {afterMs, stoodMs, paidAfterMs}] of windows.entries()) {
          world.nowMs += afterMs
          world.must('coordinator', {type: 'time.advance'})
          if (world.nowMs > grantedAtMs + 4 * HOUR_MS) {
            lease = grant(nodes[0] ?? '', 1000, 5 * HOUR_MS)
            grantedAtMs = world.nowMs
          }
          const began = {lease, window: number, windowStartMs: world.nowMs, windowMs: 1}
          const parts = stoodMs === null ? began : {...began, windowStartMs: world.nowMs - stoodMs, windowMs: stoodMs, standbyMs: stoodMs}
          owed.push({parts, dueMs: world.nowMs + paidAfterMs, tries: 0})
          for (const one of owed.filter(({dueMs, tries}) => dueMs <= world.nowMs && tries < 2)) {
            const isFirst = one.tries === 0 && world.machine.state.leases.has(one.parts.lease)
            expect(pay(one.parts) === 'applied').toBe(isFirst)
            one.tries += 1
          }
        }
      }),
      {numRuns: RUNS}
    )
  })
})
