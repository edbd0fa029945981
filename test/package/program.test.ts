import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {sbom} from '../../packaging/package/sbom.ts'
import {makeSignedRelease} from '../support/signed-release.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const DOWNLOAD_BYTES_MAX = 40 * 1024 * 1024
const PROCESSES = 8
let folder: string
let creo: string

test('the list of what is in the program names its packages and Node, with their hashes and no developers’ tool', () => {
  const {components} = JSON.parse(sbom(root)) as {components: {name: string; purl: string; hashes?: object[]}[]}
  const names = components.map(({name}) => name)
  expect(names).toEqual(expect.arrayContaining(['node', 'zod', 'better-sqlite3', 'npm']))
  expect(names).not.toContain('vitest')
  expect(components.find(({name}) => name === 'zod')?.hashes).toHaveLength(1)
})

/** Half a minute on an idle machine, most of it for writing 130 MB again and again. */
describe.runIf(process.env.CREO_TEST_TIER === 'long' && process.platform === 'linux' && process.arch === 'x64')(
  'the packaged program',
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'creo-program-'))
      creo = await make('first')
    }, 600_000)
    afterAll(() => rmSync(folder, {recursive: true, force: true}))

    test('is the same, byte for byte, when it is made again', async () => {
      expect(digest(await make('second'))).toBe(digest(creo))
    })

    test('starts for the first time eight times at once, without Node and npm, and leaves one program', async () => {
      const home = newHome()
      const versions = await Promise.all(Array.from({length: PROCESSES}, () => run(home, '--version')))
      for (const {stdout} of versions) expect(stdout).toMatch(/^creo\/\S+ linux-x64 node-v24/)
      expect(readdirSync(join(home, '.cache/creo/program'))).toHaveLength(1)
    })

    test('goes on where it was moved to, and as before where files of its cache were deleted', async () => {
      const home = newHome()
      await run(home, '--version')
      const moved = join(folder, 'moved')
      copyFileSync(creo, moved)
      rmSync(join(cached(home), 'bundle'), {recursive: true})
      const {stdout, stderr} = await execa(moved, ['help'], {env: environment(home), extendEnv: false})
      expect(stdout).toContain('deploy')
      expect(stderr).toBe('')
    })

    test('is Node when it is given a script or called so, also for what that starts', async () => {
      const home = newHome()
      const script = join(folder, 'script.mjs')
      writeFileSync(
        script,
        `import {execFileSync} from 'node:child_process'
       const child = execFileSync(process.execPath, ['-p', '"child of " + process.argv0.split("/").at(-1)']).toString().trim()
       console.log(process.argv.slice(2).join(' '), '|', child)`
      )
      expect((await run(home, script, 'a', '--b')).stdout).toBe('a --b | child of node')
      const named = join(folder, 'bin', 'node')
      mkdirSync(join(folder, 'bin'), {recursive: true})
      copyFileSync(creo, named)
      const {stdout} = await execa(named, ['--max-semi-space-size=2', '-p', '6 * 7'], {env: environment(home), extendEnv: false})
      expect(stdout).toBe('42')
    })

    test('runs a coordinator, with its database, its threads and the settings that only Node itself can be started with', async () => {
      const home = newHome()
      const data = join(home, 'network')
      expect(JSON.parse((await run(home, 'coordinator', 'init', '--data', data, '--json')).stdout)).toMatchObject({created: true})
      const served = execa(creo, ['coordinator', 'serve', '--data', data, '--listen', '127.0.0.1:0', '--json'], {
        env: environment(home),
        extendEnv: false
      })
      const [line] = (await once(createInterface({input: served.stdout}), 'line')) as [string]
      const {pid, urls} = JSON.parse(line) as {pid: number; urls: {api: string}}
      expect((await fetch(`${urls.api}/v1/network`)).status).toBe(200)
      expect(readlinkSync(`/proc/${pid}/exe`)).toBe(join(cached(home), '..', 'bin', 'node'))
      expect(pid).toBe(served.pid)
      served.kill('SIGTERM')
      expect((await served).exitCode).toBe(0)
      expect(JSON.parse((await run(home, 'ledger', 'verify', '--data', data, '--json')).stdout)).toMatchObject({holds: true})
    })

    test('builds what creo init wrote upon a base of its own Node, with nothing of the machine but the libraries that its linker names', async () => {
      const home = newHome()
      const tools = join(home, 'tools')
      mkdirSync(tools)
      for (const name of ['ldd', 'bash']) symlinkSync(`/usr/bin/${name}`, join(tools, name))
      const inTools = {env: {...environment(home), PATH: tools}, extendEnv: false, cwd: home}
      await execa(creo, ['init', 'shop', '--org', 'colibris'], inTools)
      const {stdout} = await execa(creo, ['build', 'shop', '--json'], inTools)
      const [built] = (JSON.parse(stdout) as {images: object[]}).images
      expect(built).toMatchObject({architectures: ['amd64'], imageDigest: expect.stringMatching(/^sha256:/)})
      expect(readdirSync(join(home, '.local/share/creo/bases')).filter((name) => name.startsWith('node-amd64-'))).toHaveLength(1)
    })

    test('makes the base of Python, with the very digest that is pinned, from Debian’s packages', async () => {
      const home = newHome()
      const {bases: pinned} = JSON.parse(readFileSync(join(root, 'packaging/bases/bases.lock.json'), 'utf8')) as {
        bases: {python: string}
      }
      const env = {HOME: home, TMPDIR: tmpdir(), PATH: withoutNode()}
      const made = await execa(creo, ['bases', 'python', '--json'], {env, extendEnv: false, cwd: home})
      expect(JSON.parse(made.stdout)).toMatchObject({bases: [{base: 'python', digest: pinned.python, status: 'made'}]})
    }, 600_000)

    test('installs a plugin from a folder and from an archive, links and removes it', async () => {
      const home = newHome()
      const plugin = join(folder, 'plugin')
      mkdirSync(join(plugin, 'commands'), {recursive: true})
      const oclif = {commands: './commands', hooks: {runtimes: './hook.js'}}
      writeFileSync(join(plugin, 'package.json'), JSON.stringify({name: 'creo-plugin', version: '1.0.0', type: 'module', oclif}))
      writeFileSync(join(plugin, 'hook.js'), 'export default async () => []')
      const command = "static id = 'hello'; static flags = {}; static args = {}; static async run() { console.log('hello') }"
      writeFileSync(join(plugin, 'commands', 'hello.js'), `export default class { ${command} }`)
      await execa('npm', ['pack', plugin], {cwd: folder})
      for (const how of [
        ['install', plugin],
        ['install', join(folder, 'creo-plugin-1.0.0.tgz')],
        ['link', plugin, '--no-install']
      ]) {
        await run(home, 'plugins', ...how)
        expect((await run(home, 'hello')).stdout).toBe('hello')
        await run(home, 'plugins', 'uninstall', 'creo-plugin')
        expect((await run(home, 'plugins')).stdout).toContain('No plugins installed')
      }
    })

    test('installs a plugin by its name, whose addon, processes, threads and install script find the Node that came along, updates and removes it', async () => {
      const home = newHome()
      const registry = await npmRegistry()
      const tools = join(home, 'tools')
      mkdirSync(tools)
      symlinkSync('/bin/sh', join(tools, 'sh'))
      const inRegistry = {env: {...environment(home), PATH: tools, npm_config_registry: registry.url}, extendEnv: false}
      const creoSays = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await execa(creo, args, inRegistry)).stdout)
      try {
        await registry.publish(deepPlugin('1.0.0'))
        await execa(creo, ['plugins', 'install', 'creo-plugin-deep'], inRegistry)
        const found = {addon: 'object', forked: 42, threaded: 42, installedBy: expect.stringMatching(/^v24\./)}
        expect(await creoSays('deep')).toEqual({version: '1.0.0', ...found})
        await registry.publish(deepPlugin('1.1.0'))
        await execa(creo, ['plugins', 'update'], inRegistry)
        expect(await creoSays('deep')).toEqual({version: '1.1.0', ...found})
        await execa(creo, ['plugins', 'uninstall', 'creo-plugin-deep'], inRegistry)
        expect((await execa(creo, ['plugins'], inRegistry)).stdout).toContain('No plugins installed')
      } finally {
        registry.close()
      }
    })

    test('names a plugin that is not there, and one that is broken, and works on', async () => {
      const home = newHome()
      const broken = join(folder, 'broken')
      mkdirSync(join(broken, 'commands'), {recursive: true})
      const manifest = {name: 'creo-plugin-broken', version: '1.0.0', type: 'module', oclif: {commands: './commands'}}
      writeFileSync(join(broken, 'package.json'), JSON.stringify(manifest))
      writeFileSync(join(broken, 'commands', 'wreck.js'), 'export default class {')
      await run(home, 'plugins', 'install', broken)
      const {stdout, stderr} = await execa(creo, ['help'], {env: environment(home), extendEnv: false})
      expect(stdout).toContain('deploy')
      expect(stderr).toMatch(/^The plugin creo-plugin-broken is broken \(its command wreck: .*\)\. Mend it, or: .*$/)
      const missing = await execa(creo, ['plugins', 'install', './none'], {env: environment(home), extendEnv: false, reject: false})
      expect([missing.exitCode, missing.stderr]).toEqual([4, expect.stringContaining('none is not there')])
    })

    test('keeps its files elsewhere, and says so once, when the home can’t be written', async () => {
      const file = join(folder, 'no-folder')
      writeFileSync(file, '')
      const temporary = join(folder, 'tmp')
      mkdirSync(temporary)
      const env = {...environment(file), TMPDIR: temporary}
      const [first, second] = [
        await execa(creo, ['--version'], {env, extendEnv: false}),
        await execa(creo, ['--version'], {env, extendEnv: false})
      ]
      expect(first.stderr).toContain(`creo keeps its files in ${temporary}`)
      expect([first.exitCode, second.exitCode, second.stderr]).toEqual([0, 0, ''])
    })

    test('is replaced by another that its publisher signed, and goes back to itself', async () => {
      const home = newHome()
      const {executable: other, publicKey} = await makeSignedRelease(join(folder, 'other'))
      mkdirSync(join(home, 'bin'))
      const installed = join(home, 'bin', 'creo')
      copyFileSync(creo, installed)
      const env = {...environment(home), PATH: withoutNode()}
      const update = async (...args: readonly string[]): Promise<unknown> =>
        JSON.parse((await execa(installed, ['update', ...args, '--json'], {env, extendEnv: false})).stdout)
      expect(await update(other, '--public-key', publicKey)).toMatchObject({status: 'updated', path: installed})
      expect(digest(installed)).toBe(digest(other))
      expect(await update(other)).toMatchObject({status: 'already_current'})
      expect(await update('--rollback')).toMatchObject({status: 'rolled_back'})
      expect(digest(installed)).toBe(digest(creo))
    })

    test('fits a download of 40 MiB', async () => {
      await execa('xz', ['-6', '--keep', '--threads=2', creo])
      expect(readFileSync(`${creo}.xz`).length).toBeLessThan(DOWNLOAD_BYTES_MAX)
    })
  }
)

