import type {Page} from 'playwright-core'
import {afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {browserMissing, hasBrowser} from './browser.ts'
import {askForAccount, fillLink, fillRestore, go, makeAccount, order, screenshot, seriousFaults, unlock} from './page-steps.ts'
import {LEAF, type PlainWorld, startPlainWorld} from './plain-world.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 400 * 24 * HOUR_MS
const AUCTION_MS = 120_000
const isLong = process.env.CREO_TEST_TIER === 'long'
/** What the browser itself says of a line that breaks. */
const BROKEN_LINE = /net::ERR_/

/** The page in a real browser over a line that loses answers: nothing is done twice, and the page says what became of it. */
describe.runIf(hasBrowser)(`the exchange’s page over a line that breaks${browserMissing}`, () => {
  let world: PlainWorld
  beforeAll(async () => {
    world = await startPlainWorld()
    await world.order(world.colibris, LEAF, 'sell', 100, 500_000)
  })
  afterEach(() => world.front.lose(false))
  afterAll(() => world?.stop())

  /** Does something whose answers are lost, and comes back once the coordinator has it. */
  async function lostIn(work: () => Promise<unknown>): Promise<void> {
    const before = world.front.commands()
    world.front.lose(true)
    await work()
    await expect.poll(world.front.commands).toBeGreaterThan(before)
  }

  /** The line is whole again only once the page is gone. */
  async function loadAgain(page: Page): Promise<void> {
    const url = page.url()
    await page.goto('about:blank')
    world.front.lose(false)
    await page.goto(url)
  }

  test('an account and an order are made once, though their answers are lost and the page is loaded again before they come', async () => {
    const {page, troubles} = await world.open(360)
    await lostIn(() => askForAccount(page, 'ann'))
    await loadAgain(page)
    await page.getByText('Done: Make ann').waitFor()
    await unlock(page)
    await world.give('ann', 10)
    await go(page, `market/${LEAF}`)
    await lostIn(() => order(page, {amount: '2', price: '0.25'}))
    await page.getByText('No answer yet.', {exact: false}).waitFor()
    expect(await page.getByRole('button', {name: 'Sending…'}).isDisabled()).toBe(true)
    world.front.lose(false)
    await page.getByText('2 LEAF wait in the book.').waitFor()
    await page.getByRole('button', {name: 'Buy LEAF'}).waitFor()
    await lostIn(() => order(page, {amount: '3', price: '0.25'}))
    await loadAgain(page)
    await page.getByText('Done: buy 3 LEAF').waitFor()
    expect(await world.orders('ann')).toHaveLength(2)
    expect(troubles.filter((trouble) => !BROKEN_LINE.test(trouble))).toEqual([])
  })

  test.runIf(isLong)(
    'a redemption and a swap whose answers are lost are done once, and an account is brought back once the line is',
    async () => {
      const eve = await world.person('eve')
      const orchard = await world.person('orchard')
      const plum = await world.issue(orchard, 'PLUM', 'Plum')
      await world.give('eve', 100)
      await world.order(eve, LEAF, 'buy', 20, 400_000)
      await world.order(orchard, plum, 'sell', 20, 400_000)
      const {page, context, troubles} = await world.open(360)
      const words = await makeAccount(page, 'cid')
      await world.give('cid', 10)
      await go(page, `market/${LEAF}`)
      await order(page, {amount: '10', price: '0.5'})
      await page.getByText('10 LEAF traded for 5 Gutta').waitFor()
      await go(page, 'offers')
      await lostIn(() => page.getByRole('button', {name: 'Redeem for 5 LEAF'}).click())
      await loadAgain(page)
      await page.getByText('Done: redeem A tree').waitFor()
      await unlock(page)
      expect(await world.read('/v1/accounts/cid/redemptions')).toMatchObject({redemptions: [{quantity: 1}]})
      await go(page, 'swap')
      await page.getByLabel('You give').selectOption(LEAF)
      await page.getByLabel('You get').selectOption(plum)
      await page.getByLabel('Amount').fill('3')
      await page.getByText('You sign for at least').waitFor()
      await lostIn(() => page.getByRole('button', {name: 'Swap', exact: true}).dblclick())
      await page.getByText('No answer yet.', {exact: false}).waitFor()
      world.front.lose(false)
      await page.getByText(/^You got .* PLUM\.$/).waitFor()
      const {balances} = (await world.read('/v1/accounts/cid/balances')) as unknown as {readonly balances: readonly object[]}
      expect(balances).toContainEqual(expect.objectContaining({asset: LEAF, kind: 'available', amountMinor: '200'}))
      const other = await world.open(360)
      await fillRestore(other.page, 'cid', words)
      await other.context.setOffline(true)
      await other.page.getByRole('button', {name: 'Bring one back'}).click()
      await other.page.getByText(/^(?:The network cannot be reached|Nobody answered)/).waitFor()
      await other.context.setOffline(false)
      await other.page.getByRole('button', {name: 'Bring one back'}).click()
      await other.page.getByRole('heading', {name: 'cid'}).waitFor()
      expect([...troubles, ...other.troubles].filter((trouble) => !BROKEN_LINE.test(trouble))).toEqual([])
      await Promise.all([context.close(), other.context.close()])
    }
  )

  test.runIf(isLong)('a browser is linked once, though the answer is lost and the page is loaded again before it comes', async () => {
    const ivy = await world.person('ivy')
    const {page, context} = await world.open(360)
    await lostIn(async () => fillLink(page, await world.invite(ivy, 'trader')))
    await loadAgain(page)
    await page.getByText('Done: Link this browser').waitFor()
    await unlock(page)
    await page.getByRole('heading', {name: 'ivy'}).waitFor()
    const {keys} = (await world.read('/v1/accounts/ivy')) as unknown as {readonly keys: readonly object[]}
    expect(keys).toHaveLength(2)
    await context.close()
  })

  test.runIf(isLong)('a host that tells of a sequence that never comes holds nobody up for longer than it serves', async () => {
    const {page, context} = await world.open(360)
    await makeAccount(page, 'fay')
    const made = 'event: begin\ndata: {"sequence":1,"isUp":true}\n\nevent: pulse\ndata: {"sequence":900000000000}\n\n'
    await page.route('**/quotes/events*', (route) => route.fulfill({contentType: 'text/event-stream', body: made}), {times: 1})
    await page.reload()
    await page.getByText('Your key is locked.', {exact: false}).waitFor()
    await go(page, 'portfolio')
    await page.getByText('No order waits.').waitFor()
    await go(page, `market/${LEAF}`)
    await page.getByRole('heading', {name: 'Order book'}).waitFor()
    await context.close()
  })

  test.runIf(isLong)('a browser that keeps nothing orders all the same, as long as the page is there', async () => {
    const {context, openTab, troubles} = await world.open(360)
    await context.addInitScript(`Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})`)
    const page = await openTab()
    await makeAccount(page, 'hal')
    await world.give('hal', 10)
    await go(page, `market/${LEAF}`)
    await order(page, {amount: '2', price: '0.25'})
    await page.getByText('2 LEAF wait in the book.').waitFor()
    expect(troubles).toEqual([])
    await context.close()
  })

  test.runIf(isLong)('a tab out of sight reads nothing again, until it is looked at', async () => {
    const {page, openTab, context} = await world.open(360)
    await makeAccount(page, 'gus')
    await world.give('gus', 10)
    const [gone, seen] = [await openTab(), await openTab()]
    const reads = {gone: 0, seen: 0}
    for (const [name, tab] of [
      ['gone', gone],
      ['seen', seen]
    ] as const) {
      await go(tab, 'portfolio')
      await tab.getByText('No order waits.').waitFor()
      tab.on('request', (request) => {
        if (request.url().includes('/orders?')) reads[name] += 1
      })
    }
    await gone.evaluate(`Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})`)
    await go(page, `market/${LEAF}`)
    await order(page, {amount: '1', price: '0.25'})
    await seen.getByText('ord_', {exact: false}).first().waitFor()
    await page.getByRole('button', {name: 'Buy LEAF'}).waitFor()
    const first = reads.seen
    await order(page, {amount: '2', price: '0.25'})
    await expect.poll(() => reads.seen).toBeGreaterThan(first)
    expect(reads.gone).toBe(0)
    await gone.evaluate(
      `Object.defineProperty(document, 'visibilityState', {value: 'visible'}); document.dispatchEvent(new Event('visibilitychange'))`
    )
    await expect.poll(() => gone.getByText('Buy LEAF').count()).toBe(2)
    await context.close()
  })

  test.runIf(isLong)('an order for some hours goes by the network’s clock where the device’s is a year ahead', async () => {
    const {page, troubles} = await world.open(360)
    await page.clock.setFixedTime(Date.now() + YEAR_MS)
    await makeAccount(page, 'dan')
    await world.give('dan', 10)
    await go(page, `market/${LEAF}`)
    await page.getByLabel('How long').selectOption('GTT')
    await page.getByLabel('Hours').fill('2')
    const sent = page.waitForRequest((request) => request.method() === 'POST')
    await order(page, {amount: '1', price: '0.25'})
    const [, expiresAtMs] = /expiresAtMs\\":(\d+)/.exec((await sent).postData() ?? '') ?? []
    await page.getByText('1 LEAF wait in the book.').waitFor()
    expect(Math.abs(Number(expiresAtMs) - Date.now() - 2 * HOUR_MS)).toBeLessThan(HOUR_MS / 10)
    expect(troubles).toEqual([])
  })

  test.runIf(isLong)(
    'two tabs of one account order what was pressed in each, show each other’s, and forget the account together',
    async () => {
      const {page, openTab, troubles} = await world.open(1440)
      await makeAccount(page, 'bob')
      await world.give('bob', 10)
      const other = await openTab()
      await unlock(other)
      await go(other, 'portfolio')
      await other.getByText('No order waits.').waitFor()
      await go(page, `market/${LEAF}`)
      await page.getByLabel('Amount').fill('2')
      await page.getByLabel('Price for one unit').fill('0.25')
      await page.getByRole('button', {name: 'Buy LEAF'}).dblclick()
      await page.getByText('2 LEAF wait in the book.').waitFor()
      await other.getByRole('button', {name: /^Cancel ord_/}).waitFor()
      await go(other, `market/${LEAF}`)
      await lostIn(() => order(other, {amount: '2', price: '0.25'}))
      await other.getByText('No answer yet.', {exact: false}).waitFor()
      // The first tab, loaded again, gets the other's answer; the other one hears it all the same.
      await loadAgain(page)
      await other.getByText('2 LEAF wait in the book.').waitFor()
      expect(await world.orders('bob')).toHaveLength(2)
      await unlock(page)
      await go(other, 'account')
      await other.getByRole('button', {name: 'Take this account out of this browser'}).click()
      await other.getByRole('button', {name: 'Take it out'}).click()
      await page.getByText('Nobody else ever has it.', {exact: false}).waitFor()
      expect(troubles.filter((trouble) => !BROKEN_LINE.test(trouble))).toEqual([])
    }
  )
})

test.runIf(hasBrowser && isLong)('a market in an auction says so, until when, and what an order would do', async () => {
  const world = await startPlainWorld({hasProtection: {openingMs: AUCTION_MS}})
  onTestFinished(() => world.stop())
  const eve = await world.person('eve')
  await world.give('eve', 10)
  await world.order(world.colibris, LEAF, 'sell', 100, 500_000)
  await world.order(eve, LEAF, 'buy', 4, 500_000)
  const {page, troubles} = await world.open(360)
  await go(page, `market/${LEAF}`)
  await page.getByText('Opening auction', {exact: false}).waitFor()
  await page.getByText(/(?:minutes?) left/).waitFor()
  await page.getByText(/If it ended now: 4 LEAF at .* 96 more for sale at that price\./).waitFor()
  await page.getByLabel('Amount').fill('4')
  await page.getByLabel('Price for one unit').fill('0.5')
  await page.getByText('Waits for the auction').waitFor()
  await page.getByLabel('How long').selectOption('IOC')
  await page.getByText('only orders that may wait', {exact: false}).waitFor()
  expect(await seriousFaults(page)).toEqual([])
  await screenshot(page, 'auction-360')
  expect(troubles).toEqual([])
})
