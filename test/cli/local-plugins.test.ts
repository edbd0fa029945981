import {mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, expect, test} from 'vitest'
import {withLocalPlugins} from '../../src/cli/local-plugins.ts'
import {packPlugin} from '../../src/cli/pack-plugin.ts'
import {writeShownPlugin} from '../support/shown-plugins.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'creo-plugins-'))
mkdirSync(join(base, 'plugin'))
writeFileSync(join(base, 'plugin-1.0.0.tgz'), '')
afterAll(() => rmSync(base, {recursive: true, force: true}))

const checked: unknown[] = []
const means = {pack: async (folder: string) => `${folder}.packed`, check: async (given: unknown) => void checked.push(given)}

test.each([
  ['./plugin', `file:${base}/plugin.packed`],
  ['.', `file:${base}.packed`],
  [`${base}/plugin`, `file:${base}/plugin.packed`],
  ['plugin-1.0.0.tgz', `file:${base}/plugin-1.0.0.tgz`],
  ['creo-plugin', 'creo-plugin'],
  ['@owner/plugin@1.0.0', '@owner/plugin@1.0.0'],
  ['owner/repository', 'owner/repository'],
  ['https://example.com/plugin.tgz', 'https://example.com/plugin.tgz'],
  ['--force', '--force']
])('creo plugins install %s means %s', async (given, meant) => {
  expect(await withLocalPlugins(['plugins', 'install', given], base, means)).toEqual(['plugins', 'install', meant])
})

test('other commands keep their folders as they are', async () => {
  for (const args of [['deploy', './app'], ['plugins', 'link', './plugin'], ['plugins'], []])
    expect(await withLocalPlugins(args, base, means)).toEqual(args)
})

test('what is not there, and what is no plugin, is said to be so', async () => {
  await expect(withLocalPlugins(['plugins', 'install', './none'], base, means)).rejects.toMatchObject({code: 'not_found'})
  await expect(packPlugin(join(base, 'plugin'), {dataFolder: join(base, 'data')})).rejects.toMatchObject({code: 'not_found'})
})

test('plugins come from several folders, one as docs/PLUGINS.md shows it, each as itself, and stay as they are when one is installed anew', {
  timeout: 300_000
}, async () => {
  const env = {
    ...process.env,
    CREO_DATA_DIR: join(base, 'data'),
    CREO_CONFIG_DIR: join(base, 'config'),
    npm_config_cache: join(base, 'npm'),
    FORCE_COLOR: '0'
  }
  const creo = async (...args: string[]): Promise<string> => (await execa(process.execPath, [CREO, ...args], {env, cwd: base})).stdout
  writePlugin('one', 'first')
  await writeShownPlugin('creo-hello', base)
  await creo('plugins', 'install', './one')
  await creo('plugins', 'install', './creo-hello')
  expect(await creo('plugins')).toMatch(/creo-hello 1\.0\.0[\s\S]*creo-one 1\.0\.0/)
  writePlugin('one', 'second')
  await creo('plugins', 'install', './one')
  expect([await creo('one'), await creo('hello', 'Ada')]).toEqual(['second', 'Hello, Ada!'])
  expect(readdirSync(join(base, 'data/plugin-archives')).filter((name) => name.startsWith('creo-hello'))).toHaveLength(1)
})

function writePlugin(name: string, says: string): void {
  const folder = join(base, name)
  mkdirSync(join(folder, 'commands'), {recursive: true})
  const oclif = {commands: './commands'}
  writeFileSync(join(folder, 'package.json'), JSON.stringify({name: `creo-${name}`, version: '1.0.0', type: 'module', oclif}))
  const members = `static id = '${name}'; static flags = {}; static args = {}; static async run() { console.log('${says}') }`
  writeFileSync(join(folder, 'commands', `${name}.js`), `export default class { ${members} }`)
}
