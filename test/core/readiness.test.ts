import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {
  ASK_HALF_LIFE_MS,
  askedAgain,
  FROZEN_IDLE_MAX_MS,
  likeliest,
  type OfferedTier,
  planRest,
  RESTING_MAX,
  type RestCandidate,
  type RestTier
} from '../../src/core/readiness.ts'

const MIB = 2 ** 20
const NOW = 10 * FROZEN_IDLE_MAX_MS
const RUNC: readonly OfferedTier[] = [
  {tier: 'frozen', heldBytes: 0},
  {tier: 'initialised', heldBytes: 11 * MIB},
  {tier: 'created', heldBytes: 0}
]
const NO_CREATED = RUNC.filter(({tier}) => tier !== 'created')
const NO_INITIALISED = RUNC.filter(({tier}) => tier !== 'initialised')
const FROZEN_ALONE = RUNC.filter(({tier}) => tier === 'frozen')

/** `asked 3x 10min ago, 40 MiB`: how often, when last, and what its process would hold frozen. */
function candidate(revision: string, text: string, more: Partial<RestCandidate> = {}): RestCandidate {
  const [, times = '1', minutes = '0', mib] = /^asked (\d+)x (\d+)min ago(?:, (\d+) MiB)?$/.exec(text) ?? []
  const asks = {count: Number(times), atMs: NOW - Number(minutes) * 60_000}
  return {revision, asks, now: 'pulled', running: 0, ...(mib !== undefined && {processBytes: Number(mib) * MIB}), ...more}
}

interface Row {
  readonly name: string
  readonly candidates: readonly RestCandidate[]
  readonly budgetMib: number
  readonly tiers?: readonly OfferedTier[]
  readonly plan: readonly RestTier[]
}

