import type {Page} from 'playwright-core'
import {expect, onTestFinished, test} from 'vitest'
import {z} from 'zod'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {exchangeUrl} from '../../src/compose/tour/steps-apps.ts'
import {LEAF, MINERS} from '../../src/compose/tour/steps-network.ts'
import {leaseViewSchema, orderViewSchema, redemptionViewSchema, tradeViewSchema} from '../../src/core/protocol/api.ts'
import {LoopWorld} from '../loop/loop-world.ts'
import {browserMissing, hasBrowser, startBrowser} from './browser.ts'
import {go, makeAccount, order} from './page-steps.ts'

const TIMEOUT_MS = 400_000
/** Until another host has begun the functions, on a busy machine. */
const AGAIN_MS = 90_000
const SECOND = 'miner-c'
const FUNCTIONS = 3
const ROUNDS = [MINERS.gutta, SECOND]
const RESOURCE = /net::ERR_|Failed to load resource/
const anything = z.looseObject({})

/** A table's last column, newest first. */
async function amountsOf(page: Page): Promise<readonly string[]> {
  return page.locator('table:has(caption:text-is("Last trades")) tbody tr td:last-child').allInnerTexts()
}

test.runIf(hasBrowser && process.env.CREO_TEST_TIER === 'long')(
  `a host of the page is killed while people order and watch: all is done once, nothing is missed, and the other host serves${browserMissing}`,
  async () => {
    const world = await LoopWorld.make(['deploy_exchange'])
    onTestFinished(() => world.close())
    const creo = (...args: readonly string[]) => world.creo(args, anything)
    await creo('account', 'create', 'caro')
    const token = String((await creo('node', 'token', '--as', 'caro')).token)
    await world.network.startMiner({name: SECOND, earn: ['gutta'], token})
    await eventually('both hosts may run all of the page', world.signal, async () => {
      const {leases} = await world.read('/v1/leases?status=active', z.object({leases: z.array(leaseViewSchema)}))
      return Object.values(Object.groupBy(leases, ({node}) => node)).filter((of) => (of?.length ?? 0) >= FUNCTIONS).length >= 2
        ? true
        : undefined
    })
    await creo('incentive', 'limit', LEAF, '100', '--owner-share', '100', '--as', 'colibris')
    await creo('trade', 'sell', LEAF, '300', '--price', '0.5', '--as', 'colibris')
    const browser = await startBrowser()
    onTestFinished(() => browser.close())
    const url = `${exchangeUrl(world)}/`
    const [{page, troubles}, watcher] = await Promise.all([browser.open({url, width: 1440}), browser.open({url, width: 1440})])
    await makeAccount(page, 'zoe')
    await creo('account', 'pay', 'zoe', '5', 'gutta', '--as', 'ben', '--yes')
    for (const each of [page, watcher.page]) {
      await go(each, `market/${LEAF}`)
      await each.getByText('Nobody offers to buy.').waitFor()
    }
    const traded: string[] = []
    for (const [round, host] of ROUNDS.entries()) {
      const amount = String(2 + round)
      const seen = `${11 + round}`
      await world.network.role(host).kill()
      // Nobody of those who served is there, or only just.
      await order(page, {amount, price: '0.25'})
      await creo('trade', 'buy', LEAF, seen, '--price', '0.5', '--as', 'ben')
      await page.getByText(`${amount} LEAF wait in the book.`).waitFor({timeout: AGAIN_MS})
      traded.unshift(seen)
      await expect.poll(() => amountsOf(watcher.page), {timeout: AGAIN_MS}).toEqual(traded)
      await watcher.page.getByText('No connection.', {exact: false}).waitFor({state: 'hidden', timeout: AGAIN_MS})
      await world.network.startMiner({name: host, earn: ['gutta']})
    }
    const {orders} = await world.read('/v1/accounts/zoe/orders', z.object({orders: z.array(orderViewSchema)}))
    expect(orders.map(({lots}) => lots).length).toBe(ROUNDS.length)
    const {trades} = await world.read(`/v1/markets/${LEAF}/trades`, z.object({trades: z.array(tradeViewSchema)}))
    expect(trades).toHaveLength(ROUNDS.length)
    await go(page, 'portfolio')
    await page.getByRole('button', {name: 'Cancel all'}).click({timeout: AGAIN_MS})
    await page.getByText('No order waits.').waitFor({timeout: AGAIN_MS})
    await go(page, `market/${LEAF}`)
    await order(page, {amount: '4', price: '0.5'})
    await page.getByText('4 LEAF traded for 2 Gutta').waitFor({timeout: AGAIN_MS})
    await go(page, 'offers')
    await page
      .getByRole('button', {name: /^Redeem for/})
      .first()
      .click()
    await page.waitForURL(/#\/redemption\/red_\d+$/, {timeout: AGAIN_MS})
    const {redemptions} = await world.read('/v1/accounts/zoe/redemptions', z.object({redemptions: z.array(redemptionViewSchema)}))
    expect(redemptions).toHaveLength(1)
    expect([...troubles, ...watcher.troubles].filter((trouble) => !RESOURCE.test(trouble))).toEqual([])
  },
  TIMEOUT_MS
)
