import {type BrowserContext, chromium, type Page} from 'playwright-core'
import {expect} from 'vitest'
import {findProgram} from '../../packaging/setup/child.mjs'

/** For a word to come on the page. */
const WAIT_MAX_MS = 15_000
const CHROMIUM = findProgram('chromium')

/** Where none is installed the tests of the page are left out; under CI they fail. */
export const hasBrowser = CHROMIUM !== undefined || process.env.CI !== undefined
export const browserMissing = CHROMIUM === undefined ? ' (not here: chromium)' : ''

export interface OpenPage {
  readonly page: Page
  readonly context: BrowserContext
  /** Errors of scripts and of the browser, as they come. */
  readonly troubles: string[]
  /** Another tab of the same browser. */
  readonly openTab: () => Promise<Page>
}

export interface Browser {
  readonly open: (options: {readonly url: string; readonly width: number; readonly locale?: string}) => Promise<OpenPage>
  readonly close: () => Promise<void>
}

/** Debian's Chromium, each page that is opened a browser of its own. */
export async function startBrowser(): Promise<Browser> {
  expect(CHROMIUM, 'the program chromium').toBeDefined()
  const browser = await chromium.launch({executablePath: String(CHROMIUM), args: ['--no-sandbox']})
  return {
    close: () => browser.close(),
    open: async ({url, width, locale = 'en-GB'}) => {
      const context = await browser.newContext({locale, viewport: {width, height: width < 600 ? 740 : 900}})
      const troubles: string[] = []
      const openTab = async (): Promise<Page> => {
        const page = await context.newPage()
        page.setDefaultTimeout(WAIT_MAX_MS)
        page.on('pageerror', (error) => troubles.push(error.message))
        page.on('console', (message) => {
          if (message.type() === 'error') troubles.push(message.text())
        })
        await page.goto(url)
        await page.getByText('LEAF').first().waitFor()
        return page
      }
      return {page: await openTab(), context, troubles, openTab}
    }
  }
}
