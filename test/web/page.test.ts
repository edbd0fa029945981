import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Browser, type BrowserContext, chromium, type Page} from 'playwright-core'
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest'
import {findProgram} from '../../packaging/setup/child.mjs'
import {spawnUp} from '../loop/up-process.ts'
import {creo} from '../support/processes.ts'

const CHROMIUM = findProgram('chromium')
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const TIMEOUT_MS = 300_000
/** For a word to come on the page. */
const WAIT_MAX_MS = 15_000
const PASSPHRASE = 'four words nobody guesses'
const LEAF = 'colibris/LEAF'
const WIDTHS = [360, 1440] as const
const PAGES = ['', 'market/colibris/LEAF', 'offers', 'swap', 'portfolio', 'account', 'emission', 'settings'] as const

/** The exchange that the tour deploys: through gateway, tunnel and miner from a container, in a real browser. A minute and a half on an idle machine. */
describe.runIf(process.env.CREO_TEST_TIER === 'long' && CHROMIUM !== undefined)(
  `the exchange’s page in a browser${CHROMIUM === undefined ? ' (not here: chromium)' : ''}`,
  () => {
    let browser: Browser
    let url: string
    let env: NodeJS.ProcessEnv
    let stop: () => Promise<void>

    beforeAll(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'creo-page-'))
      const data = join(folder, 'network')
      const up = spawnUp(folder, ['--tour', '--data', data])
      let said = ''
      up.child.stdout?.on('data', (chunk) => {
        said += chunk
      })
      await up.said('Ctrl-C stops everything.')
      const address = (): string | undefined => /http:\/\/\S+\/@exchange--creometry\//.exec(said)?.[0]
      url = await vi.waitUntil(address, {timeout: 30_000})
      env = {...process.env, CREO_CONFIG_DIR: join(data, 'config')}
      await command('trade', 'sell', LEAF, '400', '--price', '0.5', '--as', 'colibris')
      browser = await chromium.launch({executablePath: CHROMIUM ?? '', args: ['--no-sandbox']})
      stop = async () => {
        await browser.close()
        up.child.kill('SIGINT')
        await up.ended
        await rm(folder, {recursive: true, force: true})
      }
    }, TIMEOUT_MS)
    afterAll(() => stop?.(), TIMEOUT_MS)

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
      'nothing serious keeps anybody out of any page, light or dark, at a width of %i',
      async (width) => {
        const {page, context, troubles} = await openPage(width)
        await makeAccount(page, `axe-${width}`)
        const found: unknown[] = []
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({colorScheme, reducedMotion: 'reduce'})
          for (const path of PAGES) {
            await go(page, path)
            await page.getByRole('heading', {level: 1}).first().waitFor()
            found.push(...(await seriousFaults(page)).map((fault) => ({path, colorScheme, ...fault})))
            expect(
              await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
              `${path} is not wider than the screen`
            ).toBeLessThanOrEqual(0)
            await screenshot(page, `${path.replaceAll('/', '-') || 'markets'}-${width}-${colorScheme}`)
          }
        }
        expect(found).toEqual([])
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

    async function command(...args: readonly string[]): Promise<Record<string, unknown>> {
      const {code, stdout, stderr} = await creo([...args, '--json'], {env})
      expect(code, stdout + stderr).toBe(0)
      return JSON.parse(stdout)
    }

    async function openPage(width: number): Promise<{readonly page: Page; readonly context: BrowserContext; readonly troubles: string[]}> {
      const context = await browser.newContext({viewport: {width, height: width < 600 ? 740 : 900}})
      const page = await context.newPage()
      page.setDefaultTimeout(WAIT_MAX_MS)
      const troubles: string[] = []
      page.on('pageerror', (error) => troubles.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') troubles.push(message.text())
      })
      await page.goto(url)
      await page.getByText('LEAF').first().waitFor()
      return {page, context, troubles}
    }

    async function go(page: Page, path: string): Promise<void> {
      await page.evaluate(`location.hash = ${JSON.stringify(`#/${path}`)}`)
    }

    async function makeAccount(page: Page, name: string): Promise<string> {
      await go(page, 'account')
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Passphrase').fill(PASSPHRASE)
      await page.getByRole('button', {name: 'Next'}).click()
      const words = await page.locator('ol li').allInnerTexts()
      expect(words).toHaveLength(12)
      await page.getByLabel('I have written them down.').check()
      await page.getByRole('button', {name: `Make ${name}`}).click()
      await page.getByRole('heading', {name}).waitFor()
      return words.map((word) => word.trim()).join(' ')
    }

    async function unlock(page: Page): Promise<void> {
      await go(page, 'account')
      await page.getByLabel('Passphrase').fill(PASSPHRASE)
      await page.getByRole('button', {name: 'Open the key'}).click()
      await page.getByText('Your key is open').waitFor()
    }

    async function restore(page: Page, name: string, words: string): Promise<void> {
      await go(page, 'account')
      await page.getByRole('radio', {name: 'Bring one back'}).check({force: true})
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Recovery words').fill(words)
      await page.getByLabel('Passphrase for this browser').fill(PASSPHRASE)
      await page.getByRole('button', {name: 'Bring one back'}).click()
      await page.getByRole('heading', {name}).waitFor()
    }

    async function order(page: Page, {amount, price}: {readonly amount: string; readonly price: string}): Promise<void> {
      await page.getByLabel('Amount').fill(amount)
      await page.getByLabel('Price for one unit').fill(price)
      await page.getByRole('button', {name: 'Buy LEAF'}).click()
    }
  }
)

let source: string | undefined

/** Of kind "serious" and "critical", as axe-core names them. */
async function seriousFaults(page: Page): Promise<readonly {readonly id: string; readonly where: string}[]> {
  source ??= await readFile(AXE, 'utf8')
  await page.evaluate(source)
  return await page.evaluate(async () => {
    const {axe} = globalThis as unknown as {
      axe: {run(): Promise<{violations: {id: string; impact: string; nodes: {target: string[]}[]}[]}>}
    }
    const {violations} = await axe.run()
    return violations
      .filter(({impact}) => impact === 'serious' || impact === 'critical')
      .map(({id, nodes}) => ({id, where: nodes.map(({target}) => target.join(' ')).join(', ')}))
  })
}

/** For who wants to look: CREO_SCREENSHOTS names a folder. */
async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CREO_SCREENSHOTS
  if (folder !== undefined) await page.screenshot({path: join(folder, `${name}.png`), fullPage: true})
}
