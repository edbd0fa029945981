import {once} from 'node:events'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Config, Errors} from '@oclif/core'
import {execa} from 'execa'
import {create} from 'tar'
import {afterAll, expect, onTestFinished, test, vi} from 'vitest'
import {guardHooks} from '../../src/cli/broken-plugins.ts'
import {assertPluginArchive, assertPublishedPlugin, pluginError} from '../../src/cli/plugin-check.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const base = mkdtempSync(join(tmpdir(), 'creo-broken-plugins-'))
afterAll(() => rmSync(base, {recursive: true, force: true}))

/** What is wrong with each, and what is said of it. */
const BROKEN = {
  throws: {files: {'commands/bad.js': "throw new Error('no luck')"}, said: 'its command bad: no luck'},
  syntax: {files: {'commands/bad.js': 'export default class {{{'}, said: "its command bad: Unexpected token '{'"},
  missing: {files: {'commands/bad.js': "import 'not-there'"}, said: "Cannot find package 'not-there'"},
  manifest: {files: {'oclif.manifest.json': '{ not json'}, said: 'Expected property name'},
  addon: {
    files: {
      'addon.node': elfForProcessor(0xffff),
      'commands/bad.js': "process.dlopen({exports: {}}, new URL('../addon.node', import.meta.url).pathname)"
    },
    said: `its command bad: an addon does not load on ${process.platform}-${process.arch}: `
  },
  init: {files: {'hook.js': "export default async function () { this.error('not today') }"}, said: 'its hook init: not today'},
  gone: {files: {}, said: 'ENOENT'},
  escapes: {files: {'commands/bad.js': "throw new Error('\\u001b[2J\\u202e')"}, said: 'its command bad: '}
} as const

test('each broken plugin is named in one line and left out; what was asked goes on', {timeout: 60_000}, async () => {
  const plugins = Object.entries(BROKEN).map(([name, {files}]) => ({name: `creo-${name}`, type: 'link', root: plugin(name, files)}))
  rmSync(join(base, 'gone'), {recursive: true})
  const whole = {name: 'creo-whole', type: 'link', root: plugin('whole', {'commands/whole.js': command('whole')})}
  mkdirSync(join(base, 'data'))
  writeFileSync(join(base, 'data/package.json'), JSON.stringify({name: 'creo', oclif: {plugins: [...plugins, whole], schema: 1}}))
  const env = {...process.env, CREO_DATA_DIR: join(base, 'data'), CREO_CONFIG_DIR: join(base, 'config'), FORCE_COLOR: '0'}
  const creo = (...args: string[]) => execa(process.execPath, [CREO, ...args], {env, cwd: base})
  const {stdout, stderr} = await creo('network', 'list', '--json')
  expect(JSON.parse(stdout)).toMatchObject({networks: []})
  const lines = stderr.split('\n').sort()
  expect(lines).toEqual(
    Object.keys(BROKEN)
      .sort()
      .map((name) =>
        expect.stringMatching(
          new RegExp(`^The plugin creo-${name} is broken \\(.*\\)\\. Mend it, or: creo plugins uninstall creo-${name}$`)
        )
      )
  )
  for (const {said} of Object.values(BROKEN)) expect(stderr).toContain(said)
  for (const trick of ['\u001b', '\u202e']) expect(stderr).not.toContain(trick)
  expect((await creo('whole')).stdout).toBe('whole')
})

test('a hook that never ends is left behind, and one of creo itself may still end the command', async () => {
  const original = Config.prototype.runHook
  onTestFinished(() => {
    Config.prototype.runHook = original
  })
  const config = await Config.load({root: fileURLToPath(new URL('../../', import.meta.url)), userPlugins: false})
  const hangs = plugin('hangs', {'hook.js': 'export default () => new Promise(() => undefined)'})
  const {Plugin} = await import('@oclif/core')
  const hanging = new Plugin({root: hangs, type: 'link', name: 'creo-hangs'})
  await hanging.load()
  config.plugins.set('creo-hangs', hanging)
  const tell = vi.fn()
  guardHooks(tell, 20)
  await config.runHook('init', {id: 'x', argv: []})
  expect(tell.mock.calls).toEqual([['creo-hangs', 'its hook init: Timed out after 20 ms.']])
  hanging.type = 'core'
  await expect(config.runHook('init', {id: 'x', argv: []})).rejects.toThrow('Timed out')
})

