import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {RevisionView} from '../../src/core/protocol/api.ts'
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
})
