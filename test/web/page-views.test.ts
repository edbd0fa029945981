import type {Page} from 'playwright-core'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {browserMissing, hasBrowser} from './browser.ts'
import {go, link, screenshot, seriousFaults, smallTargets} from './page-steps.ts'
import {LEAF, type PlainWorld, startPlainWorld} from './plain-world.ts'
import {fillWorld, HOSTILE, type Holders} from './views-world.ts'

const WIDTHS = [360, 768, 1440] as const
const TIMEOUT_MS = 300_000
/** Wider screens have a pointer. */
const FINGERS_UP_TO = 768
const STYLES = [
  {style: 'light', colorScheme: 'light', query: ''},
  {style: 'dark', colorScheme: 'dark', query: ''},
  {style: 'fr', colorScheme: 'light', query: ''},
  {style: 'rtl', colorScheme: 'light', query: '?dir=rtl'}
] as const

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
      for (const [place, name] of [
        [1, 'account-restore'],
        [2, 'account-link']
      ] as const) {
        await page.locator('input[name="way"]').nth(place).check({force: true})
        await look(page, name)
      }
      await views(page, {'portfolio-none': 'portfolio', 'page-missing': 'nowhere'})
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
        account: 'account',
        emission: 'emission',
        settings: 'settings',
        'earnings-none': 'earnings',
        'issuer-none': 'issuer'
      })
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
