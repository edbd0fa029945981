import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {planWithoutBlocked} from '../../src/coordinator/blocked-leases.ts'
import {PresenceBoard} from '../../src/coordinator/presence.ts'
import {coordinatorSettings} from '../../src/coordinator/settings.ts'
import {UNSETTLED_DAYS_MAX} from '../../src/core/lease-pay.ts'
import type {LeaseView} from '../../src/core/protocol/api.ts'
import {planLeases, type SchedulingNode} from '../../src/core/scheduling.ts'
import {DAY_MS, lease, MINUTE_MS, NOW_MS, node, planned, revision, world} from './scheduling-world.ts'

const RUNS = process.env.CREO_TEST_TIER === 'long' ? 2000 : 60
const DAILY = 1000
const LEAF = 'colibris/LEAF'

/** A line that pays 1000 a day from a pool, nodes that do as they like, and the ledger's keeping of what leases reserve. */
class Pool {
  readonly nodes = new Map<string, SchedulingNode>()
  leases: LeaseView[] = []
  nowMs = NOW_MS
  inPool: number
  granted = 0

  constructor(days: number) {
    this.inPool = days * DAILY
  }

  get reserved(): number {
    return this.leases.flatMap(({budgets}) => budgets).reduce((sum, {reservedMinor, paidMinor}) => sum + reservedMinor - paidMinor, 0)
  }

  hear(id: string, earn: readonly string[]): void {
    const before = this.nodes.get(id)
    const isSame = before === undefined || String(before.earn) === String(earn)
    const since = isSame ? {} : {earnSinceMs: this.nowMs, reselectedAtMs: this.nowMs}
    this.nodes.set(id, {...(before ?? node(id, {earnSinceMs: this.nowMs})), earn, seenAtMs: this.nowMs, ...since})
  }

  /** What a lease has earned by now, in per cent of what it has left. */
  pay(percent: number): void {
    this.leases = this.leases.map((one) => ({
      ...one,
      budgets: one.budgets.map((line) => ({
        ...line,
        paidMinor: line.paidMinor + (one.status === 'active' ? Math.floor(((line.reservedMinor - line.paidMinor) * percent) / 100) : 0)
      }))
    }))
  }

  plan(): void {
    for (const {status, endsAtMs, budgets} of this.leases)
      if (status === 'ended' && this.nowMs >= endsAtMs + DAY_MS)
        for (const {reservedMinor, paidMinor} of budgets) this.inPool += reservedMinor - paidMinor
    this.leases = this.leases.filter(({status, endsAtMs}) => status === 'active' || this.nowMs < endsAtMs + DAY_MS)
    const known = this.leases.filter(({status, startsAtMs}) => status === 'active' || startsAtMs > this.nowMs - DAY_MS)
    const {grants, endings} = planLeases(
      world({
        nowMs: this.nowMs,
        settings: coordinatorSettings('production').scheduling,
        nodes: [...this.nodes.values()],
        revisions: [revision(1, {}, DAILY)],
        leases: known,
        pools: new Map([[LEAF, this.inPool]]),
        ownerOf: (id) => `owner of ${id}`
      })
    )
    const ended = new Set(endings.map((ending) => ending.lease))
    this.leases = this.leases.map((one) => (ended.has(one.id) ? {...one, status: 'ended', endsAtMs: this.nowMs} : one))
    for (const {node: by, revision: of, endsAtMs, budgets} of grants) {
      this.granted += 1
      const lines = budgets.map(({incentive, amountMinor}) => ({incentive, reservedMinor: amountMinor, paidMinor: 0}))
      this.inPool -= budgets.reduce((sum, {amountMinor}) => sum + amountMinor, 0)
      const id = `lea_${this.granted}`
      this.leases.push({id, node: by, revision: of, startsAtMs: this.nowMs, endsAtMs, status: 'active', budgets: lines})
    }
  }
}