test('a name that is no plugin of the registry is refused before anything is installed, and the reason is the right one', {
  timeout: 60_000
}, async () => {
  const packages: Readonly<Record<string, object>> = {'/creo-good': {oclif: {commands: './commands'}}, '/creo-plain': {}}
  const server = createServer(({url = ''}, response) => {
    const found = packages[url]
    const version = {name: url.slice(1), version: '1.0.0', ...found}
    response.writeHead(found === undefined ? 404 : 200, {'content-type': 'application/json'})
    response.end(
      JSON.stringify(
        found === undefined ? {error: 'Not found'} : {...version, 'dist-tags': {latest: '1.0.0'}, versions: {'1.0.0': version}}
      )
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const {port} = server.address() as AddressInfo
  vi.stubEnv('CREO_NPM_REGISTRY', `http://127.0.0.1:${port}/`)
  vi.stubEnv('npm_config_cache', join(base, 'npm'))
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const codes = await Promise.allSettled(['creo-good', 'creo-plain', 'creo-good@9', 'creo-none'].map((name) => assertPublishedPlugin(name)))
  server.close()
  expect(codes.map((said) => (said.status === 'rejected' ? [said.reason.code, said.reason.message] : 'taken'))).toEqual([
    'taken',
    ['invalid_input', 'creo-plain is no plugin of creo: its package.json has no part "oclif".'],
    ['not_found', 'creo-good has no version 9.'],
    ['not_found', "npm's registry has no package creo-none."]
  ])
  vi.stubEnv('npm_config_fetch_retry_mintimeout', '1')
  vi.stubEnv('npm_config_fetch_retry_maxtimeout', '1')
  await expect(assertPublishedPlugin('creo-new')).rejects.toMatchObject({code: 'unavailable'})
})

test('an archive that is no plugin is refused before anything is installed', async () => {
  plugin('plain', {})
  writeFileSync(join(base, 'plain/package.json'), JSON.stringify({name: 'creo-plain', version: '1.0.0'}))
  const packed = async (name: string): Promise<string> => {
    const file = join(base, `${name}-packed.tgz`)
    await create({file, gzip: true, cwd: join(base, name), prefix: 'package'}, ['package.json'])
    return file
  }
  await expect(assertPluginArchive(await packed('whole'))).resolves.toBeUndefined()
  await expect(assertPluginArchive(await packed('plain'))).rejects.toMatchObject({code: 'invalid_input'})
  writeFileSync(join(base, 'noise.tgz'), 'no archive')
  await expect(assertPluginArchive(join(base, 'noise.tgz'))).rejects.toMatchObject({code: 'invalid_input'})
})

test.each([
  ['node npm-cli.js install x exited with code 1', {code: 'failed', message: 'npm could not install creo-x (exit code 1).'}],
  [
    'node npm-cli.js install x exited with code 228',
    {code: 'data_dir_unwritable', message: 'The disk is full: npm could not install creo-x.'}
  ],
  ['plugin is invalid', {code: 'invalid_input'}],
  ['creo-x is not installed', {code: 'not_found', message: 'No plugin creo-x is installed.'}],
  ['creo-x not installed', {code: 'not_found'}],
  ['Nonexistent flag: --x', undefined]
])('what the framework says of "%s" is said in our words', (message, said) => {
  const told = pluginError(new Errors.CLIError(message), ['plugins', 'install', '--force', 'creo-x'])
  if (said === undefined) expect(told).toBeUndefined()
  else expect(told).toMatchObject(said)
  expect(pluginError(new Errors.CLIError(message), ['deploy'])).toBeUndefined()
})

test('a folder without a plugin that is to be linked is named', () => {
  const error = new Errors.CLIError("could not find package.json with {\n  root: '/x/nowhere'\n}")
  const said = {code: 'not_found', message: 'No package.json of a plugin is in nowhere.'}
  expect(pluginError(error, ['plugins', 'link', '/x/nowhere'])).toMatchObject(said)
})

/** Writes a plugin's folder, and answers it. */
function plugin(name: string, files: Readonly<Record<string, string | Buffer>>, oclif: object | undefined = hooked(files)): string {
  const root = join(base, name)
  mkdirSync(join(root, 'commands'), {recursive: true})
  writeFileSync(join(root, 'package.json'), JSON.stringify({name: `creo-${name}`, version: '1.0.0', type: 'module', oclif}))
  for (const [path, text] of Object.entries(files)) writeFileSync(join(root, path), text)
  return root
}

function hooked(files: Readonly<Record<string, string | Buffer>>): object {
  return {commands: './commands', ...('hook.js' in files ? {hooks: {init: './hook.js'}} : {})}
}

function command(says: string): string {
  return `export default class { static id = '${says}'; static flags = {}; static args = {}; static async run() { console.log('${says}') } }`
}

/** The header of a shared library for a 64-bit processor of that number. */
function elfForProcessor(machine: number): Buffer {
  const header = Buffer.alloc(4096)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header)
  for (const [value, at] of [
    [3, 16],
    [machine, 18],
    [1, 20],
    [64, 52],
    [56, 54]
  ] as const)
    header.writeUInt16LE(value, at)
  return header
}
