import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type BrowserContext, chromium, type Page} from 'playwright-core'
import {expect, vi} from 'vitest'
import {spawnUp} from '../loop/up-process.ts'
import {creo} from '../support/processes.ts'

/** For a word to come on the page. */
const WAIT_MAX_MS = 15_000

export interface OpenPage {
  readonly page: Page
  readonly context: BrowserContext
  /** Errors of scripts and of the browser, as they come. */
  readonly troubles: string[]
}

export interface PageWorld {
  /** Of the exchange, by the gateway. */
  readonly url: string
  /** A command of creo, which must succeed, and its JSON. */
  readonly command: (...args: readonly string[]) => Promise<Record<string, unknown>>
  readonly openPage: (width: number) => Promise<OpenPage>
  readonly stop: () => Promise<void>
}

/** The tour's network, with the exchange in a container, and a browser. */
export async function startPageWorld(executablePath: string): Promise<PageWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'creo-page-'))
  const data = join(folder, 'network')
  const up = spawnUp(folder, ['--tour', '--data', data])
  let said = ''
  up.child.stdout?.on('data', (chunk) => {
    said += chunk
  })
  await up.said('Ctrl-C stops everything.')
  const address = (): string | undefined => /http:\/\/\S+\/@exchange--creometry\//.exec(said)?.[0]
  const url = await vi.waitUntil(address, {timeout: 30_000})
  const env = {...process.env, CREO_CONFIG_DIR: join(data, 'config')}
  const browser = await chromium.launch({executablePath, args: ['--no-sandbox']})
  return {
    url,
    command: async (...args) => {
      const {code, stdout, stderr} = await creo([...args, '--json'], {env})
      expect(code, stdout + stderr).toBe(0)
      return JSON.parse(stdout)
    },
    openPage: async (width) => {
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
    },
    stop: async () => {
      await browser.close()
      up.child.kill('SIGINT')
      await up.ended
      await rm(folder, {recursive: true, force: true})
    }
  }
}