const rows: readonly Row[] = [
  {name: 'nothing is leased', candidates: [], budgetMib: 100, plan: []},
  {name: 'the runtime can hold nothing', candidates: [candidate('a', 'asked 1x 0min ago')], budgetMib: 100, tiers: [], plan: ['pulled']},
  {name: 'there is room: as warm as can be', candidates: [candidate('a', 'asked 1x 0min ago, 40 MiB')], budgetMib: 100, plan: ['frozen']},
  {
    name: 'there was never a process: initialised',
    candidates: [candidate('a', 'asked 1x 0min ago')],
    budgetMib: 100,
    plan: ['initialised']
  },
  {name: 'no memory: what costs none', candidates: [candidate('a', 'asked 9x 0min ago, 40 MiB')], budgetMib: 0, plan: ['created']},
  {
    name: 'no memory, and nothing that costs none',
    candidates: [candidate('a', 'asked 9x 0min ago, 40 MiB')],
    budgetMib: 0,
    tiers: NO_CREATED,
    plan: ['pulled']
  },
  {
    name: 'too large to freeze: initialised instead',
    candidates: [candidate('a', 'asked 9x 0min ago, 40 MiB')],
    budgetMib: 39,
    plan: ['initialised']
  },
  {name: 'it fits to the byte', candidates: [candidate('a', 'asked 1x 0min ago, 40 MiB')], budgetMib: 40, plan: ['frozen']},
  {
    name: 'one of two fits: the one asked for more often',
    candidates: [candidate('a', 'asked 2x 5min ago, 40 MiB'), candidate('b', 'asked 3x 5min ago, 40 MiB')],
    budgetMib: 50,
    tiers: NO_INITIALISED,
    plan: ['created', 'frozen']
  },
  {
    name: 'one of two fits: the one asked for later',
    candidates: [candidate('a', 'asked 1x 5min ago, 40 MiB'), candidate('b', 'asked 1x 90min ago, 40 MiB')],
    budgetMib: 50,
    tiers: NO_INITIALISED,
    plan: ['frozen', 'created']
  },
  {
    name: 'often and long ago weighs as much as seldom and now: a half-life each halves',
    candidates: [candidate('a', 'asked 7x 120min ago, 40 MiB'), candidate('b', 'asked 2x 0min ago, 40 MiB')],
    budgetMib: 40,
    tiers: NO_INITIALISED,
    plan: ['created', 'frozen']
  },
  {
    name: 'two initialised ones save more by byte than one that is frozen',
    candidates: [candidate('a', 'asked 2x 0min ago, 40 MiB'), candidate('b', 'asked 3x 0min ago, 40 MiB')],
    budgetMib: 50,
    plan: ['initialised', 'initialised']
  },
  {
    name: 'and the other way round one ask more',
    candidates: [candidate('a', 'asked 9x 120min ago, 40 MiB'), candidate('b', 'asked 2x 0min ago, 40 MiB')],
    budgetMib: 40,
    tiers: NO_INITIALISED,
    plan: ['frozen', 'created']
  },
  {
    name: 'equal in all: the same one each time',
    candidates: [candidate('b', 'asked 1x 0min ago, 40 MiB'), candidate('a', 'asked 1x 0min ago, 40 MiB')],
    budgetMib: 40,
    tiers: NO_INITIALISED,
    plan: ['created', 'frozen']
  },
  {
    name: 'by byte: three small ones before a large one that is asked for twice as often',
    candidates: [
      candidate('a', 'asked 2x 0min ago, 120 MiB'),
      candidate('b', 'asked 1x 0min ago, 40 MiB'),
      candidate('c', 'asked 1x 0min ago, 40 MiB'),
      candidate('d', 'asked 1x 0min ago, 40 MiB')
    ],
    budgetMib: 120,
    tiers: NO_INITIALISED,
    plan: ['created', 'frozen', 'frozen', 'frozen']
  },
  {
    name: 'what a large one leaves is used by others',
    candidates: [candidate('a', 'asked 9x 0min ago, 90 MiB'), candidate('b', 'asked 1x 0min ago, 40 MiB')],
    budgetMib: 101,
    plan: ['frozen', 'initialised']
  },
  {
    name: 'a frozen one that is asked for seldom makes room for initialised ones asked for often',
    candidates: [candidate('a', 'asked 1x 180min ago, 66 MiB', {now: 'frozen'}), candidate('b', 'asked 8x 0min ago')],
    budgetMib: 66,
    plan: ['initialised', 'initialised']
  },
  {
    name: 'nobody asked for a day: its memory is given back',
    candidates: [candidate('a', `asked 9x ${24 * 60}min ago, 40 MiB`, {now: 'frozen'})],
    budgetMib: 100,
    plan: ['initialised']
  },
  {
    name: 'nobody asked for nearly a day: it stays',
    candidates: [candidate('a', `asked 9x ${24 * 60 - 1}min ago, 40 MiB`, {now: 'frozen'})],
    budgetMib: 100,
    plan: ['frozen']
  },
  {
    name: 'an instance answers: nothing new is made ready beside it',
    candidates: [candidate('a', 'asked 5x 0min ago', {running: 1})],
    budgetMib: 100,
    plan: ['pulled']
  },
  {
    name: 'an instance answers, and one waits already: it stays',
    candidates: [candidate('a', 'asked 5x 0min ago', {running: 1, now: 'initialised'})],
    budgetMib: 100,
    plan: ['initialised']
  },
  {
    name: 'an instance answers, and the surplus one can be frozen',
    candidates: [candidate('a', 'asked 5x 0min ago, 40 MiB', {running: 2})],
    budgetMib: 100,
    plan: ['frozen']
  },
  {
    name: 'a surplus one weighs less than the only one of another function',
    candidates: [candidate('a', 'asked 3x 0min ago, 40 MiB', {running: 1}), candidate('b', 'asked 1x 0min ago, 40 MiB')],
    budgetMib: 40,
    plan: ['pulled', 'frozen']
  },
  {
    name: 'only frozen is offered, and there was no process',
    candidates: [candidate('a', 'asked 1x 0min ago')],
    budgetMib: 100,
    tiers: FROZEN_ALONE,
    plan: ['pulled']
  },
  {
    name: 'a small process frozen holds less than an initialised container',
    candidates: [candidate('a', 'asked 1x 0min ago, 2 MiB'), candidate('b', 'asked 1x 0min ago, 2 MiB')],
    budgetMib: 5,
    plan: ['frozen', 'frozen']
  },
  {
    name: 'what freezing costs beside the process counts',
    candidates: [candidate('a', 'asked 1x 0min ago, 40 MiB')],
    budgetMib: 41,
    tiers: [{tier: 'frozen', heldBytes: 2 * MIB}],
    plan: ['pulled']
  },
  {
    name: 'a clock that was set back: what was asked for in the future was asked for now',
    candidates: [{...candidate('a', 'asked 1x 0min ago, 40 MiB'), asks: {count: 1, atMs: NOW + 1000}}],
    budgetMib: 40,
    plan: ['frozen']
  }
]

