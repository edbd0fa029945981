import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import type {BalanceView} from '../../src/core/protocol/api.ts'
import type {CommandOf} from '../../src/core/protocol/commands.ts'
import {JournalReader} from '../../src/ledger/journal.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {NUT, orderOf} from './orders.ts'

const ORDERS = 60
const STEP_MS = 1000

let world: LedgerWorld
beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  for (let number = 0; number < ORDERS; number += 1) {
    world.nowMs += STEP_MS
    const [who, side] = number % 3 === 0 ? (['acme', 'sell'] as const) : (['ann', 'buy'] as const)
    await world.must(who, orderOf(side, 8 + (number % 7), 900 + 10 * (number % 20)))
  }
  await moveByOtherMeans()
})
afterAll(() => world.remove())

/** What moves value beside orders: pay for work, redemptions, payments and a swap. */
async function moveByOtherMeans(): Promise<void> {
  const receiptOf = await world.serve()
  await world.must('coordinator', {type: 'receipt.pay', receipt: receiptOf(1, 100)})
  const [offer] = world.ledger.reads.offers({limit: 1})
  for (const type of ['redemption.capture', 'redemption.release'] as const) {
    const {redemption} = await world.must('ann', {type: 'redemption.request', offer: offer?.id ?? '', quantity: 1})
    await world.must('acme', {type, redemption: String(redemption)})
  }
  await world.must('ann', payment('bob', 70, 'for the flyers'))
  await world.must('bob', payment('ann', 7))
  await world.must('acme', {
    type: 'incentive.issue',
    code: 'NUT',
    name: 'Nut',
    decimals: 0,
    lotMinor: 1,
    supplyMinor: 100,
    tradeVolumeLimitMicroGutta: 1_000_000,
    captured: 'burn',
    transferable: true,
    firstOffer: {item: 'a nut', priceMinor: 1, stock: 5, where: 'in-app'}
  })
  await world.must('acme', {...orderOf('sell', 20, 1000), incentive: NUT})
  await world.must('bob', orderOf('buy', 5, 2000))
  world.nowMs += STEP_MS
  await world.must('ann', {type: 'swap', from: 'acme/LEAF', to: NUT, exact: 'send', sendLots: 2, receiveLots: 1})
}

function payment(to: string, amountMinor: number, memo?: string): CommandOf<'account.transfer'> {
  return {type: 'account.transfer', to: world.accounts.get(to) ?? '', asset: 'gutta', amountMinor, ...(memo !== undefined && {memo})}
}

/** What everybody held after each group, by a replay of the journal alone; each command of this world is a group of its own. */
async function balancesByReplay(): Promise<Map<number, readonly BalanceView[]>> {
  const machine = machineOf(await readFile(join(world.directory, 'genesis.json'), 'utf8'))
  const {state} = machine
  const journal = new JournalReader(join(world.directory, 'journal.sqlite'), world.network)
  const held = new Map<number, readonly BalanceView[]>()
  let head = {number: 0, lastSeq: 0, hash: world.network}
  for (const group of journal.groups(1)) {
    head = replayGroup(machine, head, group, {signatures: false})
    const all = [...state.balances.all()].map(({account, asset, kind, balance}) => {
      return {account: state.accountName(account), asset: state.assetName(asset), kind, amountMinor: balance}
    })
    held.set(
      head.lastSeq,
      all.filter(({amountMinor}) => amountMinor !== 0)
    )
  }
  journal.close()
  return held
}

const textOf = (balances: readonly BalanceView[]): string[] =>
  balances.map(({account, asset, kind, amountMinor}) => `${account} ${asset} ${kind} ${amountMinor}`).sort()

describe('balances as of a past moment', () => {
  it('are after each command what a replay up to it makes of everybody', async () => {
    const {reads} = world.ledger
    const accounts = [...world.accounts.values()]
    for (const [seq, held] of await balancesByReplay()) {
      const shown = accounts.flatMap((account) => reads.balancesAt({account, seq}))
      expect(textOf(shown), `after command ${seq}`).toEqual(textOf(held.filter(({account}) => accounts.includes(account))))
    }
  })

  it('are found by time: the last command until then counts', () => {
    const {reads} = world.ledger
    const [last] = reads.entries({account: world.accounts.get('ann') ?? '', limit: 1})
    expect(reads.seqAt(world.nowMs + STEP_MS)).toBe(world.ledger.sequence)
    expect(reads.seqAt((last?.atMs ?? 0) - 1)).toBe((last?.seq ?? 0) - 1)
    expect(reads.seqAt(0)).toBe(0)
  })
})

