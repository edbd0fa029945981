import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import type {MeteredWork} from '../../src/core/metering.ts'
import type {RoutesTable} from '../../src/core/protocol/tables.ts'
import {LeaseBudgets} from '../../src/gateway/lease-budgets.ts'
import {Meter, type PendingProposal, PROPOSAL_MEMORY_MS} from '../../src/gateway/meter.ts'
import {readMeterFiles} from '../../src/gateway/meter-file.ts'
import {TableIndex} from '../../src/gateway/table-index.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {openProposal} from '../../src/identity/receipts.ts'

const key = generateKeyPair()
const node = `node_${'a'.repeat(32)}`
const work = {node, revision: 'rev_1', lease: 'lea_1'}
let directory: string
let clock = 0
let requestsLeft = Number.POSITIVE_INFINITY
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'creo-meter-'))
  clock = 0
  requestsLeft = Number.POSITIVE_INFINITY
})
afterEach(() => rm(directory, {recursive: true, force: true}))

/** As after a SIGKILL: nothing but the files is left of an earlier one. */
function openMeter(onWork: (of: {lease: string}, work: MeteredWork) => void = () => undefined): Promise<Meter> {
  return Meter.open({
    directory,
    network: 'c'.repeat(64),
    key,
    now: () => 1_000_000 + clock,
    monotonicMs: () => clock,
    onWork,
    requestsLeft: () => requestsLeft
  })
}
const brief = (proposals: readonly PendingProposal[]) =>
  proposals.map(({proposal}) => {
    const {window, lease, requests, windowStartMs, windowMs} = openProposal(proposal)
    return `${window} ${lease} ${requests} ${windowStartMs - 1_000_000}+${windowMs}`
  })