/** A plugin that does all that one may: native code, a process, a thread, and a script at its installation. */
function deepPlugin(version: string): string {
  const plugin = mkdtempSync(join(folder, 'deep-'))
  mkdirSync(join(plugin, 'commands'))
  const scripts = {postinstall: 'node -e "fs.writeFileSync(\'installed-by\', process.version)"'}
  writeFileSync(
    join(plugin, 'package.json'),
    JSON.stringify({name: 'creo-plugin-deep', version, type: 'module', scripts, oclif: {commands: './commands'}})
  )
  const [addon] = globSync('node_modules/better-sqlite3/prebuilds/**/linux-x64.node', {cwd: root})
  copyFileSync(join(root, addon!), join(plugin, 'addon.node'))
  writeFileSync(join(plugin, 'child.js'), 'process.send(6 * 7, () => process.disconnect())')
  writeFileSync(join(plugin, 'worker.js'), "import {parentPort} from 'node:worker_threads'\nparentPort.postMessage(6 * 7)")
  writeFileSync(
    join(plugin, 'commands', 'deep.js'),
    `import {fork} from 'node:child_process'
import {once} from 'node:events'
import {readFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {fileURLToPath} from 'node:url'
import {Worker} from 'node:worker_threads'

const place = (name) => fileURLToPath(new URL('../' + name, import.meta.url))
export default class {
  static id = 'deep'
  static flags = {}
  static args = {}
  static async run() {
    const addon = typeof createRequire(import.meta.url)('../addon.node')
    const [forked] = await once(fork(place('child.js')), 'message')
    const [threaded] = await once(new Worker(place('worker.js')), 'message')
    const {version} = JSON.parse(readFileSync(place('package.json')))
    console.log(JSON.stringify({version, addon, forked, threaded, installedBy: String(readFileSync(place('installed-by')))}))
  }
}
`
  )
  return plugin
}

