import {randomBytes} from 'node:crypto'
import {cp, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {Page} from 'playwright-core'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {browserMissing, hasBrowser} from './browser.ts'
import {go, link, makeAccount, order, PASSPHRASE, screenshot, seriousFaults} from './page-steps.ts'
import {type PageWorld, startPageWorld} from './page-world.ts'

const TIMEOUT_MS = 300_000
const LEAF = 'colibris/LEAF'
const EXAMPLE = fileURLToPath(new URL('../../examples/counter', import.meta.url))
const WIDTHS = [360, 1440] as const
/** Four pixels wide. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAQAAAADAQMAAACOOjyFAAAAA1BMVEULa0q7L8jZAAAAC0lEQVQI12NgAAEAAAYAAWb0yWwAAAAASUVORK5CYII=',
  'base64'
)

/** examples/counter as its README says, on the tour's network: page, server, exchange and both keys as people have them. */
describe.runIf(process.env.CREO_TEST_TIER === 'long' && hasBrowser)(`a shop's counter in a browser${browserMissing}`, () => {
  let world: PageWorld
  let folder: string
  let exchange: string
  let counter: string
  const command: PageWorld['command'] = (...args) => world.command(...args)

  beforeAll(async () => {
    world = await startPageWorld()
    const {port} = new URL(world.url)
    // Each app is an origin of its own there, as under a domain.
    exchange = `http://exchange--creometry.localhost:${port}/`
    counter = `http://counter--colibris.localhost:${port}/`
    folder = await mkdtemp(join(tmpdir(), 'creo-counter-'))
    await cp(EXAMPLE, folder, {recursive: true})
    const manifest = join(folder, 'creo.yaml')
    const values = {NETWORK: String((await command('network', 'show')).networkId), ORIGIN: new URL(counter).origin, EXCHANGE: exchange}
    const text = await readFile(manifest, 'utf8')
    await writeFile(
      manifest,
      Object.entries(values).reduce((all, [name, value]) => all.replace(`${name}: ""`, `${name}: ${JSON.stringify(value)}`), text)
    )
    const secret = join(folder, 'secret')
    await writeFile(secret, randomBytes(32).toString('base64url'))
    await command('secrets', 'set', 'colibris/counter', 'SESSION_SECRET', '--from-file', secret, '--as', 'colibris')
    await command('deploy', folder, '--as', 'colibris')
    await command('redemption', 'webhook', 'set', `http://127.0.0.1:${port}/@counter--colibris/api/webhook`, '--as', 'colibris')
    expect(await command('redemption', 'webhook', 'test', '--as', 'colibris')).toMatchObject({status: 200})
    const picture = join(folder, 'tea.png')
    await writeFile(picture, PNG)
    await command('offer', 'add', LEAF, '--item', 'Tea', '--price', '1.5', '--stock', '3', '--picture', picture, '--as', 'colibris')
    await command('incentive', 'limit', LEAF, '100', '--owner-share', '100', '--as', 'colibris')
    await command('trade', 'sell', LEAF, '100', '--price', '0.5', '--as', 'colibris')
  }, TIMEOUT_MS)
  afterAll(async () => {
    await world?.stop()
    await rm(folder, {recursive: true, force: true})
  }, TIMEOUT_MS)

  async function openKey(page: Page): Promise<void> {
    await page.getByLabel('Passphrase').fill(PASSPHRASE)
    await page.getByRole('button', {name: 'Open the key'}).click()
  }

  async function signIn(page: Page, name: string): Promise<void> {
    await page.goto(counter)
    await page.getByRole('button', {name: 'Sign in with creo'}).click()
    await openKey(page)
    await page.getByText('counter--colibris.localhost').waitFor()
    await page.getByRole('button', {name: `Sign in as ${name}`}).click()
    await page.getByText(`Welcome, ${name}.`).waitFor()
  }

  async function looked(page: Page, name: string): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({colorScheme, reducedMotion: 'reduce'})
      expect(await seriousFaults(page), `${name} ${colorScheme}`).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), name).toBeLessThanOrEqual(0)
      await screenshot(page, `${name}-${colorScheme}`)
    }
  }

  test.each(WIDTHS)(
    'a customer pays with LEAF, the stock falls, and the shopkeeper hands over by the code, at a width of %i',
    async (width) => {
      const name = `kim-${width}`
      const {page, context, troubles} = await world.openPage(width)
      await page.goto(exchange)
      await makeAccount(page, name)
      await command('account', 'pay', name, '3', 'gutta', '--as', 'ben', '--yes')
      await go(page, 'market/colibris/LEAF')
      await order(page, {amount: '4', price: '0.5'})
      await page.getByText('4 LEAF traded for 2 Gutta').waitFor()

      await signIn(page, name)
      await page.getByText('You have 4 LEAF.').waitFor()
      const tea = page
        .getByRole('listitem')
        .filter({has: page.getByRole('heading', {name: 'Tea'})})
        .first()
      const left = Number(/\d+/.exec(await tea.getByText(/left$/).innerText())?.[0])
      await looked(page, `counter-customer-${width}`)
      await tea.getByRole('button', {name: 'Pay 1.5 LEAF'}).click()
      await openKey(page)
      await page.getByRole('button', {name: 'Redeem for 1.5 LEAF'}).waitFor()
      const shown = page.locator('.picture img')
      await shown.waitFor()
      expect(await shown.evaluate((image) => (image as unknown as {naturalWidth: number}).naturalWidth)).toBe(4)
      await looked(page, `counter-ask-${width}`)
      await page.getByRole('button', {name: 'Redeem for 1.5 LEAF'}).dblclick()
      await page.getByText(/^Paid: red_\d+/).waitFor()
      await page.getByText('You have 2.5 LEAF.').waitFor()
      await page
        .getByText(`${left - 1} left`)
        .first()
        .waitFor()
      await page.reload()
      await page.getByText('Waits for you at the counter').waitFor()
      await page.getByRole('link', {name: 'Show the code'}).click()
      await page.getByRole('link', {name: 'Open your key'}).click()
      await openKey(page)
      await page.goBack()
      const code = await page
        .getByText(/^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/i)
        .first()
        .innerText()

      const {page: keeper, context: other, troubles: keeperTroubles} = await world.openPage(width)
      const {token} = await command('account', 'invite', 'treasurer', '--as', 'colibris')
      await keeper.goto(exchange)
      await link(keeper, String(token), 'colibris')
      await signIn(keeper, 'colibris')
      await keeper
        .getByText(/was paid for$/)
        .first()
        .waitFor()
      await looked(keeper, `counter-keeper-${width}`)
      await keeper.getByLabel('The customer’s code').fill('0000-0000-0000')
      await keeper.getByRole('button', {name: 'Hand over'}).first().click()
      await keeper.locator('#said.wrong').waitFor()
      await keeper.getByLabel('The customer’s code').fill(code.toLowerCase().replaceAll('-', ' '))
      await keeper.getByRole('button', {name: 'Hand over'}).first().click()
      await openKey(keeper)
      await keeper.getByText('1 × Tea').waitFor()
      await keeper.getByRole('button', {name: 'Hand over'}).click()
      await keeper.getByText(/^red_\d+ is handed over\.$/).waitFor()
      await keeper
        .getByText(/was handed over$/)
        .first()
        .waitFor()
      await page.goto(counter)
      await page.getByText('Handed over').first().waitFor()
      expect([...troubles, ...keeperTroubles]).toEqual([])
      await Promise.all([context.close(), other.close()])
    },
    TIMEOUT_MS
  )
})
