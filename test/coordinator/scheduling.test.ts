import {describe, expect, it} from 'vitest'
import type {RevisionView} from '../../src/core/protocol/api.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import {planLeases, type SchedulingNode, type SchedulingWorld} from '../../src/core/scheduling.ts'
import {noWorkReason} from '../../src/core/wanted-work.ts'
import {DAY_MS, DRAINED_MS, EXCHANGE, lease, MINUTE_MS, NOW_MS, node, planned, revision, world} from './scheduling-world.ts'

/** A revision with these limits on who may run it. */
function only(limits: Partial<RevisionSpec>): RevisionView {
  const plain = revision(1)
  return {...plain, spec: {...plain.spec, ...limits}}
}

describe('which leases are granted', () => {
  it.each<[string, Partial<SchedulingWorld>, string[]]>([
    [
      'each node gets only what pays the incentive its owner selected',
      {nodes: [node('a'), node('b', {earn: ['gutta']})], revisions: [revision(1), EXCHANGE]},
      ['node_a gets rev_1 with 500', 'node_b gets rev_9']
    ],
    [
      'an org selects all its incentives',
      {nodes: [node('a', {earn: ['org:colibris']})], revisions: [revision(1)]},
      ['node_a gets rev_1 with 500']
    ],
    ['another org of a similar name is not meant', {nodes: [node('a', {earn: ['org:coli']})], revisions: [revision(1)]}, []],
    [
      'a revision goes to two nodes of the three that want it',
      {nodes: [node('a'), node('b'), node('c')], revisions: [revision(1)]},
      ['node_a gets rev_1 with 500', 'node_b gets rev_1 with 500']
    ],
    [
      'another owner comes before a second node of the same one',
      {nodes: [node('a', {owner: 'ann'}), node('b', {owner: 'ann'}), node('c', {owner: 'bob'})], revisions: [revision(1)]},
      ['node_a gets rev_1 with 500', 'node_c gets rev_1 with 500']
    ],
    ['a node that has its lease gets no second one', {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a')]}, []],
    ['a draining node gets nothing', {nodes: [node('a', {draining: true})], revisions: [revision(1)]}, []],
    ['a node that cannot enforce limits gets nothing', {nodes: [node('a', {enforcesLimits: false})], revisions: [revision(1)]}, []],
    ['a node without room for one instance gets nothing', {nodes: [node('a', {memoryBytes: 2 ** 20})], revisions: [revision(1)]}, []],
    [
      'a node of another processor than the function is made for gets nothing',
      {nodes: [node('a'), node('b', {architecture: 'arm64'})], revisions: [only({architectures: ['arm64']})]},
      ['node_b gets rev_1 with 500']
    ],
    [
      'a function that is kept for some owners goes to their nodes alone',
      {nodes: [node('a', {owner: 'ann'}), node('b', {owner: 'bob'})], revisions: [only({owners: ['bob']})]},
      ['node_b gets rev_1 with 500']
    ],
    [
      'one owner earns no more of a day than the largest share, and the rest is for others',
      {
        nodes: [node('a', {owner: 'ann'}), node('b', {owner: 'ann'}), node('c', {owner: 'bob'})],
        revisions: [only({ownerSharePercentMax: 30, scaleMax: 3})]
      },
      ['node_a gets rev_1 with 300', 'node_c gets rev_1 with 300']
    ],
    [
      'what an owner was paid today, by nodes that are gone too, counts to its share',
      {
        nodes: [node('a', {owner: 'ann'}), node('b', {owner: 'bob'})],
        revisions: [only({ownerSharePercentMax: 30})],
        leases: [lease(5, 'rev_1', 'x', {status: 'ended', paid: 250}), lease(6, 'rev_1', 'y', {status: 'ended', paid: 250})],
        ownerOf: (id) => ({node_a: 'ann', node_b: 'bob', node_x: 'ann'})[id]
      },
      ['node_a gets rev_1 with 50', 'node_b gets rev_1 with 300']
    ],
    [
      'a lease of an owner that has its share is not renewed',
      {
        nodes: [node('a', {owner: 'ann'})],
        revisions: [only({ownerSharePercentMax: 30})],
        leases: [lease(5, 'rev_1', 'a', {paid: 500})]
      },
      []
    ],
    ['a silent node gets nothing', {nodes: [node('a', {seenAtMs: NOW_MS - 10 * MINUTE_MS})], revisions: [revision(1)]}, []],
    [
      'a lost node is replaced although its lease still stands',
      {
        nodes: [node('a', {seenAtMs: NOW_MS - 10 * MINUTE_MS}), node('b'), node('c')],
        revisions: [revision(1)],
        leases: [lease(5, 'rev_1', 'a', {paid: 20}), lease(6, 'rev_1', 'b')]
      },
      ['node_c gets rev_1 with 480']
    ],
    [
      'a node without a heartbeat since the restart keeps its place for a while',
      {startedAtMs: NOW_MS - MINUTE_MS, nodes: [node('b'), node('c')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a')]},
      ['node_b gets rev_1 with 500']
    ],
    [
      'a node that was not heard of since the coordinator slept keeps its place for a while',
      {
        startedAtMs: NOW_MS - MINUTE_MS,
        nodes: [node('a', {seenAtMs: NOW_MS - DAY_MS}), node('b'), node('c')],
        revisions: [revision(1)],
        leases: [lease(5, 'rev_1', 'a')]
      },
      ['node_b gets rev_1 with 500']
    ],
    ['an empty pool leases nothing', {nodes: [node('a')], revisions: [revision(1)], pools: new Map()}, ['rev_1 short: pool_empty']],
    [
      'a small pool gives what it has',
      {nodes: [node('a')], revisions: [revision(1)], pools: new Map([['colibris/LEAF', 3]])},
      ['node_a gets rev_1 with 3']
    ],
    [
      'a day that is spent leases nothing more',
      {
        nodes: [node('a')],
        revisions: [revision(1)],
        leases: [lease(5, 'rev_1', 'x', {status: 'ended', paid: 500}), lease(6, 'rev_1', 'x', {status: 'ended', paid: 500})]
      },
      ['rev_1 short: day_spent']
    ],
    [
      'what an ended lease did not pay can be leased again',
      {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'x', {status: 'ended', paid: 900})]},
      ['node_a gets rev_1 with 100']
    ],
    [
      'a lease that is almost used up is followed by another',
      {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a', {paid: 450})]},
      ['node_a gets rev_1 with 500']
    ],
    [
      'but not within a minute of the last',
      {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a', {paid: 500, startsAtMs: NOW_MS - MINUTE_MS + 1})]},
      []
    ],
    [
      'a lease is renewed daily, long before its term ends',
      {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a', {startsAtMs: NOW_MS - DAY_MS})]},
      ['node_a gets rev_1 with 500']
    ]
  ])('%s', (_title, changes, expected) => {
    expect(planned(changes)).toEqual(expected)
  })
})

describe('which leases are ended', () => {
  const old = revision(1, {current: false})
  const next = revision(2, {deployedAtMs: NOW_MS - 5 * MINUTE_MS})
  it.each<[string, Partial<SchedulingWorld>, string[]]>([
    [
      'not one that reached its end: the ledger settles it after its receipts had their time',
      {nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a', {endsAtMs: NOW_MS - 60 * MINUTE_MS})]},
      []
    ],
    [
      'the older of two of a node and revision, after the drain time',
      {
        nodes: [node('a')],
        revisions: [revision(1)],
        leases: [lease(5, 'rev_1', 'a', {paid: 500}), lease(7, 'rev_1', 'a', {startsAtMs: DRAINED_MS})]
      },
      ['lea_5 ends: renewed']
    ],
    [
      "an old revision's, when the new one has been leased for the drain time",
      {
        nodes: [node('a')],
        revisions: [next, old],
        leases: [lease(5, 'rev_1', 'a'), lease(7, 'rev_2', 'a', {startsAtMs: DRAINED_MS})]
      },
      ['lea_5 ends: superseded']
    ],
    [
      'not while the new one is fresh',
      {
        nodes: [node('a')],
        revisions: [next, old],
        leases: [lease(5, 'rev_1', 'a'), lease(7, 'rev_2', 'a', {startsAtMs: NOW_MS - 1})]
      },
      []
    ],
    [
      'also when the new one cannot be paid before the old one gives its budget back',
      {nodes: [node('a')], revisions: [next, old], leases: [lease(5, 'rev_1', 'a')], pools: new Map()},
      ['lea_5 ends: superseded', 'rev_2 short: pool_empty']
    ],
    [
      'of a node that stays away beyond the time for late receipts',
      {nodes: [node('a', {seenAtMs: NOW_MS - 70 * MINUTE_MS})], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a')]},
      ['lea_5 ends: node_lost']
    ],
    [
      'of a node whose owner selected something else some time ago',
      {
        nodes: [node('a', {earn: ['gutta'], earnSinceMs: NOW_MS - 2 * MINUTE_MS})],
        revisions: [revision(1)],
        leases: [lease(5, 'rev_1', 'a')]
      },
      ['lea_5 ends: not_selected']
    ]
  ])('%s', (_title, changes, expected) => {
    expect(planned(changes)).toEqual(expected)
  })
})

it('names the same need by the same cause, and the next one by another', () => {
  const once = world({nodes: [node('a')], revisions: [revision(1)]})
  const renewal = world({nodes: [node('a')], revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a', {paid: 500})]})
  expect([once, once, renewal].map((each) => planLeases(each).grants.map((grant) => grant.cause))).toEqual([
    ['node_a:rev_1:0'],
    ['node_a:rev_1:0'],
    ['node_a:rev_1:5']
  ])
})

describe('why a node has no work', () => {
  it.each<[string, SchedulingNode, Partial<SchedulingWorld>, RegExp | null]>([
    ['it has some', node('a'), {revisions: [revision(1)], leases: [lease(5, 'rev_1', 'a')]}, null],
    ['it drains', node('a', {draining: true}), {}, /draining/],
    ['it cannot enforce limits', node('a', {enforcesLimits: false}), {}, /cannot enforce/],
    ['nothing is deployed', node('a'), {}, /No function is deployed/],
    [
      'nothing pays what its owner selected',
      node('a', {earn: ['gutta']}),
      {revisions: [revision(1)]},
      /No deployed function pays what you selected \(gutta\)/
    ],
    ['it is too small', node('a', {cpuMillis: 1}), {revisions: [revision(1)]}, /more memory or CPU/],
    [
      'it has another processor',
      node('a'),
      {revisions: [only({architectures: ['arm64']})]},
      /another processor than this node's \(amd64\)/
    ],
    ['its owner is none of those', node('a'), {revisions: [only({owners: ['bob']})]}, /kept for nodes of other owners/],
    ['others were first', node('a'), {revisions: [revision(1)]}, /enough nodes/]
  ])('%s', (_title, who, changes, expected) => {
    const reason = noWorkReason(who, world(changes), {shortOfPay: new Map(), ownersAtShare: new Set(), resting: new Set()})
    if (expected === null) expect(reason).toBeNull()
    else expect(reason).toMatch(expected)
  })

  it('its owner has the largest share', () => {
    const nodes = [node('a', {owner: 'ann'}), node('b', {owner: 'ann'})]
    const mine = world({nodes, revisions: [only({ownerSharePercentMax: 50})]})
    expect(noWorkReason(node('b', {owner: 'ann'}), mine, planLeases(mine))).toMatch(/largest share that one owner may have/)
  })

  it('its owner gave up what it selects again', () => {
    const again = node('a', {reselectedAtMs: NOW_MS - MINUTE_MS})
    const ended = lease(5, 'rev_1', 'a', {status: 'ended', endsAtMs: NOW_MS - MINUTE_MS})
    const made = world({nodes: [again], revisions: [revision(1)], leases: [ended]})
    expect(noWorkReason(again, made, planLeases(made))).toMatch(/gave up what you selected/)
  })

  it('the reward pool is empty', () => {
    const plan = planLeases(world({nodes: [node('a')], revisions: [revision(1)], pools: new Map()}))
    expect(noWorkReason(node('a'), world({revisions: [revision(1)]}), plan)).toMatch(/pool of what you selected is empty/)
  })
})
