import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {LeaseView, RevisionView} from '../../src/core/protocol/api.ts'
import {planLeases} from '../../src/core/scheduling.ts'
import {DRAINED_MS, lease, MINUTE_MS, NOW_MS, node, planned, revision, world} from './scheduling-world.ts'

describe('revisions that share the traffic of a function', () => {
  const wide = {...revision(1).spec, scaleMax: 10}
  const share = (id: number, percent: number, changes: Partial<RevisionView> = {}): RevisionView =>
    revision(id, {percent, spec: wide, ...changes})
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map((id) => node(id))
  const granted = (revisions: RevisionView[]): Record<string, number[]> => {
    const {grants} = planLeases(world({nodes, revisions}))
    const of = Map.groupBy(grants, (grant) => grant.revision)
    return Object.fromEntries([...of].map(([id, leases]) => [id, leases.map(({budgets}) => budgets[0]?.amountMinor ?? 0)]))
  }

  it('have as many leases together as one alone, and pay no more a day than one alone', () => {
    expect(granted([share(1, 100)])).toEqual({rev_1: Array(10).fill(100)})
    expect(granted([share(1, 70), share(2, 30)])).toEqual({rev_1: Array(7).fill(100), rev_2: Array(3).fill(100)})
  })

  it('get two leases for ever so small a share, and for a tag', () => {
    expect(granted([share(1, 95), share(2, 5)])).toEqual({rev_1: Array(10).fill(95), rev_2: [25, 25]})
    expect(granted([share(1, 0, {tags: ['next']})])).toEqual({rev_1: [25, 25]})
  })

  it('get greater leases once their share has grown, once', () => {
    const grown = share(1, 100, {spec: revision(1).spec, trafficAtMs: NOW_MS - MINUTE_MS})
    const small = lease(5, 'rev_1', 'a', {budgets: [{incentive: 'colibris/LEAF', reservedMinor: 25, paidMinor: 0}]})
    const plan = {nodes: [node('a')], revisions: [grown], leases: [small]}
    expect(planned(plan)).toEqual(['node_a gets rev_1 with 500'])
    expect(planned({...plan, leases: [{...small, startsAtMs: NOW_MS - MINUTE_MS}]})).toEqual([])
  })

  it('give back leases that a greater share needed, after the drain time', () => {
    const leases = ['a', 'b', 'c', 'd'].map((by, index) => lease(index + 1, 'rev_1', by))
    const shrunk = (trafficAtMs: number) => planned({nodes, revisions: [share(1, 30, {trafficAtMs})], leases})
    expect(shrunk(DRAINED_MS)).toEqual(['lea_4 ends: surplus'])
    expect(shrunk(DRAINED_MS + 1)).toEqual([])
  })

  it('keep their leases for the drain time after they lost the last of it, however long the others have been leased', () => {
    const left = (trafficAtMs: number) =>
      planned({
        nodes: [node('a')],
        revisions: [revision(1, {current: false, trafficAtMs}), revision(2)],
        leases: [lease(5, 'rev_1', 'a'), lease(6, 'rev_2', 'a')]
      })
    expect(left(DRAINED_MS)).toEqual(['lea_5 ends: superseded'])
    expect(left(DRAINED_MS + 1)).toEqual([])
  })

  it('never reserve more than a day of the function and what the pool holds, in whatever shares', () => {
    const cuts = fc.uniqueArray(fc.integer({min: 1, max: 99}), {maxLength: 4})
    fc.assert(
      fc.property(cuts, fc.integer({min: 1, max: 5000}), fc.nat(5000), fc.integer({min: 1, max: 20}), (bounds, daily, pool, scaleMax) => {
        const edges = [0, ...bounds.toSorted((a, b) => a - b), 100]
        const spec = {...revision(1, {}, daily).spec, scaleMax}
        const revisions = edges.slice(1).map((edge, index) => revision(index + 1, {percent: edge - (edges[index] ?? 0), spec}))
        const {grants, shortOfPay} = planLeases(world({nodes, revisions, pools: new Map([['colibris/LEAF', pool]])}))
        const sum = grants.flatMap(({budgets}) => budgets).reduce((total, {amountMinor}) => total + amountMinor, 0)
        expect(sum).toBeLessThanOrEqual(pool)
        // Each is given one minor unit at least: nobody is asked to work for nothing.
        expect(sum).toBeLessThanOrEqual(daily + revisions.length)
        for (const {id} of revisions) expect(grants.some((grant) => grant.revision === id) || shortOfPay.has(id)).toBe(true)
      })
    )
  })

  it('take the part of a tag out of the whole', () => {
    expect(granted([share(1, 100), share(2, 0, {tags: ['next']})])).toEqual({rev_1: Array(10).fill(95), rev_2: [23, 23]})
  })

  it('never have more of a day paid than its function may, however often the traffic moves', () => {
    const move = fc.record({
      to: fc.nat(4),
      percent: fc.integer({min: 50, max: 100}),
      isTagged: fc.boolean(),
      paid: fc.integer({min: 0, max: 100})
    })
    fc.assert(
      fc.property(fc.array(move, {minLength: 1, maxLength: 20}), fc.integer({min: 50, max: 5000}), (moves, daily) => {
        const spec = revision(1, {}, daily).spec
        let leases: LeaseView[] = []
        for (const [at, {to, percent, isTagged, paid}] of moves.entries()) {
          const nowMs = NOW_MS + at * MINUTE_MS
          const share = (id: number) => (id === to ? percent : id === (to + 1) % 5 ? 100 - percent : 0)
          const revisions = [0, 1, 2, 3, 4].map((id) => {
            const tags = isTagged && id === (to + 2) % 5 ? ['next'] : []
            return revision(id, {percent: share(id), tags, current: share(id) > 0 || tags.length > 0, trafficAtMs: nowMs, spec})
          })
          const of = new Map(revisions.map((one) => [one.id, one]))
          const two = [node('a', {seenAtMs: nowMs}), node('b', {seenAtMs: nowMs})]
          for (let plan = 0; plan < 3; plan += 1) {
            const {grants} = planLeases(world({nowMs: nowMs + plan, nodes: two, revisions, leases}))
            const made = grants.map((grant, index) => {
              const [budget] = grant.budgets
              const budgets = [{incentive: 'colibris/LEAF', reservedMinor: budget?.amountMinor ?? 0, paidMinor: 0}]
              return {...lease(leases.length + index + 1, grant.revision, 'a'), node: grant.node, startsAtMs: nowMs + plan, budgets}
            })
            leases = [...leases, ...made]
          }
          // Before the next move each newest lease pays a part of what it reserves; all others have drained and ended.
          const open = leases.filter(
            (one) => one.status === 'active' && of.get(one.revision)?.current && !leases.some((other) => isNewer(other, one))
          )
          const counted = leases.map((one) => one.budgets[0]?.[open.includes(one) ? 'reservedMinor' : 'paidMinor'] ?? 0)
          const sum = counted.reduce((total, minor) => total + minor, 0)
          expect(sum).toBeLessThanOrEqual(daily)
          leases = leases.map((one) => (open.includes(one) ? paying(one, paid) : {...one, status: 'ended'}))
        }
      }),
      {numRuns: 200}
    )
  })
})

function isNewer(other: LeaseView, one: LeaseView): boolean {
  return other.revision === one.revision && other.node === one.node && Number(other.id.slice(4)) > Number(one.id.slice(4))
}

function paying(lease: LeaseView, percent: number): LeaseView {
  return {
    ...lease,
    budgets: lease.budgets.map((budget) => ({
      ...budget,
      paidMinor: Math.max(budget.paidMinor, Math.floor((budget.reservedMinor * percent) / 100))
    }))
  }
}
