import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import type {BalanceView} from '../../src/core/protocol/api.ts'
import {JournalReader} from '../../src/ledger/journal.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const ORDERS = 60
const STEP_MS = 1000

let world: LedgerWorld
beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  for (let number = 0; number < ORDERS; number += 1) {
    world.nowMs += STEP_MS
    const [who, side] = number % 3 === 0 ? (['acme', 'sell'] as const) : (['ann', 'buy'] as const)
    await world.must(who, orderOf(side, 1 + (number % 7), 900 + 10 * (number % 20)))
  }
})
afterAll(() => world.remove())

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
