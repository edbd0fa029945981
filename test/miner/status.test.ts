import {expect, test} from 'vitest'
import {minerStatusText} from '../../src/cli/miner-status-text.ts'
import type {ReputationView} from '../../src/core/protocol/conduct.ts'
import {shownTerms} from '../../src/miner/shown-terms.ts'
import type {MinerStatus} from '../../src/miner/status-file.ts'
import {readStatus, writeStatus} from '../../src/miner/status-file.ts'
import {type NetworkFacts, reportStatus} from '../../src/miner/status-report.ts'
import {temporaryDirectory} from './worlds.ts'

const NOW_MS = Date.UTC(2026, 10, 22)
const LEASE = {
  id: 'lea_9',
  function: 'colibris/shop/site',
  endsAtMs: NOW_MS + 1000,
  budgetEmpty: false,
  imageReady: true,
  imageProgress: null
}
const UNTESTED = {reachedAtMs: null, reachedInMs: null, unreachedSinceMs: null}
const LENDS = shownTerms({
  earn: ['gutta'],
  memoryBytes: 2 ** 30,
  cpuMillis: 1500,
  diskBytes: 2 ** 30,
  dataBytesPerMonth: 2 ** 30,
  hours: {fromMinute: 1320, toMinute: 360},
  functionsMax: 256,
  onlyIdle: true,
  onBattery: false
})
const FACTS: NetworkFacts & {readonly reputation: ReputationView} = {
  owner: `acc_${'1'.repeat(32)}`,
  decimals: new Map([['colibris/LEAF', 2]]),
  available: [{asset: 'gutta', amountMinor: 1_500_000, decimals: 6}],
  reputation: {standing: 'fair', score: 97, gateways: 1, reasons: []}
}

function status(changes: Partial<MinerStatus> = {}): MinerStatus {
  return {
    node: `node_${'0'.repeat(32)}`,
    pid: 1,
    startedAtMs: NOW_MS - 60_000,
    atMs: NOW_MS - 2000,
    draining: false,
    restReason: null,
    lastHeartbeatMs: NOW_MS - 2000,
    heartbeatEveryMs: 5000,
    heartbeatRefused: null,
    noWorkReason: null,
    tableVersion: 4,
    gateways: [{id: 'gw_1', name: 'one', connected: true, roundTripMs: 40, leftUntilMs: null, ...UNTESTED}],
    leases: [LEASE],
    instances: [{instance: 'i-1', revision: 'rev_7', gateway: 'gw_1'}],
    resting: {frozen: 2, initialised: 1, created: 0, memoryBytes: 5 * 2 ** 20},
    earnings: [{incentive: 'colibris/LEAF', paidMinor: 1250, pendingMinor: 5}],
    pendingReceipts: 1,
    rejectedReceipts: [],
    bytesMoved: 3 * 2 ** 20,
    imageBytes: 0,
    logLinesDropped: 0,
    dataUsedBytes: 4 * 2 ** 20,
    diskUsedBytes: 5 * 2 ** 20,
    ...changes
  }
}

test.each([
  ['there is work', {}, null],
  ['it does not run any more', {atMs: NOW_MS - 120_000}, 'The miner does not run.'],
  ['it drains', {draining: true}, 'The miner is stopping and takes no new work.'],
  [
    "the owner's hours are over",
    {restReason: 'It is outside the hours 22:00-06:00 (--hours).'},
    'It is outside the hours 22:00-06:00 (--hours).'
  ],
  ['budgets are used up', {leases: [{...LEASE, budgetEmpty: true}]}, 'The budgets of all leases are used up.'],
  ['the coordinator gives a reason', {leases: [], noWorkReason: 'No app pays gutta.'}, 'No app pays gutta.'],
  [
    'no gateway is reached',
    {gateways: [{id: 'gw_1', name: 'one', connected: false, roundTripMs: null, leftUntilMs: null, ...UNTESTED}]},
    'No gateway can be reached.'
  ],
  [
    'the only gateway was left',
    {gateways: [{id: 'gw_1', name: 'one', connected: false, roundTripMs: null, leftUntilMs: NOW_MS + 60_000, ...UNTESTED}]},
    'Gateway one was left: functions here worked for it, and it had no receipt of that signed in three windows.'
  ],
  [
    'no gateway answers',
    {instances: [], gateways: [{id: 'gw_1', name: 'one', connected: true, roundTripMs: null, leftUntilMs: null, ...UNTESTED}]},
    'No gateway has answered through its tunnel yet.'
  ],
  ['nobody answers', {leases: [], heartbeatRefused: 'unavailable'}, 'The coordinator does not answer (unavailable).'],
  [
    'no image is there yet',
    {leases: [{...LEASE, imageReady: false}], instances: []},
    'The images of the leased functions are still being fetched.'
  ],
  ['nothing is leased', {leases: []}, 'The coordinator has not leased anything to this node yet.']
])('when %s, status says why there is no work', (_when, changes, sentence) => {
  expect(reportStatus(status(changes), undefined, LENDS, NOW_MS).noWork).toBe(sentence)
})

test('amounts are shown with the decimals of the incentive, and as minor units when the coordinator is gone', () => {
  expect(reportStatus(status(), FACTS, LENDS, NOW_MS).earnings[0]).toMatchObject({paid: '12.5', pending: '0.05', paidMinor: '1250'})
  expect(reportStatus(status(), undefined, LENDS, NOW_MS).earnings[0]).toMatchObject({paid: null, pending: null, paidMinor: '1250'})
})

