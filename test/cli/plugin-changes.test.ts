import {type ChildProcess, spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {create} from 'tar'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {keepPlugins} from '../../src/cli/plugin-backup.ts'
import {changePlugins} from '../../src/cli/plugin-changes.ts'
import {creo, ended} from '../support/processes.ts'
import {writeShownPlugin} from '../support/shown-plugins.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const TIMEOUT_MS = 60_000
let folder: string
let data: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-plugin-changes-'))
  data = join(folder, 'data')
  mkdirSync(join(data, 'plugin-archives'), {recursive: true})
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('a signal ends what works for a change of plugins, and what was written meanwhile is taken back', async () => {
  let working: ChildProcess | undefined
  const change = changePlugins(data, async () => {
    writeFileSync(join(data, 'package.json'), '{"oclif": {"plugins": ["creo-half"]}}')
    mkdirSync(join(data, 'node_modules/creo-half'), {recursive: true})
    working = spawn('sleep', ['60'])
    setImmediate(() => process.emit('SIGINT', 'SIGINT'))
    const [, signal] = await once(working, 'exit')
    throw new Error(`It ended by ${String(signal)}.`)
  })
  await expect(change).rejects.toMatchObject({code: 'interrupted', cause: {message: 'It ended by SIGTERM.'}})
  expect(readdirSync(data)).toEqual(['plugin-archives'])
})

test('what a killed change left half done is put back by the next one', async () => {
  const packages = join(data, 'node_modules')
  mkdirSync(join(packages, 'creo-one/commands'), {recursive: true})
  writeFileSync(join(packages, 'creo-one/commands/one.js'), 'whole')
  writeFileSync(join(packages, '.package-lock.json'), 'places')
  symlinkSync('creo-one', join(packages, 'linked'))
  writeFileSync(join(data, 'package.json'), 'before')
  await keepPlugins(data, join(data, 'plugin-archives/.before'))
  rmSync(join(packages, 'creo-one'), {recursive: true})
  mkdirSync(join(packages, 'creo-half'))
  for (const name of ['package.json', 'package-lock.json', 'node_modules/.package-lock.json']) writeFileSync(join(data, name), 'half')
  await changePlugins(data, async () => {
    expect(readFileSync(join(data, 'package.json'), 'utf8')).toBe('before')
    expect(readFileSync(join(packages, 'linked/commands/one.js'), 'utf8')).toBe('whole')
    expect(readFileSync(join(packages, '.package-lock.json'), 'utf8')).toBe('places')
  })
  expect(readdirSync(packages).sort()).toEqual(['.package-lock.json', 'creo-one', 'linked'])
  expect(readdirSync(data).sort()).toEqual(['node_modules', 'package.json', 'plugin-archives'])
  expect(readdirSync(join(data, 'plugin-archives'))).toEqual([])
})

test('archives that no plugin came from are gone after a change, also after one that failed', async () => {
  const archives = join(data, 'plugin-archives')
  for (const name of ['creo-one-1.tgz', 'creo-two-1.tgz']) writeFileSync(join(archives, name), '')
  const record = (...names: readonly string[]): void => {
    const plugins = names.map((name) => ({name, url: `file:${join(archives, `${name}-1.tgz`)}`}))
    writeFileSync(join(data, 'package.json'), JSON.stringify({oclif: {plugins}}))
  }
  record('creo-one', 'creo-two')
  await changePlugins(data, async () => record('creo-one'))
  expect(readdirSync(archives)).toEqual(['creo-one-1.tgz'])
  writeFileSync(join(archives, 'creo-new-1.tgz'), '')
  const failing = changePlugins(data, () => Promise.reject(new Error('no')))
  await expect(failing).rejects.toThrow('no')
  expect(readdirSync(archives)).toEqual(['creo-one-1.tgz'])
})

/** By npm itself: a quarter of a minute. */
describe.runIf(process.env.CREO_TEST_TIER === 'long')('plugins of a registry', () => {
  test(
    'stay what they are when an install is interrupted, when a newer one does not install, and when the registry is gone',
    async () => {
      const plugin = await writeShownPlugin('creo-hello', folder)
      const registry = await registryOf(plugin)
      const env = {
        ...process.env,
        CREO_DATA_DIR: data,
        CREO_CONFIG_DIR: join(folder, 'config'),
        CREO_NPM_REGISTRY: registry.url,
        npm_config_cache: join(folder, 'npm'),
        npm_config_fetch_retry_mintimeout: '1',
        npm_config_fetch_retry_maxtimeout: '1'
      }
      const said = async (...args: string[]) => await creo(['plugins', ...args], {env})
      const interrupted = async () => {
        const child = spawn(process.execPath, [CREO, 'plugins', 'install', 'creo-hello', '--json'], {
          env,
          stdio: ['ignore', 'pipe', 'pipe']
        })
        const end = ended(child)
        await registry.held()
        child.kill('SIGINT')
        const {code, stdout, stderr} = await end
        expect(stderr).not.toContain('exited with code')
        return [code, (JSON.parse(stdout) as {error: {code: string}}).error.code]
      }
      try {
        registry.publish('1.0.0', {holds: true})
        expect(await interrupted()).toEqual([130, 'interrupted'])
        expect(readdirSync(data)).toEqual(['plugin-archives'])

        registry.publish('1.0.0', {holds: false})
        expect(await said('install', 'creo-hello')).toMatchObject({code: 0})
        registry.publish('2.0.0', {holds: true})
        expect(await interrupted()).toEqual([130, 'interrupted'])
        expect((await creo(['hello', 'Ada'], {env})).stdout).toBe('Hello, Ada!\n')

        const failing = join(folder, 'failing')
        cpSync(plugin, failing, {recursive: true})
        const manifest = {...json(join(plugin, 'package.json')), version: '3.0.0', scripts: {postinstall: 'exit 3'}}
        writeFileSync(join(failing, 'package.json'), JSON.stringify(manifest))
        expect(await said('install', failing)).toMatchObject({code: 1})
        expect((await creo(['hello', 'Ada'], {env})).stdout).toBe('Hello, Ada!\n')

        registry.publish('2.0.0', {holds: false})
        expect((await said('update')).stdout).toBe('creo-hello: 1.0.0 is now 2.0.0.\n')
        registry.close()
        expect(await said('update', '--json')).toMatchObject({code: 5, stdout: expect.stringContaining('unavailable')})
        expect(JSON.parse((await said('--json')).stdout)).toMatchObject({
          plugins: [{name: 'creo-hello', version: '2.0.0', source: 'registry'}]
        })
        expect(await said('uninstall', 'creo-hello')).toMatchObject({code: 0})
        expect(existsSync(join(data, 'node_modules/creo-hello'))).toBe(false)
      } finally {
        registry.close()
      }
    },
    TIMEOUT_MS
  )
})

/** A registry of one package, which can hold back the archive that it is asked for. */
async function registryOf(plugin: string) {
  let archive = Buffer.alloc(0)
  let manifest: {readonly version: string} = {version: ''}
  let holds = false
  let asked = Promise.withResolvers<void>()
  const server = createServer(({url = ''}, response) => {
    if (url.endsWith('.tgz')) {
      return holds ? asked.resolve() : response.end(archive)
    }
    if (!url.startsWith('/creo-hello')) return response.writeHead(404).end('{}')
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
    const version = {...manifest, dist: {tarball: `${address()}/creo-hello-${manifest.version}.tgz`, integrity}}
    response.end(JSON.stringify({name: 'creo-hello', 'dist-tags': {latest: manifest.version}, versions: {[manifest.version]: version}}))
  })
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `${address()}/`,
    publish: (version: string, how: {readonly holds: boolean}): void => {
      holds = how.holds
      manifest = {...json(join(plugin, 'package.json')), version}
      writeFileSync(join(plugin, 'package.json'), JSON.stringify(manifest))
      create({file: join(plugin, '../packed.tgz'), gzip: true, cwd: plugin, prefix: 'package', sync: true}, ['package.json', 'commands'])
      archive = readFileSync(join(plugin, '../packed.tgz'))
    },
    /** Resolves at the next request for an archive that is held back. */
    held: async (): Promise<void> => {
      await asked.promise
      asked = Promise.withResolvers()
    },
    close: (): void => {
      server.closeAllConnections()
      server.close()
    }
  }
}

function json(path: string): {readonly version: string} {
  return JSON.parse(readFileSync(path, 'utf8')) as {version: string}
}
