import {once} from 'node:events'
import {chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {nodeExecutable} from '../../packaging/package/node-executables.ts'
import {saveKeyFile} from '../../src/identity/keys.ts'
import {COUNTS, startWorld} from '../coordinator/coordinator-world.ts'
import {creo} from '../support/processes.ts'

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const EMULATOR = '/usr/bin/qemu-aarch64-static'
/** Debian's libraries for arm64, which Node is linked to. */
const LIBRARIES = '/usr/aarch64-linux-gnu'
/** Node over a slow line. */
const MAKE_TIMEOUT_MS = 900_000
/** Emulated, a command takes some five seconds of an idle machine. */
const TIMEOUT_MS = 240_000

/** Signs a receipt as gateway and as node, by what stands in a file. */
const SIGN = `
import {readFileSync} from 'node:fs'
import {attest, signProposal} from '${checkout}src/identity/receipts.ts'
import {loadKeyFile} from '${checkout}src/identity/keys.ts'
const {proposal, counts, gateway, node} = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const receipt = attest(signProposal(proposal, await loadKeyFile(gateway)), counts, await loadKeyFile(node))
console.log(JSON.stringify({arch: process.arch, receipt}))
`

const isLong = process.env.CREO_TEST_TIER === 'long'
const missing = [EMULATOR, join(LIBRARIES, 'lib/libstdc++.so.6')].filter((path) => !existsSync(path))
const isHere = process.platform === 'linux' && process.arch === 'x64' && (process.env.CI !== undefined || missing.length === 0)

/** The program from its bundle, by the Node that is packaged; in the long tier the one file itself. What is missing for it stands in its name. */
describe.runIf(isHere)(`on arm64${missing.length === 0 ? '' : ` (not here: ${missing.join(', ')})`}`, () => {
  let folder: string
  let arm64Node: string
  let program: readonly string[]

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'creo-arm64-'))
    const signal = AbortSignal.timeout(MAKE_TIMEOUT_MS)
    const cache = join(checkout, '.creo', 'package')
    mkdirSync(cache, {recursive: true})
    arm64Node = await nodeExecutable(checkout, cache, 'arm64', signal)
    program = isLong
      ? [await makeExecutable({root: checkout, output: folder, architecture: 'arm64', signal})]
      : [arm64Node, join(checkout, 'bin', 'run.js')]
  }, MAKE_TIMEOUT_MS)
  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  test(
    'the program says its version and helps, and runs the command of a plugin',
    async () => {
      expect(await onArm64('--version')).toMatch(/^creo\/\S+ linux-arm64 node-v24/)
      expect(await onArm64('help')).toContain('deploy')
      const plugin = join(folder, 'plugin')
      mkdirSync(join(plugin, 'commands'), {recursive: true})
      const oclif = {commands: './commands'}
      writeFileSync(join(plugin, 'package.json'), JSON.stringify({name: 'creo-plugin', version: '1.0.0', type: 'module', oclif}))
      const command = "static id = 'hello'; static flags = {}; static args = {}; static async run() { console.log('hello', process.arch) }"
      writeFileSync(join(plugin, 'commands', 'hello.js'), `export default class { ${command} }`)
      await beforehand('plugins', 'link', plugin, '--no-install')
      expect(await onArm64('hello')).toBe('hello arm64')
    },
    TIMEOUT_MS
  )

  test(
    'a coordinator on x64 takes a command that was signed there, and its ledger comes to the same there',
    async () => {
      const data = join(folder, 'network')
      const {networkId} = JSON.parse((await creo(['coordinator', 'init', '--data', data, '--development', '--json'])).stdout)
      const served = execa(process.execPath, [
        join(checkout, 'bin/run.js'),
        'coordinator',
        'serve',
        '--data',
        data,
        '--listen',
        '127.0.0.1:0',
        '--json'
      ])
      try {
        const [line] = (await once(createInterface({input: served.stdout}), 'line')) as [string]
        const {urls} = JSON.parse(line) as {urls: {api: string}}
        await beforehand('network', 'join', urls.api, '--id', networkId)
        await onArm64('account', 'create', 'ann', '--json')
        expect((await fetch(`${urls.api}/v1/accounts/ann`)).status).toBe(200)
      } finally {
        served.kill('SIGTERM')
        await served
      }
      const verified = JSON.parse((await creo(['ledger', 'verify', '--data', data, '--json'])).stdout)
      expect(verified).toMatchObject({holds: true})
      expect(JSON.parse(await onArm64('ledger', 'verify', '--data', data, '--json'))).toEqual(verified)
    },
    TIMEOUT_MS
  )

  test(
    'a coordinator on x64 pays for a receipt that was signed there, and for none that was changed',
    async () => {
      const world = await startWorld()
      try {
        const {actors} = world
        const node = await actors.node(await actors.colibris())
        await actors.heartbeat(node)
        const {lease} = await actors.leased(node)
        const gateway = await actors.gateway(world.operator)
        const [gatewayFile, nodeFile, input, script] = ['gateway.key', 'node.key', 'receipt.json', 'sign.ts'].map((name) =>
          join(folder, name)
        )
        await saveKeyFile(gatewayFile!, gateway)
        await saveKeyFile(nodeFile!, node.key)
        const proposal = actors.proposal({gateway, node, lease, window: 1, requests: 3})
        writeFileSync(input!, JSON.stringify({proposal, counts: COUNTS, gateway: gatewayFile, node: nodeFile}))
        writeFileSync(script!, SIGN)
        const {arch, receipt} = JSON.parse(await emulated(arm64Node, script!, input!))
        expect(arch).toBe('arm64')
        const forged = {...receipt, proposal: receipt.proposal.replace('"requests":3', '"requests":4')}
        expect(forged).not.toEqual(receipt)
        const {json} = await actors.ask('POST', '/v1/receipts', {body: {receipts: [forged, receipt]}})
        expect(json).toMatchObject({answers: [{status: 'rejected'}, {status: 'paid'}]})
      } finally {
        await world.close()
      }
    },
    TIMEOUT_MS
  )

  test(
    'the same files become an image of the same digest there',
    async () => {
      const app = join(folder, 'app')
      for (const architecture of ['amd64', 'arm64']) {
        mkdirSync(join(app, `web/linux-${architecture}`), {recursive: true})
        const server = join(app, `web/linux-${architecture}/server`)
        copyFileSync(join(checkout, `packaging/init/creo-init-${architecture}`), server)
        chmodSync(server, 0o755)
      }
      const web = {source: './web', base: 'scratch', command: ['/app/server'], memory: '128MiB', cpu: 0.5, rewards: []}
      writeFileSync(
        join(app, 'creo.yaml'),
        JSON.stringify({app: 'shop', org: 'ann', routes: [{path: '/', function: 'web'}], functions: {web}})
      )
      const other = join(folder, 'other')
      cpSync(app, other, {recursive: true})
      const digest = (stdout: string): string => (JSON.parse(stdout) as {images: {imageDigest: string}[]}).images[0]!.imageDigest
      expect(digest(await onArm64('build', other, '--json'))).toBe(digest((await creo(['build', app, '--json'])).stdout))
    },
    TIMEOUT_MS
  )

  /** The program's answer, with nothing of the machine on its path. */
  function onArm64(...args: readonly string[]): Promise<string> {
    return emulated(...program, ...args)
  }

  /** What is not looked at itself: with the same home, in the short tier by this machine's own Node. */
  function beforehand(...args: readonly string[]): Promise<string> {
    return isLong ? onArm64(...args) : run(process.execPath, [join(checkout, 'bin', 'run.js'), ...args])
  }

  function emulated(...command: readonly string[]): Promise<string> {
    return run(EMULATOR, command)
  }

  async function run(file: string, args: readonly string[]): Promise<string> {
    const home = join(folder, 'home')
    mkdirSync(home, {recursive: true})
    const env = {HOME: home, PATH: '/nonexistent', TMPDIR: tmpdir(), QEMU_LD_PREFIX: LIBRARIES}
    return (await execa(file, args, {env, extendEnv: false, stdin: 'ignore', timeout: TIMEOUT_MS})).stdout
  }
})
