import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {browserMissing, hasBrowser} from './browser.ts'
import {go, link, makeAccount, order, restore, screenshot, seriousFaults, unlock} from './page-steps.ts'
import {type PageWorld, startPageWorld} from './page-world.ts'

const TIMEOUT_MS = 300_000
const LEAF = 'colibris/LEAF'
const WIDTHS = [360, 1440] as const

/** The exchange that the tour deploys: through gateway, tunnel and miner from a container, in a real browser. A minute and a half on an idle machine. */
describe.runIf(process.env.CREO_TEST_TIER === 'long' && hasBrowser)(`the exchange’s page in a browser${browserMissing}`, () => {
  let world: PageWorld
  const command: PageWorld['command'] = (...args) => world.command(...args)
  const openPage: PageWorld['openPage'] = (width) => world.openPage(width)

  beforeAll(async () => {
    world = await startPageWorld()
    await command('trade', 'sell', LEAF, '400', '--price', '0.5', '--as', 'colibris')
  }, TIMEOUT_MS)
  afterAll(() => world?.stop(), TIMEOUT_MS)

  test.each(WIDTHS)(
    'an account is made, meets the volume limit, trades, redeems and comes back by its words, at a width of %i',
    async (width) => {
      const name = `zoe-${width}`
      const {page, troubles} = await openPage(width)
      const words = await makeAccount(page, name)
      await command('account', 'pay', name, '3', 'gutta', '--as', 'ben', '--yes')

      await go(page, 'market/colibris/LEAF')
      await command('incentive', 'limit', LEAF, '0.000001', '--as', 'colibris')
      await page.getByText('All of the', {exact: false}).waitFor()
      await order(page, {amount: '4', price: '0.5'})
      await page.getByText('4 LEAF, ended: the trade volume limit').waitFor()
      await command('incentive', 'limit', LEAF, '100', '--owner-share', '100', '--as', 'colibris')
      await order(page, {amount: '4', price: '0.5'})
      await page.getByText('4 LEAF traded for 2 Gutta').waitFor()
      await order(page, {amount: '2', price: '0.25'})
      await page.getByText('2 LEAF wait in the book.').waitFor()
      await page.reload()
      await unlock(page)
      await go(page, 'portfolio')
      await page.getByRole('button', {name: /^Change ord_/}).click()
      await page.getByLabel('Whole size', {exact: false}).fill('1')
      await page.getByText('It keeps its place in the queue.').waitFor()
      await page.getByRole('button', {name: 'Change the order'}).click()
      await page.getByText('Changed; it has kept its place.').waitFor()
      await screenshot(page, `replace-${width}`)
      await page.getByRole('button', {name: /^Cancel ord_/}).click()
      await page.getByText('No order waits.').waitFor()

      await go(page, 'offers')
      await page
        .getByRole('button', {name: /^Redeem for/})
        .first()
        .click()
      await page.waitForURL(/#\/redemption\/red_\d+$/)
      const code = await page
        .getByText(/^[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}$/i)
        .first()
        .innerText()
      expect(await command('redemption', 'capture', code, '--as', 'colibris')).toMatchObject({status: 'captured'})
      await page.getByText('handed over', {exact: false}).first().waitFor()

      const {page: other, troubles: otherTroubles} = await openPage(width)
      await restore(other, name, words)
      await go(other, 'portfolio')
      await other
        .getByText('captured', {exact: false})
        .or(other.getByText('handed over', {exact: false}))
        .first()
        .waitFor()
      expect([...troubles, ...otherTroubles]).toEqual([])
    },
    TIMEOUT_MS
  )

  test.each(WIDTHS)(
    'an issuer links a browser, sees what it issued, and hands over by the code and all at once, at a width of %i',
    async (width) => {
      const {token} = await command('account', 'invite', 'treasurer', '--as', 'colibris')
      const {page, troubles} = await openPage(width)
      await link(page, String(token), 'colibris')
      const offer = String((await command('offer', 'add', LEAF, '--item', 'Tea', '--price', '1', '--stock', '9', '--as', 'colibris')).offer)
      await command('trade', 'buy', LEAF, '4', '--price', '0.5', '--as', 'ben')
      const redeem = () => command('redeem', offer, '--as', 'ben')
      const {code} = await redeem()
      await go(page, 'issuer')
      await page.getByLabel('Code').fill('0000-0000-0001')
      await page.getByRole('button', {name: 'Handed over', exact: true}).click()
      await page.getByText('one of its characters is wrong', {exact: false}).waitFor()
      await page.getByLabel('Code').fill(String(code).toLowerCase().replaceAll('-', ' '))
      await page.getByRole('button', {name: 'Handed over', exact: true}).click()
      await page.getByText('Handed over: its value is yours.').waitFor()
      await page.getByText('Nothing waits.').waitFor()
      await Promise.all([redeem(), redeem()])
      await page.getByRole('button', {name: 'All 2 of these'}).waitFor()
      expect(await seriousFaults(page)).toEqual([])
      await screenshot(page, `issuer-colibris-${width}`)
      await page.getByRole('button', {name: 'All 2 of these'}).click()
      await page.getByRole('button', {name: 'All 2 are handed over'}).click()
      await page.getByText('Nothing waits.').waitFor()
      expect(troubles).toEqual([])
    },
    TIMEOUT_MS
  )

  test.each(WIDTHS)(
    'an owner sees what the machines do and were paid, sells some of it and has it redeemed, at a width of %i',
    async (width) => {
      const {token} = await command('account', 'invite', 'trader', '--as', 'ana')
      const {page, context, troubles} = await openPage(width)
      await link(page, String(token), 'ana')
      await go(page, 'earnings')
      await page.getByText(/^Paid by the last/).waitFor()
      await page.getByText(/instances? runs?\./).waitFor()
      expect(await seriousFaults(page)).toEqual([])
      await screenshot(page, `earnings-ana-${width}`)
      await go(page, `market/${LEAF}`)
      await page.getByRole('radio', {name: 'Sell'}).check({force: true})
      await page.getByLabel('Amount').fill('2')
      await page.getByLabel('Price for one unit').fill('0.9')
      await page.getByRole('button', {name: 'Sell LEAF'}).click()
      await page.getByText('2 LEAF wait in the book.').waitFor()
      await go(page, 'offers')
      await page
        .getByRole('button', {name: /^Redeem for/})
        .first()
        .click()
      await page.waitForURL(/#\/redemption\/red_\d+$/)
      const redemption = String(/red_\d+$/.exec(page.url()))
      expect(await command('redemption', 'capture', redemption, '--as', 'colibris')).toMatchObject({status: 'captured'})
      await page.getByText('handed over', {exact: false}).first().waitFor()
      expect(troubles).toEqual([])
      await context.close()
    },
    TIMEOUT_MS
  )

  test(
    'a double click is one order, on a device whose clock is a year ahead, also after it was set right',
    async () => {
      const {page, context, troubles} = await openPage(360)
      await page.clock.setFixedTime(Date.now() + 400 * 86_400_000)
      await makeAccount(page, 'twice')
      await command('account', 'pay', 'twice', '3', 'gutta', '--as', 'ben', '--yes')
      const orders = () => page.evaluate(`fetch('quotes/v1/accounts/twice/orders').then(async (got) => (await got.json()).orders.length)`)
      await go(page, 'market/colibris/LEAF')
      await page.getByLabel('Amount').fill('2')
      await page.getByLabel('Price for one unit').fill('0.25')
      await page.getByRole('button', {name: 'Buy LEAF'}).dblclick()
      await page.getByText('2 LEAF wait in the book.').waitFor()
      expect(await orders()).toBe(1)
      await page.clock.setFixedTime(Date.now())
      await go(page, 'portfolio')
      await page.getByRole('button', {name: /^Cancel ord_/}).dblclick()
      await page.getByText('No order waits.').waitFor()
      expect(await orders()).toBe(1)
      expect(troubles).toEqual([])
      await context.close()
    },
    TIMEOUT_MS
  )

  test(
    'one incentive is swapped for another, by the worst price that was seen',
    async () => {
      await command('incentive', 'limit', LEAF, '100', '--owner-share', '100', '--as', 'colibris')
      await command('account', 'create', 'orchard')
      await command(...'incentive issue PLUM --supply 1000 --limit 100 --offer Jam --offer-price 2 --offer-stock 5 --as orchard'.split(' '))
      await command('trade', 'sell', 'orchard/PLUM', '50', '--price', '0.5', '--as', 'orchard')
      await command('trade', 'buy', LEAF, '4', '--price', '0.4', '--as', 'ben')
      const {page, context, troubles} = await openPage(360)
      await makeAccount(page, 'swapper')
      await command('account', 'pay', 'swapper', '3', 'gutta', '--as', 'ben', '--yes')
      await go(page, 'market/colibris/LEAF')
      await order(page, {amount: '4', price: '0.5'})
      await page.getByText('4 LEAF traded for 2 Gutta').waitFor()
      await go(page, 'swap')
      await page.getByLabel('You give').selectOption(LEAF)
      await page.getByLabel('You get').selectOption('orchard/PLUM')
      await page.getByLabel('Amount').fill('3')
      await page.getByText('You sign for at least').waitFor()
      await screenshot(page, 'swap-quoted-360')
      await page.getByRole('button', {name: 'Swap', exact: true}).click()
      await page.getByText(/^You got .* PLUM\.$/).waitFor()
      expect(troubles).toEqual([])
      await context.close()
    },
    TIMEOUT_MS
  )

  test(
    'without a network it says so, opens all the same, and goes on when the network is back',
    async () => {
      const {page, context} = await openPage(360)
      await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)')
      await page.reload()
      await page.getByText('LEAF').first().waitFor()
      await context.setOffline(true)
      await page.reload()
      await page.getByRole('heading', {name: 'Markets'}).waitFor()
      await page.getByText('No connection.', {exact: false}).waitFor({timeout: 60_000})
      await context.setOffline(false)
      await page.getByText('No connection.', {exact: false}).waitFor({state: 'hidden', timeout: 60_000})
      await page.getByText('LEAF').first().waitFor()
    },
    TIMEOUT_MS
  )
})