describe('the tier at which a function rests', () => {
  it.each(rows)('$name', ({candidates, budgetMib, tiers = RUNC, plan}) => {
    const planned = planRest({nowMs: NOW, candidates, tiers, budgetBytes: budgetMib * MIB})
    expect(candidates.map(({revision}) => planned.get(revision))).toEqual(plan)
  })

  it(`is pulled beyond ${RESTING_MAX} containers, whatever they cost`, () => {
    const candidates = Array.from({length: RESTING_MAX + 10}, (_none, index) => candidate(`r${index}`, `asked ${index + 1}x 0min ago`))
    const planned = planRest({nowMs: NOW, candidates, tiers: RUNC, budgetBytes: 10_000 * MIB})
    const tiers = candidates.map(({revision}) => planned.get(revision))
    expect(tiers.slice(0, 10)).toEqual(new Array(10).fill('pulled'))
    expect(tiers.slice(10)).toEqual(new Array(RESTING_MAX).fill('initialised'))
  })

  const candidates = fc.array(
    fc.record({
      count: fc.integer({min: 1, max: 50}),
      agoMs: fc.integer({min: 0, max: NOW}),
      mib: fc.option(fc.integer({min: 1, max: 500}))
    }),
    {maxLength: 60}
  )

  it('never holds more together than the budget, and every revision has one', () => {
    fc.assert(
      fc.property(candidates, fc.integer({min: 0, max: 2000}), (all, budgetMib) => {
        const asked = all.map(({count, agoMs, mib}, index) => ({
          ...candidate(`r${index}`, 'asked 1x 0min ago'),
          asks: {count, atMs: NOW - agoMs},
          ...(mib !== null && {processBytes: mib * MIB})
        }))
        const plan = planRest({nowMs: NOW, candidates: asked, tiers: RUNC, budgetBytes: budgetMib * MIB})
        const held = asked.reduce((sum, {revision, processBytes = 0}) => {
          const tier = plan.get(revision)
          const own = RUNC.find((offered) => offered.tier === tier)?.heldBytes ?? 0
          return sum + own + (tier === 'frozen' ? processBytes : 0)
        }, 0)
        expect(held).toBeLessThanOrEqual(budgetMib * MIB)
        expect(plan.size).toBe(asked.length)
      })
    )
  })

  it('is that of a plan in which, of those of which nothing waits or runs, only the likeliest are', () => {
    const asleep = fc.array(
      fc.record({count: fc.integer({min: 1, max: 3}), agoMs: fc.integer({min: 0, max: 2}).map((hours) => hours * 3_600_000)}),
      {
        minLength: RESTING_MAX,
        maxLength: RESTING_MAX + 40
      }
    )
    fc.assert(
      fc.property(asleep, candidates, fc.integer({min: 0, max: 8000}), (sleeping, all, budgetMib) => {
        const awake = all.map(({count, agoMs, mib}, index) => ({
          ...candidate(`w${index}`, 'asked 1x 0min ago'),
          asks: {count, atMs: NOW - agoMs},
          now: 'created' as const,
          ...(mib !== null && {processBytes: mib * MIB})
        }))
        const resting = sleeping.map(({count, agoMs}, index) => ({
          ...candidate(`r${index}`, 'asked 1x 0min ago'),
          asks: {count, atMs: NOW - agoMs}
        }))
        const first = likeliest(
          resting.map(({revision, asks}) => [revision, asks]),
          NOW
        )
        const question = {nowMs: NOW, tiers: RUNC, budgetBytes: budgetMib * MIB}
        const whole = planRest({...question, candidates: [...awake, ...resting]})
        const short = planRest({...question, candidates: [...awake, ...resting.filter(({revision}) => first.has(revision))]})
        expect(first.size).toBe(RESTING_MAX)
        for (const [revision, tier] of whole) expect(short.get(revision) ?? 'pulled').toBe(tier)
      }),
      {numRuns: 20}
    )
  })

  it('does not change by the passing of time alone', () => {
    fc.assert(
      fc.property(candidates, fc.integer({min: 0, max: 500}), fc.integer({min: 0, max: 20_000_000}), (all, budgetMib, laterMs) => {
        const asked = all.map(({count, agoMs, mib}, index) => ({
          ...candidate(`r${index}`, 'asked 1x 0min ago'),
          asks: {count, atMs: NOW - (agoMs % 3_600_000)},
          ...(mib !== null && {processBytes: mib * MIB})
        }))
        const question = {candidates: asked, tiers: RUNC, budgetBytes: budgetMib * MIB}
        expect(planRest({...question, nowMs: NOW + laterMs})).toEqual(planRest({...question, nowMs: NOW}))
      })
    )
  })
})

it('a history counts a start in full and fades by half in an hour', () => {
  const first = askedAgain(undefined, NOW)
  expect(first).toEqual({count: 1, atMs: NOW})
  expect(askedAgain(first, NOW + ASK_HALF_LIFE_MS)).toEqual({count: 1.5, atMs: NOW + ASK_HALF_LIFE_MS})
  expect(askedAgain(first, NOW - 5).count).toBe(2)
})
