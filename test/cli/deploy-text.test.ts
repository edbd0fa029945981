import {expect, it} from 'vitest'
import {deployedText} from '../../src/cli/deploy-text.ts'
import {formatSpanMs} from '../../src/cli/format.ts'

it.each([
  [null, 'no traffic yet'],
  [1, "last 1 day at the last day's 0.5"],
  [12.5, "last 12.5 days at the last day's 0.5"],
  [729_926, "last more than ten years at the last day's 0.5"]
])('says of pools that last %s days how long that is', (days, said) => {
  const pool = {incentive: 'colibris/LEAF', pool: '10', reserved: '2', paidLastDay: '0.5', days}
  const deployed = {org: 'colibris', app: 'shop', seq: 1, revisions: [], addresses: [], tagAddresses: [], firstAnswers: [], steps: []}
  expect(deployedText({...deployed, costs: [], pools: [pool], rollback: null}, {hasTraffic: true})).toContain(said)
})

it.each([
  [24 * 3_600_000, '24 hours'],
  [24 * 60_000, '24 minutes'],
  [3_600_000, '1 hour'],
  [90_000, '90 seconds']
])('names a span of %s ms as people do', (ms, said) => {
  expect(formatSpanMs(ms)).toBe(said)
})