describe('a statement', () => {
  it('has every change of a balance, by whatever command, with what it came to', () => {
    const {reads} = world.ledger
    const commands = new Set<string>()
    for (const account of world.accounts.values()) {
      const balances = new Map<string, number>()
      for (const entry of reads.entries({account, limit: 1000}).toReversed()) {
        const balance = (balances.get(`${entry.asset} ${entry.kind}`) ?? 0) + entry.deltaMinor
        expect(entry.balanceMinor).toBe(balance)
        balances.set(`${entry.asset} ${entry.kind}`, balance)
        commands.add(entry.command)
      }
      const shown = reads.balances({account}).map(({asset, kind, amountMinor}) => [`${asset} ${kind}`, amountMinor] as const)
      expect([...balances].filter(([, amount]) => amount !== 0).sort()).toEqual(shown.sort())
    }
    const moving = ['account.transfer', 'swap', 'receipt.pay', 'redemption.request', 'redemption.capture', 'redemption.release']
    expect([...commands]).toEqual(expect.arrayContaining(moving))
  })

  it('says on both sides of a payment who was on the other one, and what was said with it', () => {
    const {reads} = world.ledger
    const [ann = '', bob = ''] = ['ann', 'bob'].map((name) => world.accounts.get(name))
    const paid = (account: string) => reads.entries({account, limit: 1000}).filter(({command}) => command === 'account.transfer')
    const [toBob, toAnn] = [{counterparty: {account: bob, name: 'bob'}}, {counterparty: {account: ann, name: 'ann'}}]
    expect(paid(ann)).toMatchObject([
      {...toBob, deltaMinor: 7},
      {...toBob, deltaMinor: -70, memo: 'for the flyers'}
    ])
    expect(paid(bob)).toMatchObject([
      {...toAnn, deltaMinor: -7},
      {...toAnn, deltaMinor: 70, memo: 'for the flyers'}
    ])
    expect(paid(ann).map((entry) => 'memo' in entry)).toEqual([false, true])
    expect(reads.entries({account: ann, limit: 1000}).filter((entry) => 'counterparty' in entry)).toHaveLength(2)
  })
})

describe('a statement of many lines', () => {
  const LINES = 150
  let busy: LedgerWorld
  beforeAll(async () => {
    busy = await LedgerWorld.make()
    await busy.settle()
    for (let number = 0; number < LINES; number += 1) {
      // The projections go on in the middle of a block of lines.
      if (number === LINES / 3) {
        await busy.close()
        await busy.open()
      }
      busy.nowMs += STEP_MS
      await busy.must('ann', {...payment('bob', 1 + number), to: idOf('bob')})
      if (number % 5 === 0) await busy.must('ann', orderOf('buy', 1, 900))
    }
  })
  afterAll(() => busy.remove())
  const idOf = (name: string): string => busy.accounts.get(name) ?? ''

  it('is the same page by page, by asset, and as projections that are made afresh have it', async () => {
    const {reads} = busy.ledger
    const whole = reads.entries({account: idOf('ann'), limit: 1000})
    expect(whole.filter(({command}) => command === 'account.transfer')).toHaveLength(LINES)
    for (const asset of [undefined, 'gutta', 'acme/LEAF']) {
      const filter = {account: idOf('ann'), ...(asset !== undefined && {asset})}
      const paged: typeof whole = []
      for (let page = reads.entries({...filter, limit: 7}); page.length > 0; ) {
        paged.push(...page)
        page = reads.entries({...filter, limit: 7, after: [page.at(-1)?.number ?? 0]})
      }
      expect(paged).toEqual(whole.filter((entry) => asset === undefined || entry.asset === asset))
    }
    expect(await verifyLedger({directory: busy.directory, signatures: false, signal: busy.signal})).toMatchObject({holds: true})
  })

  it('gives the balances after each of its lines', () => {
    const {reads} = busy.ledger
    for (const {seq, asset, kind, balanceMinor} of reads.entries({account: idOf('ann'), limit: 1000})) {
      const then = reads.balancesAt({account: idOf('ann'), seq}).find((balance) => balance.asset === asset && balance.kind === kind)
      expect(then?.amountMinor ?? 0).toBe(balanceMinor)
    }
  })

  it('refuses a cursor that is none of its own', () => {
    for (const after of [['x'], [1, 2], []]) {
      expect(() => busy.ledger.reads.entries({account: idOf('ann'), limit: 1, after})).toThrow('not of this list')
    }
  })
})
