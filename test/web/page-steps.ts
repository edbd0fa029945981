import {readFile} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {join} from 'node:path'
import type {Page} from 'playwright-core'
import {expect} from 'vitest'

/** What a person does on the exchange's page, step by step. */

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** Lists go on below. */
const PICTURE_HEIGHT_MAX = 2600
export const PASSPHRASE = 'four words nobody guesses'

export async function go(page: Page, path: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#/${path}`)}`)
}

export async function makeAccount(page: Page, name: string): Promise<string> {
  const words = await askForAccount(page, name)
  await page.getByRole('heading', {name}).waitFor()
  return words
}

/** The same, without waiting for what becomes of it. */
export async function askForAccount(page: Page, name: string): Promise<string> {
  await go(page, 'account')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', {name: 'Next'}).click()
  await page.locator('ol li').nth(11).waitFor()
  const words = await page.locator('ol li').allInnerTexts()
  expect(words).toHaveLength(12)
  await page.getByLabel('I have written them down.').check()
  await page.getByRole('button', {name: `Make ${name}`}).click()
  return words.map((word) => word.trim()).join(' ')
}

export async function unlock(page: Page): Promise<void> {
  await go(page, 'account')
  await page.getByLabel('Passphrase').fill(PASSPHRASE)
  await page.getByRole('button', {name: 'Open the key'}).click()
  await page.getByText('Your key is open').waitFor()
}

export async function link(page: Page, token: string, name: string): Promise<void> {
  await fillLink(page, token)
  await page.getByRole('heading', {name}).waitFor()
}

/** The same, without waiting for what becomes of it. */
export async function fillLink(page: Page, token: string): Promise<void> {
  await go(page, 'account')
  await page.getByRole('radio', {name: 'Link one'}).check({force: true})
  await page.getByLabel('Invitation').fill(token)
  await page.getByLabel('Passphrase for this browser').fill(PASSPHRASE)
  await page.getByRole('button', {name: 'Next'}).click()
  await page.getByLabel('I have written them down.').check()
  await page.getByRole('button', {name: 'Link this browser'}).click()
}

export async function restore(page: Page, name: string, words: string): Promise<void> {
  await fillRestore(page, name, words)
  await page.getByRole('button', {name: 'Bring one back'}).click()
  await page.getByRole('heading', {name}).waitFor()
}

export async function fillRestore(page: Page, name: string, words: string): Promise<void> {
  await go(page, 'account')
  await page.getByRole('radio', {name: 'Bring one back'}).check({force: true})
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Recovery words').fill(words)
  await page.getByLabel('Passphrase for this browser').fill(PASSPHRASE)
}

export async function order(page: Page, {amount, price}: {readonly amount: string; readonly price: string}): Promise<void> {
  await page.getByLabel('Amount').fill(amount)
  await page.getByLabel('Price for one unit').fill(price)
  await page.getByRole('button', {name: 'Buy LEAF'}).click()
}

/** What a finger misses: controls that are lower or narrower than 44 pixels, but for links within a sentence. */
export function smallTargets(page: Page): Promise<readonly string[]> {
  return page.evaluate(SMALL_TARGETS)
}

const SMALL_TARGETS = `(() => {
  const least = 43.5
  const words = (of) => (of?.textContent ?? '').trim()
  return [...document.querySelectorAll('a[href], button:not(.skip), select, summary, input, textarea')].flatMap((control) => {
    const shown = control.matches('[type="radio"], [type="checkbox"]') ? (control.closest('label') ?? control) : control
    const {width, height} = shown.getBoundingClientRect()
    const sentence = words(control.closest('p, li, td, th, dd, h2, small'))
    const isInSentence = control.matches('a') && getComputedStyle(control).display === 'inline' && sentence !== words(control)
    if (width === 0 || (width >= least && height >= least) || isInSentence) return []
    return [control.tagName + ' ' + control.className + ' "' + words(control).slice(0, 30) + '" ' + Math.round(width) + '×' + Math.round(height)]
  })
})()`

let source: string | undefined

/** Of kind "serious" and "critical", as axe-core names them. */
export async function seriousFaults(page: Page): Promise<readonly {readonly id: string; readonly where: string}[]> {
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
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.CREO_SCREENSHOTS
  const size = page.viewportSize()
  if (folder === undefined || size === null) return
  // As tall as it takes, so that what stays at an edge of the screen stands there.
  const height = await page.evaluate<number>('document.documentElement.scrollHeight')
  await page.setViewportSize({width: size.width, height: Math.min(PICTURE_HEIGHT_MAX, Math.max(size.height, height))})
  await page.screenshot({path: join(folder, `${name}.png`)})
  await page.setViewportSize(size)
}
