import {once} from 'node:events'
import {chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {saveKeyFile} from '../../src/identity/keys.ts'
import {COUNTS, startWorld} from '../coordinator/coordinator-world.ts'
import {debianSources} from '../soak/root-image.ts'
import {creo} from '../support/processes.ts'

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const EMULATOR = '/usr/bin/qemu-aarch64-static'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** What Node is linked to. */
const LIBRARIES = ['libc6', 'libgcc-s1', 'libstdc++6']
/** Debian's packages and Node over a slow line. */
const MAKE_TIMEOUT_MS = 900_000
/** Emulated, a command takes some seconds of an idle machine. */
const TIMEOUT_MS = 900_000

/** Tells the kernel, for this process and its children alone, what runs programs for arm64. */
const EMULATED = String.raw`
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':creo-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:${EMULATOR}:F' >/proc/sys/fs/binfmt_misc/register
exec "$@"
`

/** Signs a receipt as gateway and as node, by what stands in a file. */
const SIGN = `
import {readFileSync} from 'node:fs'
import {attest, signProposal} from '${checkout}src/identity/receipts.ts'
import {loadKeyFile} from '${checkout}src/identity/keys.ts'
const {proposal, counts, gateway, node} = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const receipt = attest(signProposal(proposal, await loadKeyFile(gateway)), counts, await loadKeyFile(node))
console.log(JSON.stringify({arch: process.arch, receipt}))
`

const isLong = process.env.CREO_TEST_TIER === 'long' && process.platform === 'linux' && process.arch === 'x64'
const missing = await lacking()

/** Two minutes on an idle machine. What is missing for it stands in its name. */
describe.runIf(isLong && missing.length === 0)(`on arm64${missing.length === 0 ? '' : ` (not here: ${missing.join(', ')})`}`, () => {
  let folder: string
  let libraries: string
  let program: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'creo-arm64-'))
    libraries = join(folder, 'libraries')
    const signal = AbortSignal.timeout(MAKE_TIMEOUT_MS)
    const list = join(folder, 'sources.list')
    writeFileSync(list, `${await debianSources()}\n`)
    const keyring = existsSync(KEYRING) ? [`--keyring=${KEYRING}`] : []
    const options = [
      '--quiet',
      '--mode=root',
      '--format=directory',
      '--variant=extract',
      '--arch=arm64',
      `--include=${LIBRARIES.join(',')}`
    ]
    await execa('mmdebstrap', [...options, ...keyring, '', libraries, list], {cancelSignal: signal, stdin: 'ignore'})
    program = await makeExecutable({root: checkout, output: folder, architecture: 'arm64', signal})
    await onArm64('--version')
  }, MAKE_TIMEOUT_MS)
  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  test(
    'the one file says its version and helps, and runs the command of a plugin',
    async () => {
      expect(await onArm64('--version')).toMatch(/^creo\/\S+ linux-arm64 node-v24/)
      expect(await onArm64('help')).toContain('deploy')
      const plugin = join(folder, 'plugin')
      mkdirSync(join(plugin, 'commands'), {recursive: true})
      const oclif = {commands: './commands'}
      writeFileSync(join(plugin, 'package.json'), JSON.stringify({name: 'creo-plugin', version: '1.0.0', type: 'module', oclif}))
      const command = "static id = 'hello'; static flags = {}; static args = {}; static async run() { console.log('hello', process.arch) }"
      writeFileSync(join(plugin, 'commands', 'hello.js'), `export default class { ${command} }`)
      await onArm64('plugins', 'link', plugin, '--no-install')
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
        await onArm64('network', 'join', urls.api, '--id', networkId)
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
        const {arch, receipt} = JSON.parse(await onArm64(script!, input!))
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
  async function onArm64(...args: readonly string[]): Promise<string> {
    const home = join(folder, 'home')
    mkdirSync(home, {recursive: true})
    const env = {HOME: home, PATH: '/usr/bin:/bin', TMPDIR: tmpdir(), QEMU_LD_PREFIX: libraries}
    const within = ['--user', '--map-root-user', '--mount', 'sh', '-c', EMULATED, 'sh', 'env', 'PATH=/nonexistent', program, ...args]
    return (await execa('unshare', within, {env, extendEnv: false, stdin: 'ignore', timeout: TIMEOUT_MS})).stdout
  }
})

async function lacking(): Promise<readonly string[]> {
  if (!isLong) return []
  const programs = ['mmdebstrap', 'unshare', 'apt-get', EMULATOR]
  const found = await Promise.all(programs.map(async (name) => !(await execa('sh', ['-c', `command -v ${name}`], {reject: false})).failed))
  const absent = programs.filter((_name, index) => !found[index])
  const registers =
    found[1] === true &&
    !(await execa('unshare', ['-Urm', 'mount', '-t', 'binfmt_misc', 'none', '/proc/sys/fs/binfmt_misc'], {reject: false})).failed
  return [...absent, ...(registers ? [] : ['binfmt_misc']), ...(process.getuid?.() === 0 ? [] : ['root'])]
}
