import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {verifyLedger} from '../../src/ledger/verify.ts'
import type {LedgerWorld} from './ledger-world.ts'
import {expectNothingLost, trade, tradingWorld} from './trading.ts'

/** Each ledger is killed so many times in a row, and what it has grown to is checked whole each time. */
const [LEDGERS, KILLS_EACH] = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? [1, 4] : [5, 10]

let world: LedgerWorld

beforeEach(async () => {
  world = await tradingWorld()
})

afterEach(async () => {
  await world.remove()
})

describe('a ledger whose process is killed', () => {
  it.each(Array.from({length: LEDGERS}, (_, index) => index * KILLS_EACH))(
    'has lost nothing that it answered, and replays to the same balances and digests each time (from round %i)',
    async (first) => {
      let digests = 0
      const auctions = {met: 0, ended: 0}
      const applied = new Set<string>()
      for (let round = first; round < first + KILLS_EACH; round += 1) {
        const {answers} = await trade(world, {round, killAfter: 60 + 97 * (round % 5)})
        expect(answers.length).toBeGreaterThanOrEqual(60)
        for (const {command, answer} of answers) {
          if (answer.status === 'applied') applied.add(JSON.parse(command.body).type)
          if (answer.status === 'applied' && Number(answer.result.expired) > 0) auctions.ended += 1
          if (answer.status === 'rejected' && answer.code === 'in_auction') auctions.met += 1
        }
        digests = (await expectNothingLost(world, answers)).digests
      }
      expect(digests).toBeGreaterThan(0)
      expect([...applied].sort()).toEqual([
        'account.transfer',
        'offer.edit',
        'order.place',
        'order.replace',
        'orders.cancel',
        'redemption.request',
        'swap',
        'time.advance'
      ])
      expect(Math.min(auctions.met, auctions.ended)).toBeGreaterThan(0)
      expect(await verifyLedger({directory: world.directory, signatures: true, signal: world.signal})).toMatchObject({holds: true})
    }
  )
})

describe('a ledger whose disk takes no more', () => {
  it('refuses everything from the first failed write on, and has kept what it answered', async () => {
    const {answers, failed} = await trade(world, {round: 0, killAfter: Number.POSITIVE_INFINITY, limits: 'ulimit -f 3000; '})
    expect(failed).toEqual(['unavailable', 'unavailable', 'unavailable'])
    expect(answers.length).toBeGreaterThan(0)
    await expectNothingLost(world, answers)
  })
})