describe('the meter', () => {
  it('proposes what it counted, once, and skips windows without work', async () => {
    const meter = await openMeter()
    clock = 500
    meter.count(work, {requests: 2, bytesIn: 10, bytesOut: 20})
    meter.count(work, {requestsFailed: 1, mibMs: 640})
    clock = 1000
    const proposed = await meter.closeWindow()
    expect(brief(proposed)).toEqual(['0 lea_1 2 0+1000'])
    expect(openProposal(proposed[0]!.proposal)).toMatchObject({requestsFailed: 1, mibMs: 640, bytesIn: 10, bytesOut: 20})
    expect(await meter.closeWindow()).toEqual([])
    clock = 5000
    meter.count(work, {requests: 1})
    expect(brief(await meter.closeWindow())).toEqual(['1 lea_1 1 1000+4000'])
    expect(meter.totalRequests('rev_1')).toBe(3)
  })

  it('never forgets in its totals what a closing window writes down', async () => {
    const meter = await openMeter()
    meter.count(work, {requests: 7})
    const closing = meter.closeWindow()
    await Promise.resolve()
    const whileItWrites = meter.totalRequests('rev_1')
    await closing
    expect([whileItWrites, meter.totalRequests('rev_1')]).toEqual([7, 7])
  })

  it('tells at once of work that may have used up a budget, and of the rest with the next save', async () => {
    const told: number[] = []
    const meter = await openMeter((_of, {requests}) => told.push(requests))
    requestsLeft = 3
    for (let request = 0; request < 4; request += 1) meter.count(work, {requests: 1})
    expect(told).toEqual([3])
    await meter.save()
    expect(told).toEqual([3, 1])
  })

  it('loses at most what was counted since the last save, and never uses a number twice', async () => {
    const before = await openMeter()
    before.count(work, {requests: 5})
    clock = 700
    await before.save()
    before.count(work, {requests: 1})

    const after = await openMeter()
    expect(brief(after.pendingOf(node))).toEqual(['0 lea_1 5 0+700'])
    expect(after.totalRequests('rev_1')).toBe(5)
    after.count(work, {requests: 1})
    expect(brief(await after.closeWindow())).toEqual(['1 lea_1 1 700+1'])
  })

  it('proposes time stood by in windows of an hour at most, beside those of work and under numbers of their own', async () => {
    const told: number[] = []
    const meter = await openMeter((_of, {standbyMs}) => told.push(standbyMs ?? 0))
    meter.count(work, {requests: 1})
    const hour = 3_600_000
    const stood = await meter.proposeStandby(work, {startMs: 1_000_000, windowMs: 2 * hour + 500, standbyMs: hour + 7})
    const [first, second, ...rest] = stood.map(({proposal}) => openProposal(proposal))
    expect([first, second, ...rest]).toMatchObject([
      {window: 0, windowStartMs: 1_000_000, windowMs: hour, standbyMs: hour, requests: 0, mibMs: 0},
      {window: 1, windowStartMs: 1_000_000 + hour, windowMs: hour, standbyMs: 7}
    ])
    expect(told).toEqual([hour + 7])
    clock = 1000
    expect(brief(await meter.closeWindow())).toEqual(['2 lea_1 1 0+1000'])
    expect(meter.pendingOf(node)).toHaveLength(3)
  })

  it.each(['before', 'after'] as const)('loses or doubles no count when it is killed %s time stood by is written down', async (when) => {
    const before = await openMeter()
    before.count(work, {requests: 5})
    await before.save()
    const {files} = await readMeterFiles(directory)
    const proposed = await before.proposeStandby(work, {startMs: 1_000_000, windowMs: 900, standbyMs: 900})
    if (when === 'before') await files.dropProposals(0)

    const after = await openMeter()
    expect(brief(after.pendingOf(node))).toEqual(when === 'before' ? ['1 lea_1 5 0+1'] : ['0 lea_1 0 0+900', '1 lea_1 5 0+1'])
    expect(after.totalRequests('rev_1')).toBe(5)
    expect(await after.settle(node, proposed[0]?.sha256 ?? '')).toBe(when === 'after')
    after.count(work, {requests: 1})
    expect(brief(await after.closeWindow())).toEqual(['2 lea_1 1 0+1'])
  })

  it('does not propose counters again when it was killed between the two writes of a window', async () => {
    const before = await openMeter()
    before.count(work, {requests: 5})
    await before.save()
    const {files, open} = await readMeterFiles(join(directory))
    before.count(work, {requests: 2})
    await before.closeWindow()
    await files.saveOpen(open!)

    const after = await openMeter()
    expect(brief(after.pendingOf(node))).toEqual(['0 lea_1 7 0+1'])
    expect(after.totalRequests('rev_1')).toBe(7)
    after.count(work, {requests: 1})
    expect(brief(await after.closeWindow())).toEqual(['1 lea_1 1 0+1'])
  })

  it('gives two leases of one node and revision numbers of their own', async () => {
    const meter = await openMeter()
    meter.count(work, {requests: 1})
    meter.count({...work, lease: 'lea_2'}, {requests: 2})
    meter.count({...work, revision: 'rev_2', lease: 'lea_3'}, {requests: 3})
    expect(brief(await meter.closeWindow())).toEqual(['0 lea_1 1 0+1', '1 lea_2 2 0+1', '0 lea_3 3 0+1'])
    meter.count(work, {requests: 1})
    expect(brief(await meter.closeWindow())).toEqual(['2 lea_1 1 0+1'])
  })

  it('keeps proposals over restarts until the node that they are for has answered', async () => {
    const before = await openMeter()
    before.count(work, {requests: 1})
    const [proposal] = await before.closeWindow()
    const after = await openMeter()
    expect(after.pendingOf(node).map(({sha256}) => sha256)).toEqual([proposal!.sha256])
    expect(await after.settle(`node_${'b'.repeat(32)}`, proposal!.sha256)).toBe(false)
    expect(await after.settle(node, proposal!.sha256)).toBe(true)
    expect(await after.settle(node, proposal!.sha256)).toBe(false)
    expect((await openMeter()).pendingOf(node)).toEqual([])
  })

  it('forgets proposals that nobody can sign any more, in memory and on disk', async () => {
    const meter = await openMeter()
    meter.count(work, {requests: 1})
    meter.count({...work, node: `node_${'b'.repeat(32)}`}, {requests: 2})
    await meter.closeWindow()
    clock = PROPOSAL_MEMORY_MS
    meter.count(work, {requests: 3})
    await meter.closeWindow()
    expect(meter.pendingCount).toBe(3)
    clock += 1_000
    meter.count(work, {requests: 4})
    await meter.closeWindow()
    expect(meter.pendingOf(node).map(({proposal}) => openProposal(proposal).requests)).toEqual([3, 4])
    expect([...(await readMeterFiles(directory)).proposals.keys()]).toEqual([1, 2])
  })

  it('keeps the file of a window until the last of its proposals is settled', async () => {
    const meter = await openMeter()
    for (let lease = 1; lease <= 20; lease += 1) meter.count({...work, lease: `lea_${lease}`}, {requests: 1})
    const proposals = await meter.closeWindow()
    const files = async (): Promise<number[]> => [...(await readMeterFiles(directory)).proposals.keys()]
    for (const {sha256} of proposals.slice(1)) await meter.settle(node, sha256)
    expect(await files()).toEqual([0])
    await meter.settle(node, proposals[0]!.sha256)
    expect(await files()).toEqual([])
  })

  it('refuses to start from a damaged file', async () => {
    await openMeter()
    await writeFile(join(directory, 'meter.json'), '{"window":')
    await expect(openMeter()).rejects.toMatchObject({code: 'failed'})
  })
})

