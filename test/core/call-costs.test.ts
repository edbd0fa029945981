import {expect, it} from 'vitest'
import {callCosts} from '../../src/core/call-costs.ts'
import {AMOUNT_MAX} from '../../src/core/units.ts'

const MIB = 2 ** 20
const line = {incentive: 'colibris/LEAF', requestsPerMillionMinor: 200_000, mibMsPerMillionMinor: 500, dailyBudgetMinor: 200_000}

it.each([
  ['without traffic by 100 ms each', {}, {perThousandCalls: '66', forRequests: '2', forTime: '64', msPerCall: 100, isMeasured: false}],
  ['without requests like without traffic', {traffic: {requests: 0, mibMs: 5}}, {perThousandCalls: '66', isMeasured: false}],
  [
    'with traffic by all the time that instances ran',
    {traffic: {requests: 50, mibMs: 128 * 50 * 20}},
    {perThousandCalls: '14.8', forRequests: '2', forTime: '12.8', msPerCall: 20, isMeasured: true}
  ],
  [
    'of a part of a minor unit exactly',
    {line: {...line, requestsPerMillionMinor: 1, mibMsPerMillionMinor: 0}},
    {perThousandCalls: '0.00001'}
  ],
  [
    'of a rate beyond all measure as the most there is',
    {line: {...line, mibMsPerMillionMinor: AMOUNT_MAX}},
    {perThousandCalls: '90071992.54740991'}
  ]
])('a thousand calls cost, %s', (_, changes, expected) => {
  const of = {line, traffic: undefined, ...changes}
  expect(callCosts(of.line, {memoryBytes: 128 * MIB, decimals: 2, traffic: of.traffic})).toMatchObject(expected)
})
