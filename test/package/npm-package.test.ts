import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {publint} from 'publint'
import {list} from 'tar'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {PackageLock} from '../../packaging/package/app-files.ts'
import {makeNpmPackage, npmManifest} from '../../packaging/package/npm-package.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('what npm installs names no workspace and nothing of a checkout, and pins what is not bundled', () => {
  const manifest = npmManifest(json('package.json') as Record<string, unknown>, json('package-lock.json') as PackageLock)
  expect(Object.keys(manifest).sort()).toEqual(
    ['bin', 'dependencies', 'description', 'engines', 'exports', 'license', 'name', 'oclif', 'type', 'version'].sort()
  )
  expect(manifest.dependencies).toEqual({
    'better-sqlite3': expect.stringMatching(/^\d/),
    npm: expect.stringMatching(/^\d/),
    yarn: expect.stringMatching(/^\d/)
  })
})

/** Fetches the three packages that are not bundled. */
describe.runIf(process.env.CREO_TEST_TIER === 'long')('the package for npm', () => {
  let folder: string
  let archive: string
  let prefix: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'creo-npm-package-'))
    archive = await makeNpmPackage(root, join(folder, 'first'), AbortSignal.timeout(300_000))
    prefix = join(folder, 'prefix')
    await execa('npm', ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', archive], {
      env: environment()
    })
  }, 600_000)
  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  test('is the same, byte for byte, when it is made again', async () => {
    const again = await makeNpmPackage(root, join(folder, 'second'), AbortSignal.timeout(300_000))
    expect(readFileSync(again).equals(readFileSync(archive))).toBe(true)
  })

  test('holds every file that its package.json points to', async () => {
    const paths: string[] = []
    await list({file: archive, onReadEntry: ({path}) => paths.push(path)})
    const manifest = JSON.parse(readFileSync(join(prefix, 'lib/node_modules/creo/package.json'), 'utf8')) as {exports: object; bin: object}
    const named = [manifest.exports, manifest.bin].flatMap(filesIn)
    expect(named.length).toBeGreaterThan(3)
    expect(paths).toEqual(
      expect.arrayContaining([
        ...named.map((path) => path.replace(/^\.\//, 'package/')),
        'package/dist/core/errors.d.ts',
        'package/bundle/commands/update.js',
        'package/bundle/node_modules/@creometry/runtime-podman/dist/hook.js',
        'package/README.md'
      ])
    )
    expect(paths.filter((path) => /\/(src|test)\//.test(path.replace(/^package\/(apps|examples|packaging\/templates)\//, '')))).toEqual([])
  })

  test('is shaped as bundlers, TypeScript and Node expect it', async () => {
    const {messages} = await publint({pkgDir: join(prefix, 'lib/node_modules/creo'), pack: false, strict: true})
    expect(messages).toEqual([])
  })

  test('types the plugins of strangers', async () => {
    const hook = `import type {RuntimesHook} from 'creo/runtime'
const hook: RuntimesHook = async () => [{name: 'mine', create: async (tools) => { tools.log('info', 'made'); throw new tools.CreoError('failed', 'none') }}]
export default hook
`
    writeFileSync(join(prefix, 'lib', 'hook.mts'), hook)
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', '--types', 'node']
    const compiled = await execa(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), ...options, '--typeRoots', join(root, 'node_modules/@types'), 'hook.mts'],
      {
        cwd: join(prefix, 'lib'),
        reject: false
      }
    )
    expect([compiled.exitCode, compiled.stdout]).toEqual([0, ''])
  })

  test('runs the commands of developers and finds the runtimes', async () => {
    expect((await creo('--version')).stdout).toMatch(/^creo\/\d/)
    expect((await creo('up', '--help')).stdout).toContain('creo up')
    const doctor = JSON.parse((await creo('doctor', '--json')).stdout) as {findings: {check: string}[]}
    expect(doctor.findings.map(({check}) => check)).toEqual(expect.arrayContaining(['runtime podman', 'runtime containerd']))
    const data = join(folder, 'network')
    expect(JSON.parse((await creo('coordinator', 'init', '--data', data, '--json')).stdout)).toMatchObject({created: true})
    expect((await creo('update')).stderr).toMatch(/installed by npm.*\n.*\n.*npm install -g creo@latest/)
  })

  test('gives apps the client of a network, as one file without imports', async () => {
    const client = join(prefix, 'lib/node_modules/creo/bundle/client.js')
    expect(readFileSync(client, 'utf8')).not.toMatch(/\bimport\s*[("'{*]/)
    const script =
      "import {createWebKey, Network} from 'creo/client'; console.log((await createWebKey()).key.publicKey.length, typeof Network.connect)"
    writeFileSync(join(prefix, 'lib', 'app.mjs'), script)
    expect((await execa(process.execPath, [join(prefix, 'lib', 'app.mjs')])).stdout).toBe('43 function')
  })

  test('installs a plugin from a folder', async () => {
    const plugin = join(folder, 'plugin')
    mkdirSync(join(plugin, 'commands'), {recursive: true})
    const manifest = {name: 'creo-plugin-hello', version: '1.0.0', type: 'module', oclif: {commands: './commands'}}
    writeFileSync(join(plugin, 'package.json'), JSON.stringify(manifest))
    const command = "static id = 'hello'; static flags = {}; static args = {}; static async run() { console.log('hello') }"
    writeFileSync(join(plugin, 'commands', 'hello.js'), `export default class { ${command} }`)
    await creo('plugins', 'install', plugin)
    expect((await creo('hello')).stdout).toBe('hello')
  })

  async function creo(...args: readonly string[]): Promise<{readonly stdout: string; readonly stderr: string}> {
    return await execa(join(prefix, 'bin', 'creo'), args, {env: environment(), reject: false, cwd: folder})
  }

  function environment(): Record<string, string> {
    return {
      HOME: folder,
      XDG_CACHE_HOME: join(folder, 'cache'),
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_DATA_HOME: join(folder, 'data')
    }
  }
})

/** Every path that stands in a value. */
function filesIn(value: unknown): string[] {
  return typeof value === 'string' ? [value] : Object.values(value as object).flatMap(filesIn)
}

function json(name: string): unknown {
  return JSON.parse(readFileSync(join(root, name), 'utf8'))
}