test('a heartbeat of some minutes ago is no old one where the coordinator wants to hear so rarely, and the miner runs as long as it writes its status', () => {
  const rare = status({lastHeartbeatMs: NOW_MS - 840_000, heartbeatEveryMs: 900_000})
  const report = reportStatus(rare, FACTS, LENDS, NOW_MS)
  expect(report).toMatchObject({running: true, heartbeatEveryMs: 900_000})
  expect(minerStatusText(report)).toContain('Last heartbeat: 2026-11-21T23:46:00.000Z (at least every 15 minutes).')
})

test('people see one screen', () => {
  expect(minerStatusText(reportStatus(status(), FACTS, LENDS, NOW_MS)).split('\n')).toEqual([
    'Running as node_00000000000000000000000000000000. Last heartbeat: 2026-11-21T23:59:58.000Z.',
    'Gateway one answered on the control connection in 40 ms; the way from its address is not tested yet.',
    '',
    'EARNED HERE    PAID  WAITING',
    'colibris/LEAF  12.5     0.05',
    '',
    "OWNER'S BALANCE  AVAILABLE",
    'gutta                  1.5',
    '',
    'LEASE  FUNCTION            ENDS                      STATE',
    'lea_9  colibris/shop/site  2026-11-22T00:00:01.000Z  ready',
    '',
    '1 instance runs; 3.0 MiB passed through, 0 B of images fetched.',
    '2 wait frozen, 1 initialised, 0 created, with 5.0 MiB of memory.',
    '4.0 MiB of data used this month, 5.0 MiB of disk.',
    'Reputation: fair (97 of 100).',
    'Works for gutta, 22:00-06:00, only while idle, not on battery.',
    'Lends 1.5 CPUs, 1.0 GiB of memory, 1.0 GiB of disk, 1.0 GiB of data a month, to at most 256 functions.',
    '1 receipts wait for the coordinator.'
  ])
})

test('a poor reputation is shown with what it leads to and what is held against the node, and none before gateways have seen enough', () => {
  const shown = (reputation: Partial<ReputationView>) =>
    minerStatusText(reportStatus(status(), {...FACTS, reputation: {...FACTS.reputation, ...reputation}}, LENDS, NOW_MS))
  const reasons = ['The connection broke off while there was work (40 %).']
  expect(shown({standing: 'poor', score: 51, reasons})).toContain(
    'Reputation: poor (51 of 100). New work goes to other nodes first, until what gateways see of it is better. The connection broke off'
  )
  expect(shown({gateways: 0})).not.toContain('Reputation')
})

test('an image that is being fetched is shown with its bytes', () => {
  const fetching = {...LEASE, imageReady: false, imageProgress: {doneBytes: 12.5 * 2 ** 20, totalBytes: 43 * 2 ** 20}}
  const shown = (lease: MinerStatus['leases'][number]) => minerStatusText(reportStatus(status({leases: [lease]}), FACTS, LENDS, NOW_MS))
  expect(shown(fetching)).toContain('fetching image, 12.5 MiB of 43.0 MiB')
  expect(shown({...fetching, imageProgress: null})).toContain('waits for its image')
})

test('the status file is read as it was written', async () => {
  const directory = await temporaryDirectory()
  expect(await readStatus(directory)).toBeUndefined()
  await writeStatus(directory, status())
  expect(await readStatus(directory)).toEqual(status())
})

test.each([
  [
    {reachedAtMs: NOW_MS - 60_000, reachedInMs: 130},
    'Gateway one: a request at its address got here and back in 130 ms, last at 2026-11-21T23:59:00.000Z.'
  ],
  [
    {reachedAtMs: NOW_MS - 60_000, reachedInMs: 130, unreachedSinceMs: NOW_MS - 30_000},
    "Gateway one is connected; requests at its address don't get here since 2026-11-21T23:59:30.000Z, last at 2026-11-21T23:59:00.000Z."
  ],
  [
    {unreachedSinceMs: NOW_MS - 30_000},
    "Gateway one is connected; requests at its address don't get here since 2026-11-21T23:59:30.000Z, never before."
  ],
  [
    {connected: false, reachedAtMs: NOW_MS - 60_000, reachedInMs: 130, unreachedSinceMs: NOW_MS - 30_000},
    "Gateway one can't be reached since 2026-11-21T23:59:30.000Z, last at 2026-11-21T23:59:00.000Z."
  ],
  [{connected: false}, "Gateway one can't be reached."]
])('status says whether requests of the public get here, when last, and since when not: %j', (changes, sentence) => {
  const gateways = [{id: 'gw_1', name: 'one', connected: true, roundTripMs: 40, leftUntilMs: null, ...UNTESTED, ...changes}]
  expect(minerStatusText(reportStatus(status({gateways}), undefined, LENDS, NOW_MS)).split('\n')).toContain(sentence)
})

test('of a gateway that takes no node without a lease status does not say that it cannot be reached', () => {
  const gateways = [{id: 'gw_1', name: 'one', connected: false, roundTripMs: null, leftUntilMs: null, ...UNTESTED}]
  const shown = minerStatusText(reportStatus(status({gateways, leases: []}), undefined, LENDS, NOW_MS))
  expect(shown.split('\n')).toContain('Gateway one is not connected: gateways take nodes that hold a lease.')
})
