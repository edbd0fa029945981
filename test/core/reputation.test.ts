import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {conductSchema} from '../../src/core/protocol/conduct.ts'
import {
  decayed,
  type Evidence,
  HALF_LIFE_MS,
  jointScore,
  NO_EVIDENCE,
  nextStanding,
  scoreOf,
  viewOfReputation,
  weightOf,
  withConduct
} from '../../src/core/reputation.ts'

const NOW_MS = 1_790_000_000_000
const REPORT_MS = 300_000
const NOTHING = {requests: 0, failed: 0, slow: 0, starts: 0, startsFailed: 0, cuts: 0}
type Seen = typeof NOTHING

/** What one gateway knows after it saw this in report after report. */
function evidenceOf(reports: number, seen: Partial<Seen>, before = NO_EVIDENCE): Evidence {
  let evidence = before
  for (let at = 0; at < reports; at += 1) evidence = withConduct(evidence, {...NOTHING, ...seen}, NOW_MS + at * REPORT_MS)
  return evidence
}

const seen: fc.Arbitrary<Seen> = fc
  .record({
    requests: fc.nat(100_000),
    failed: fc.nat(100),
    slow: fc.nat(100),
    starts: fc.nat(200),
    startsFailed: fc.nat(100),
    cuts: fc.nat(50)
  })
  .map(({failed, slow, startsFailed, ...rest}) => {
    const share = (percent: number, of: number): number => Math.floor((of * percent) / 100)
    const failedCount = share(failed, rest.requests)
    return {...rest, failed: failedCount, slow: share(slow, rest.requests - failedCount), startsFailed: share(startsFailed, rest.starts)}
  })
const evidence = fc
  .array(seen, {maxLength: 30})
  .map((all) => all.reduce((sum, one, at) => withConduct(sum, one, NOW_MS + at * REPORT_MS), NO_EVIDENCE))

const TABLE: readonly (readonly [string, number, Partial<Seen>, 'fair' | 'poor', number])[] = [
  ['a node that nobody has seen', 0, {}, 'fair', 90],
  ['one bad request of a new node', 1, {requests: 1, failed: 1}, 'fair', 86],
  ['five minutes in which everything fails', 1, {requests: 50_000, failed: 50_000}, 'fair', 60],
  ['ten minutes in which everything fails', 2, {requests: 50_000, failed: 50_000}, 'poor', 45],
  ['a minute of a few failures among many answers', 1, {requests: 5000, failed: 100}, 'fair', 93],
  ['a long time of good service', 1000, {requests: 100, starts: 1}, 'fair', 99],
  ['half of all requests failing for an hour', 12, {requests: 1000, failed: 500}, 'poor', 56],
  ['late answers for an hour', 12, {requests: 1000, slow: 1000}, 'poor', 56],
  ['no container that starts', 3, {starts: 5, startsFailed: 5}, 'poor', 51],
  ['a line that breaks under work again and again', 3, {requests: 10, cuts: 3}, 'fair', 77],
  ['a day of bad after months of good', 288, {requests: 100, failed: 60}, 'poor', 45]
]

describe('what is seen of a node', () => {
  it.each(TABLE)('%s', (_what, reports, what, standing, percent) => {
    const before = _what.startsWith('a day of bad') ? evidenceOf(10_000, {requests: 100}) : NO_EVIDENCE
    const known = evidenceOf(reports, what, before)
    expect([nextStanding('fair', jointScore([known])), Math.round(scoreOf(known) * 100)]).toEqual([standing, percent])
  })

  it('counts half after a day, and a node of which nothing more is seen becomes one that nobody knows', () => {
    const known = evidenceOf(20, {requests: 100, failed: 80})
    expect(weightOf(decayed(known, known.atMs + HALF_LIFE_MS))).toBeCloseTo(weightOf(known) / 2)
    expect(jointScore([decayed(known, known.atMs + 8 * HALF_LIFE_MS)])).toBe(jointScore([]))
    expect(decayed(known, known.atMs - 1)).toBe(known)
  })

  it('is told its owner with the gravest first, and nothing of what is rare', () => {
    const view = viewOfReputation([evidenceOf(9, {requests: 100, failed: 40, slow: 20, starts: 20, startsFailed: 1})], 'poor')
    expect(view.reasons).toEqual([
      'Requests failed here that other nodes answer (27 % of what gateways saw lately).',
      'Answers came much later than from other nodes (7 %).'
    ])
    expect(viewOfReputation([], 'fair')).toEqual({standing: 'fair', score: 90, gateways: 0, reasons: []})
  })
})

describe('a standing', () => {
  it('is lost and regained with a gap between, so that it does not flutter', () => {
    expect([0.59, 0.6, 0.7, 0.75, 0.76].map((score) => [nextStanding('fair', score), nextStanding('poor', score)])).toEqual([
      ['poor', 'poor'],
      ['fair', 'poor'],
      ['fair', 'poor'],
      ['fair', 'poor'],
      ['fair', 'fair']
    ])
  })
})

it('evidence stays within bounds, whatever is reported', () => {
  fc.assert(
    fc.property(evidence, (known) => {
      expect(weightOf(known)).toBeLessThanOrEqual(200 + 1e-9)
      for (const part of Object.values(known)) expect(part).toBeGreaterThanOrEqual(-1e-9)
      expect(scoreOf(known)).toBeGreaterThan(0)
      expect(scoreOf(known)).toBeLessThan(1)
    })
  )
})

it('more that failed never makes a score better', () => {
  fc.assert(
    fc.property(evidence, seen, (known, one) => {
      const worse = {...one, failed: one.failed + one.slow, slow: 0, startsFailed: one.starts, cuts: one.cuts + 1}
      const nowMs = known.atMs + REPORT_MS
      expect(scoreOf(withConduct(known, worse, nowMs))).toBeLessThanOrEqual(scoreOf(withConduct(known, one, nowMs)) + 1e-9)
    })
  )
})

it('one gateway that lies among three or more moves nothing beyond what the honest ones say', () => {
  const heard = evidence.filter((one) => weightOf(one) >= 5)
  fc.assert(
    fc.property(fc.array(heard, {minLength: 2, maxLength: 6}), heard, fc.nat(), (honest, liar, place) => {
      const scores = honest.map(scoreOf)
      const joint = jointScore(honest.toSpliced(place % (honest.length + 1), 0, liar))
      expect(joint).toBeGreaterThanOrEqual(Math.min(...scores))
      expect(joint).toBeLessThanOrEqual(Math.max(...scores))
    })
  )
})

it('one of two gateways cannot make a node poor that the other finds fair', () => {
  const good = evidenceOf(10, {requests: 100})
  const slander = evidenceOf(1000, {requests: 1000, failed: 1000, starts: 10, startsFailed: 10, cuts: 3})
  expect(nextStanding('fair', jointScore([good, slander]))).toBe('fair')
  expect(nextStanding('fair', jointScore([slander, slander, good]))).toBe('poor')
})

it('a report in which more failed than was asked for is none', () => {
  const node = `node_${'a'.repeat(32)}`
  expect(conductSchema.safeParse({node, ...NOTHING, requests: 3, failed: 2, slow: 1}).success).toBe(true)
  expect(conductSchema.safeParse({node, ...NOTHING, requests: 3, failed: 2, slow: 2}).success).toBe(false)
  expect(conductSchema.safeParse({node, ...NOTHING, startsFailed: 1}).success).toBe(false)
})