describe('what leases of a line reserve', () => {
  it('does not grow with a node that gives its lease up and takes it again all day', () => {
    const pool = new Pool(30)
    for (; pool.nowMs < NOW_MS + DAY_MS - MINUTE_MS; pool.nowMs += MINUTE_MS) {
      const holds = pool.leases.some(({status}) => status === 'active')
      pool.hear('node_a', holds ? ['gutta'] : [LEAF])
      pool.plan()
    }
    expect([pool.granted, pool.reserved]).toEqual([1, DAILY / 2])
  })

  it('is a few days of it at most, whatever its nodes do', () => {
    const act = fc.record({
      by: fc.constantFrom(...Array.from({length: 200}, (_none, at) => `node_${at}`)),
      does: fc.constantFrom<('works' | 'turns away' | 'earns')[]>('works', 'works', 'turns away', 'earns'),
      afterMs: fc.constantFrom(MINUTE_MS, 6 * MINUTE_MS, 31 * MINUTE_MS, 31 * MINUTE_MS, 31 * MINUTE_MS, DAY_MS / 8)
    })
    fc.assert(
      fc.property(fc.array(act, {minLength: 60, maxLength: 160}), (acts) => {
        const pool = new Pool(1000)
        for (const {by, does, afterMs} of acts) {
          pool.hear(by, does === 'turns away' ? ['gutta'] : [LEAF])
          if (does === 'earns') pool.pay(50)
          pool.plan()
          expect(pool.reserved).toBeLessThanOrEqual(2 * UNSETTLED_DAYS_MAX * DAILY)
          pool.nowMs += afterMs
        }
      }),
      {numRuns: RUNS}
    )
  })

  it('stays within its bound when one node after another enrols, takes a lease and falls silent', () => {
    const pool = new Pool(30)
    for (let made = 0; made < 48; made += 1) {
      pool.hear(`node_${made}`, [LEAF])
      pool.plan()
      pool.nowMs += 31 * MINUTE_MS
    }
    expect(pool.granted).toBeGreaterThan(2)
    expect(pool.reserved).toBeLessThanOrEqual(UNSETTLED_DAYS_MAX * DAILY)
  })
})

it.each([
  ['gave it up by selecting something else', {reselectedAtMs: NOW_MS - MINUTE_MS}, {}, []],
  ['kept its selection', {}, {}, ['node_a gets rev_1 with 500']],
  ['gave it up before', {reselectedAtMs: NOW_MS - DAY_MS / 2}, {}, ['node_a gets rev_1 with 500']],
  ['had used it up', {reselectedAtMs: NOW_MS - MINUTE_MS}, {paid: 450}, ['node_a gets rev_1 with 500']],
  ['gave up one that is settled', {reselectedAtMs: NOW_MS - MINUTE_MS}, {endsAtMs: NOW_MS - DAY_MS}, ['node_a gets rev_1 with 500']],
  [
    'gave up one of before its revision had its traffic back',
    {reselectedAtMs: NOW_MS - MINUTE_MS},
    {startsAtMs: NOW_MS - DAY_MS - 1},
    ['node_a gets rev_1 with 500']
  ]
])('a node whose lease ended gets another at once, unless its owner %s', (_title, changes, of, expected) => {
  const ended = lease(5, 'rev_1', 'a', {status: 'ended', endsAtMs: NOW_MS - MINUTE_MS, ...of})
  expect(planned({nodes: [node('a', changes)], revisions: [revision(1)], leases: [ended]})).toEqual(expected)
})

it('counts what a blocked revision has paid today, and gives the rest of the day to its siblings', () => {
  const [blocked, other] = [revision(1, {percent: 50, imageDigest: `sha256:${'b'.repeat(64)}`}), revision(2, {percent: 50})]
  const plan = planWithoutBlocked(
    world({
      nodes: [node('c'), node('d')],
      revisions: [blocked, other],
      leases: [lease(5, 'rev_1', 'a', {paid: 400}), lease(6, 'rev_1', 'b', {paid: 400})]
    }),
    {keys: new Set(['an image']), images: {has: (digest) => digest === blocked.imageDigest}}
  )
  expect(plan.endings).toEqual(['lea_5', 'lea_6'].map((id) => ({lease: id, reason: 'blocked'})))
  expect(plan.grants.map(({revision: of, budgets}) => [of, budgets[0]?.amountMinor])).toEqual([['rev_2', 200]])
})

it('knows when an owner selected something else, and takes the first word after a restart for none', () => {
  const board = new PresenceBoard()
  const size = {memoryBytes: 2 ** 30, cpuMillis: 1000, enforcesLimits: true, draining: false, instances: 0, logs: []}
  const said = {node: 'node_a', architecture: 'amd64' as const, runtime: 'memory', ...size}
  const hear = (earn: string[], atMs: number): unknown => {
    board.record({...said, earn}, atMs)
    const {earnSinceMs, reselectedAtMs} = board.of('node_a') ?? {}
    return [earnSinceMs, reselectedAtMs]
  }
  expect([hear([LEAF], 1), hear([LEAF], 2), hear(['gutta'], 3), hear(['gutta'], 4)]).toEqual([
    [1, undefined],
    [1, undefined],
    [3, 3],
    [3, 3]
  ])
})
