import type {Page} from 'playwright-core'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type AppAsk, askHref} from '../../src/app-client/asks.ts'
import {browserMissing, hasBrowser} from './browser.ts'
import {go, link, PASSPHRASE, screenshot, seriousFaults, smallTargets} from './page-steps.ts'
import {LEAF, type PlainWorld, startPlainWorld} from './plain-world.ts'
import {fillWorld, HOSTILE, type Holders} from './views-world.ts'

const WIDTHS = [360, 768, 1440] as const
const SHOP = 'https://a-shop-with-a-long-name--the-long-named-orgs1.example.org'
const TIMEOUT_MS = 300_000
const TABS_MAX = 60
/** What has the keyboard, by the words that name it. */
const FOCUSED = `(() => {
  const at = document.activeElement
  return at.matches('main') ? 'main' : (at.labels?.[0] ?? at).textContent.trim()
})()`
/** Wider screens have a pointer. */
const FINGERS_UP_TO = 768
const STYLES = [
  {style: 'light', colorScheme: 'light', query: ''},
  {style: 'dark', colorScheme: 'dark', query: ''},
  {style: 'fr', colorScheme: 'light', query: ''},
  {style: 'rtl', colorScheme: 'light', query: '?dir=rtl'}
] as const

/** The page's own address of what another app asks. */
function asked(ask: DistributiveOmit<AppAsk, 'state' | 'back'>): string {
  return askHref('', {...ask, state: 'a'.repeat(22), back: `${SHOP}/`} as AppAsk).slice('#/'.length)
}
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Each view as a person may meet it: full lists, long names, texts that would pass for others, nothing at all. */
describe.runIf(hasBrowser && process.env.CREO_TEST_TIER === 'long')(`the views of the exchange’s page${browserMissing}`, () => {
  let world: PlainWorld
  let holders: Holders
  beforeAll(async () => {
    world = await startPlainWorld()
    holders = await fillWorld(world)
  }, TIMEOUT_MS)
  afterAll(() => world?.stop())

  test('what is older comes a page at a time, orders as well as redemptions', async () => {
    const {page, context} = await world.open(1440)
    await link(page, await world.invite(holders.zoe, 'trader'), holders.zoe.name)
    await go(page, 'portfolio')
    const rows = page.locator('table:has(caption:text-is("Open orders")) tbody tr')
    await expect.poll(() => rows.count()).toBe(20)
    await page.getByRole('button', {name: 'Older ones'}).first().click()
    await expect.poll(() => rows.count()).toBe(holders.openOrders)
    const redeemed = page.locator('.linked li')
    await page.getByRole('button', {name: 'Older ones'}).last().click()
    await expect.poll(() => redeemed.count()).toBe(holders.redemptions)
    await context.close()
  })

  test('an order is placed by keys alone, and a reader of screens is led to what is new', async () => {
    const {page, context} = await world.open(1440)
    await link(page, await world.invite(holders.zoe, 'trader'), holders.zoe.name)
    await go(page, `market/${LEAF}`)
    await page.getByLabel('Amount').waitFor()
    const focused = () => page.evaluate<string>(FOCUSED)
    expect(await focused()).toBe('main')
    const tabTo = async (wanted: string): Promise<void> => {
      for (let pressed = 0; pressed < TABS_MAX && (await focused()) !== wanted; pressed += 1) await page.keyboard.press('Tab')
      expect(await focused()).toBe(wanted)
    }
    await tabTo('Buy')
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe('Sell')
    await page.keyboard.press('ArrowLeft')
    await tabTo('Amount')
    await page.keyboard.type('1')
    await tabTo('Price for one unit')
    await page.keyboard.type('0.2')
    await tabTo('Buy LEAF')
    await page.keyboard.press('Enter')
    await page.getByRole('status').filter({hasText: '1 LEAF wait in the book.'}).waitFor()
    // From the first stop of the page past its head.
    await page.reload()
    await page.getByRole('heading', {level: 1}).waitFor()
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Skip to content')
    await page.keyboard.press('Enter')
    expect(await focused()).toBe('main')
    await context.close()
  })

  const cases = WIDTHS.flatMap((width) => STYLES.map((style) => ({width, ...style})))
  test.each(cases)(
    'nothing keeps anybody out at $width px, $style: nothing serious, nothing wider than the screen, nothing too small for a finger',
    async ({width, style, colorScheme, query}) => {
      const found: unknown[] = []
      const look = async (page: Page, name: string): Promise<void> => {
        await page.locator('h1, .empty').first().waitFor()
        await page.locator('.waiting, .loading').first().waitFor({state: 'detached'})
        const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        const small = width <= FINGERS_UP_TO ? await smallTargets(page) : []
        for (const fault of [...(await seriousFaults(page)), ...small, ...(wider > 0 ? [`${wider} px wider`] : [])])
          found.push([name, fault])
        await screenshot(page, `${name}-${width}-${style}`)
      }
      const views = async (page: Page, paths: Readonly<Record<string, string>>): Promise<void> => {
        for (const [name, path] of Object.entries(paths)) {
          await go(page, path)
          await look(page, name)
        }
      }
      const open = async () => {
        const opened = await world.open(width, {query})
        await opened.page.emulateMedia({colorScheme, reducedMotion: 'reduce'})
        return opened
      }
      const speak = async (page: Page): Promise<void> => {
        if (style !== 'fr') return
        await go(page, 'settings')
        await page.getByRole('radio', {name: 'Français'}).check()
        await page.getByRole('heading', {name: 'Réglages'}).waitFor()
      }
      const {page, context, troubles} = await open()
      await speak(page)
      await go(page, 'account')
      await look(page, 'account-make')
      await page.locator('input').nth(3).fill(`new-${width}-${style}`)
      await page.locator('input[type="password"]').fill(PASSPHRASE)
      await page.locator('button.main').click()
      await page.locator('ol li').nth(11).waitFor()
      await look(page, 'account-words')
      await page.locator('form button').last().click()
      for (const [place, name] of [
        [1, 'account-restore'],
        [2, 'account-link']
      ] as const) {
        await page.locator('input[name="way"]').nth(place).check({force: true})
        await look(page, name)
      }
      const redeem = asked({ask: 'redeem', incentive: LEAF, offer: holders.offer, quantity: 2})
      await views(page, {'portfolio-none': 'portfolio', 'page-missing': 'nowhere', 'for-app-none': redeem})
      await context.close()

      const zoe = await open()
      await link(zoe.page, await world.invite(holders.zoe, 'trader'), holders.zoe.name)
      await speak(zoe.page)
      await views(zoe.page, {
        markets: '',
        market: `market/${LEAF}`,
        'market-hostile': `market/${HOSTILE}`,
        offers: 'offers',
        portfolio: 'portfolio',
        redemption: `redemption/${holders.redemption}`,
        emission: 'emission',
        settings: 'settings',
        'earnings-none': 'earnings',
        'issuer-none': 'issuer',
        'for-app-sign-in': asked({ask: 'sign-in', challenge: {network: 'n'.repeat(64), origin: SHOP, nonce: 'once', expiresAtMs: 0}}),
        'for-app-redeem': redeem,
        'for-app-broken': 'for-app/nothing'
      })
      await go(zoe.page, `market/${LEAF}`)
      await zoe.page.locator('.ticket input[inputmode="decimal"]').first().fill('7')
      await zoe.page.locator('.ticket input[inputmode="decimal"]').nth(1).fill('0.54')
      await zoe.page.locator('.foreseen').waitFor()
      await zoe.page.locator('summary').last().click()
      await look(zoe.page, 'market-ticket')
      await go(zoe.page, 'portfolio')
      await zoe.page.locator('.acts button').nth(-2).click()
      expect(await zoe.page.evaluate('document.activeElement.closest(".replace") !== null')).toBe(true)
      await zoe.page.locator('.replace input').first().fill('0.0000001')
      await look(zoe.page, 'portfolio-change')
      await go(zoe.page, 'account')
      await zoe.page.locator('.network-id summary').click()
      await zoe.page.locator('.forget button').click()
      await look(zoe.page, 'account')
      await zoe.page.locator('.forget button').last().click()
      await zoe.page.locator('.row button').first().click()
      await zoe.page.locator('input[type="password"]').fill('not the right one')
      await zoe.page.locator('button.main').click()
      await zoe.page.locator('.wrong').waitFor()
      await look(zoe.page, 'account-locked')
      await go(zoe.page, 'swap')
      await zoe.page.locator('select').first().selectOption(LEAF)
      await zoe.page.locator('select').nth(1).selectOption('orchard/PLUM')
      await zoe.page.locator('input').first().fill('3')
      await zoe.page.locator('.foreseen').waitFor()
      await look(zoe.page, 'swap')
      await zoe.context.close()

      const issuer = await open()
      await link(issuer.page, await world.invite(world.colibris, 'treasurer'), 'colibris')
      await speak(issuer.page)
      await views(issuer.page, {issuer: 'issuer', earnings: 'earnings'})
      await issuer.context.close()
      expect(found).toEqual([])
      expect([...troubles, ...zoe.troubles, ...issuer.troubles]).toEqual([])
    },
    TIMEOUT_MS
  )
})
