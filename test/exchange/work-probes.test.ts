import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {weighedPoints} from '../../src/core/exchange/epoch-commands.ts'
import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {AMOUNT_MAX} from '../../src/core/units.ts'
import {receiptOf, START_MS, World} from './world.ts'

const DAY_MS = 24 * 3_600_000
const OWNERS = ['ann', 'bob', 'cyd'] as const
type Owner = (typeof OWNERS)[number]
type Probes = NonNullable<CommandOf<'epoch.close'>['probes']>

/** Three owners with two nodes each host the exchange. */
function hosting() {
  const world = new World()
  for (const name of ['creometry', ...OWNERS]) world.account(name)
  const revision = world.deploy('creometry')
  const gateway = world.gateway('gate')
  const nodes = Object.fromEntries(OWNERS.map((owner) => [owner, [1, 2].map((at) => world.node(`${owner} ${at}`, owner))])) as Record<
    Owner,
    [string, string]
  >
  const leases = new Map<string, string>()
  for (const node of Object.values(nodes).flat()) {
    leases.set(
      node,
      String(world.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: START_MS + DAY_MS, budgets: []}).lease)
    )
  }
  let window = 0
  const work = (owner: Owner, requests: number): void => {
    window += 1
    const [node] = nodes[owner]
    world.must('coordinator', receiptOf({gateway, node, revision, lease: leases.get(node) ?? '', window, requests}))
  }
  const close = (probes?: Probes) => {
    world.nowMs = START_MS + 60_000
    return world.must('coordinator', {type: 'epoch.close', epoch: 0, ...(probes && {probes})})
  }
  const shares = () => OWNERS.map((owner) => world.balance(owner, 'gutta'))
  return {world, nodes, work, close, shares}
}

describe('an epoch that is closed with probes', () => {
  it('weighs an owner’s work by what all of its nodes answered, and leaves alone who was not asked', () => {
    const {world, nodes, work, close, shares} = hosting()
    for (const owner of OWNERS) work(owner, 100)
    // Of bob's ten, two and the two that all are credited with are good: 4 of 12.
    const [one, other] = nodes.bob
    close([
      {node: one, good: 2, failed: 3},
      {node: other, good: 0, failed: 5},
      {node: nodes.ann[0], good: 7, failed: 0}
    ])
    expect(shares()).toEqual([428_632, 142_734, 428_632])
    expect(world.machine.state.carriedMicroGutta).toBe(1_000_000 - 428_632 - 142_734 - 428_632)
    const effect = world.effects.findLast(({type}) => type === 'epoch')
    expect(effect).toMatchObject({
      shares: [{workPoints: 1000, probes: {good: 7, failed: 0}}, {workPoints: 333, probes: {good: 2, failed: 8}}, {workPoints: 1000}]
    })
    assertInvariants(world.machine)
  })

  it('passes over nodes that it does not know, and who did no work has none to weigh', () => {
    const {nodes, work, close, shares} = hosting()
    work('ann', 100)
    close([
      {node: `node_${'0'.repeat(32)}`, good: 0, failed: 9},
      {node: nodes.cyd[0], good: 9, failed: 0}
    ])
    expect(shares()).toEqual([600_000, 0, 0])
  })

  it('takes a third at most for one bad answer alone, and little of who answered often', () => {
    expect(weighedPoints(900, {good: 0, failed: 0})).toBe(900)
    expect(weighedPoints(900, {good: 0, failed: 1})).toBe(600)
    expect(weighedPoints(900, {good: 98, failed: 1})).toBe(891)
    expect(weighedPoints(900, {good: 0, failed: 1_000_000})).toBe(0)
    expect(weighedPoints(AMOUNT_MAX, {good: 1_000_000, failed: 1})).toBeLessThan(AMOUNT_MAX)
  })

  const probe = fc.record({
    owner: fc.constantFrom(...OWNERS),
    at: fc.constantFrom(0 as const, 1 as const),
    good: fc.nat(20),
    failed: fc.nat(20)
  })
  const works = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000))

  function closed(requests: readonly number[], probes: readonly {owner: Owner; at: 0 | 1; good: number; failed: number}[]) {
    const made = hosting()
    for (const [at, owner] of OWNERS.entries()) if ((requests[at] ?? 0) > 0) made.work(owner, requests[at] ?? 0)
    made.close(probes.map(({owner, at, good, failed}) => ({node: made.nodes[owner][at], good, failed})))
    assertInvariants(made.world.machine)
    return made
  }

  it('shares exactly as a naive reckoning does, and what is not shared is carried', () => {
    fc.assert(
      fc.property(works, fc.array(probe, {maxLength: 8}), (requests, probes) => {
        const {world, shares} = closed(requests, probes)
        const points = OWNERS.map((owner, at) => {
          const own = probes.filter((one) => one.owner === owner)
          const [good, failed] = [own.reduce((sum, one) => sum + one.good, 0), own.reduce((sum, one) => sum + one.failed, 0)]
          const {workPerRequest} = world.machine.state.genesis.emission
          return (BigInt(workPerRequest * (requests[at] ?? 0)) * BigInt(good + 2)) / BigInt(good + failed + 2)
        })
        const all = points.reduce((sum, one) => sum + one, 0n)
        const expected = points.map((one) => (all === 0n ? 0 : Math.min(600_000, Number((1_000_000n * one) / all))))
        expect(shares()).toEqual(expected)
        const minted = expected.reduce((sum, one) => sum + one, 0)
        expect(world.machine.state.mintedMicroGutta).toBe(minted)
        expect(world.machine.state.carriedMicroGutta).toBe(all === 0n ? 0 : 1_000_000 - minted)
      }),
      {numRuns: 40}
    )
  })

  it('gives nobody more for a bad answer of their own, nor less for a good one, in whatever order they stand', () => {
    fc.assert(
      fc.property(works, fc.array(probe, {maxLength: 6}), probe, (requests, probes, more) => {
        const at = OWNERS.indexOf(more.owner)
        const before = closed(requests, probes).shares()[at] ?? 0
        expect(closed(requests, [...probes, {...more, good: 0}]).shares()[at]).toBeLessThanOrEqual(before)
        expect(closed(requests, [{...more, failed: 0}, ...probes]).shares()[at]).toBeGreaterThanOrEqual(before)
        expect(closed(requests, probes.toReversed()).world.machine.stateText()).toBe(closed(requests, probes).world.machine.stateText())
      }),
      {numRuns: 25}
    )
  })
})