describe('what a lease may still earn', () => {
  const table = (leftMinor: number | undefined): TableIndex =>
    new TableIndex({
      apps: [],
      revisions: [
        {
          id: 'rev_1',
          spec: {rewards: [{incentive: 'acme/LEAF', requestsPerMillionMinor: 500_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 9}]}
        }
      ],
      leases: [{id: 'lea_1', budgets: leftMinor === undefined ? [] : [{incentive: 'acme/LEAF', amountMinor: leftMinor}]}]
    } as unknown as RoutesTable)

  it('is what the table says, less what was earned since and is not paid yet', () => {
    const budgets = new LeaseBudgets()
    budgets.update(table(2))
    budgets.spend('lea_1', 'rev_1', {requests: 3, mibMs: 0})
    expect(budgets.isEmpty('lea_1')).toBe(false)
    budgets.update(table(1))
    expect(budgets.isEmpty('lea_1')).toBe(false)
    budgets.spend('lea_1', 'rev_1', {requests: 1, mibMs: 0})
    expect(budgets.isEmpty('lea_1')).toBe(true)
    budgets.update(table(5))
    expect(budgets.isEmpty('lea_1')).toBe(false)
  })

  it('is told in requests: so many use it up, never fewer than one at a time', () => {
    const budgets = new LeaseBudgets()
    expect(budgets.requestsLeft('lea_1', 'rev_1')).toBe(Number.POSITIVE_INFINITY)
    budgets.update(table(2))
    const one = budgets.requestsLeft('lea_1', 'rev_1') / 2
    expect(one).toBeGreaterThanOrEqual(1)
    budgets.spend('lea_1', 'rev_1', {requests: one, mibMs: 0})
    expect([budgets.takeRanDry(), budgets.requestsLeft('lea_1', 'rev_1')]).toEqual([false, one])
    budgets.spend('lea_1', 'rev_1', {requests: one, mibMs: 0})
    expect([budgets.takeRanDry(), budgets.takeRanDry(), budgets.requestsLeft('lea_1', 'rev_1')]).toEqual([true, false, 1])
    budgets.update(table(undefined))
    expect(budgets.requestsLeft('lea_2', 'rev_1')).toBe(Number.POSITIVE_INFINITY)
  })

  it('is nothing once the miner says so, until a table has more', () => {
    const budgets = new LeaseBudgets()
    budgets.update(table(10))
    budgets.refuse('lea_1')
    budgets.update(table(10))
    expect(budgets.isEmpty('lea_1')).toBe(true)
    budgets.update(table(11))
    expect(budgets.isEmpty('lea_1')).toBe(false)
  })

  it('never ends where nothing was promised', () => {
    const budgets = new LeaseBudgets()
    budgets.update(table(undefined))
    budgets.spend('lea_1', 'rev_1', {requests: 1000, mibMs: 0})
    expect(budgets.isEmpty('lea_1')).toBe(false)
  })
})