/** A registry of npm's protocol on loopback, with as much of it as an install asks for. */
async function npmRegistry(): Promise<{readonly url: string; publish(plugin: string): Promise<void>; close(): void}> {
  const versions: Record<string, object> = {}
  const tarballs = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    const tarball = tarballs.get(request.url ?? '')
    if (tarball !== undefined) response.end(tarball)
    else if (request.url?.startsWith('/creo-plugin-deep') !== true) response.writeHead(404).end('{}')
    else response.end(JSON.stringify({name: 'creo-plugin-deep', 'dist-tags': {latest: Object.keys(versions).at(-1)}, versions}))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    publish: async (plugin) => {
      const {stdout} = await execa('npm', ['pack', '--silent', '--pack-destination', folder], {cwd: plugin})
      const packed = readFileSync(join(folder, stdout.trim()))
      const manifest = JSON.parse(readFileSync(join(plugin, 'package.json'), 'utf8')) as {version: string}
      const path = `/${stdout.trim()}`
      tarballs.set(path, packed)
      const integrity = `sha512-${createHash('sha512').update(packed).digest('base64')}`
      versions[manifest.version] = {...manifest, hasInstallScript: true, dist: {tarball: `${url}${path}`, integrity}}
    },
    close: () => server.close()
  }
}

async function make(name: string): Promise<string> {
  return await makeExecutable({root, output: join(folder, name), architecture: 'x64', signal: AbortSignal.timeout(600_000)})
}

function newHome(): string {
  return mkdtempSync(join(folder, 'home-'))
}

function cached(home: string): string {
  const programs = join(home, '.cache/creo/program')
  return join(programs, readdirSync(programs)[0]!, 'app')
}

/** No Node and no npm on the path: nothing is. */
/** The system's programs but for Node and npm, which may be among them. */
function withoutNode(): string {
  const path = mkdtempSync(join(folder, 'bin-'))
  for (const name of readdirSync('/usr/bin'))
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(path, name))
  return path
}

function environment(home: string): Record<string, string> {
  return {HOME: home, PATH: '/nonexistent', TMPDIR: tmpdir()}
}

async function run(home: string, ...args: readonly string[]): Promise<{readonly stdout: string; readonly exitCode?: number | undefined}> {
  return await execa(creo, args, {env: environment(home), extendEnv: false})
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
