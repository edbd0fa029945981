import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, vi} from 'vitest'
import {spawnUp} from '../loop/up-process.ts'
import {creo} from '../support/processes.ts'
import {type OpenPage, startBrowser} from './browser.ts'

export interface PageWorld {
  /** Of the exchange, by the gateway. */
  readonly url: string
  /** A command of creo, which must succeed, and its JSON. */
  readonly command: (...args: readonly string[]) => Promise<Record<string, unknown>>
  readonly openPage: (width: number, locale?: string) => Promise<OpenPage>
  readonly stop: () => Promise<void>
}

/** The tour's network, with the exchange in a container, and a browser. */
export async function startPageWorld(): Promise<PageWorld> {
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
  const browser = await startBrowser()
  return {
    url,
    command: async (...args) => {
      const {code, stdout, stderr} = await creo([...args, '--json'], {env})
      expect(code, stdout + stderr).toBe(0)
      return JSON.parse(stdout)
    },
    openPage: (width, locale) => browser.open({url, width, ...(locale && {locale})}),
    stop: async () => {
      await browser.close()
      up.child.kill('SIGINT')
      await up.ended
      await rm(folder, {recursive: true, force: true})
    }
  }
}
