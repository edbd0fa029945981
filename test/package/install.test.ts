import {createHash, generateKeyPairSync} from 'node:crypto'
import {chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import type {Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {installScript} from '../../packaging/package/install-script.ts'
import {publicKeyFile, publicKeyLine, signFile} from '../../packaging/package/signature.ts'
import {serveRelease} from './release-server.ts'

const INSTALL = fileURLToPath(new URL('../../packaging/install.sh', import.meta.url))
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'x64'
const PACKED = `creo-linux-${ARCHITECTURE}.xz`
/** One that would wait for ever ends. */
const SCRIPT_TIMEOUT_MS = 120_000
const KEY = newKey()
let folder: string
let release: string
let bin: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'creo-install-'))
  release = join(folder, 'release')
  bin = join(folder, 'bin')
  await publish('1.0.0')
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('installs from a folder, upgrades in place, and is removed again', async () => {
  expect((await install('--from', release)).stdout).toContain(`creo/1.0.0 is installed: ${bin}/creo`)
  await publish('2.0.0')
  expect((await install('--from', release)).stdout).toContain('creo/2.0.0 is installed')
  expect((await execa(join(bin, 'creo'))).stdout).toBe('creo/2.0.0')
  expect(readdirSync(bin)).toEqual(['creo'])
  expect((await install('--uninstall')).stdout).toContain(`creo is removed from ${bin}`)
  expect(readdirSync(bin)).toEqual([])
  expect((await install('--uninstall')).stdout).toContain('creo is not in')
})

test.each([
  ['2.0.0', '1.9.9'],
  ['1.10.0', '1.9.0'],
  ['1.0.0', '1.0.0-rc.1']
])('%s is not replaced by %s, unless it is said so', async (newer, older) => {
  await publish(newer)
  await install('--from', release)
  await publish(older)
  const {exitCode, stderr} = await install('--from', release)
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`creo/${older} is older than what is installed, creo/${newer}`)])
  expect((await execa(join(bin, 'creo'))).stdout).toBe(`creo/${newer}`)
  expect(readdirSync(bin)).toEqual(['creo'])
  expect((await install('--from', release, '--allow-older')).stdout).toContain(`creo/${older} is installed`)
})

test('goes on with a download where it was cut', async () => {
  const ranges: (string | undefined)[] = []
  const server = await serveRelease(release, {cutAfter: 20, onRange: (range) => ranges.push(range)})
  try {
    expect((await install('--from', addressOf(server))).stdout).toContain('creo/1.0.0 is installed')
  } finally {
    server.close()
  }
  expect(ranges).toEqual([undefined, 'bytes=20-'])
})

test.each([
  ['of a server that sends no parts', 20, {ranges: false}],
  ['as of another version that was longer', 100_000, {ranges: true}]
])('begins anew with a part that can’t be gone on with, %s', async (_, bytes, {ranges}) => {
  const part = join(folder, 'home/.cache/creo/download', PACKED)
  mkdirSync(join(part, '..'), {recursive: true})
  writeFileSync(part, Buffer.alloc(bytes))
  const server = await serveRelease(release, {cutAfter: Number.POSITIVE_INFINITY, onRange: () => undefined, ranges})
  try {
    expect((await install('--from', addressOf(server))).stdout).toContain('creo/1.0.0 is installed')
  } finally {
    server.close()
  }
})

test('says once what became of a download that it tried several times, and does not ask again for what is not there', async () => {
  const server = await serveRelease(release, {cutAfter: Number.POSITIVE_INFINITY, onRange: () => undefined})
  const address = addressOf(server)
  rmSync(join(release, 'SHA256SUMS'))
  expect((await install('--from', address)).stderr).toBe(
    `Error: ${address}SHA256SUMS is not there (404).\nTry this: Check the address.\n`.trimEnd()
  )
  server.close()
  const script = join(folder, 'install.sh')
  writeFileSync(script, readFileSync(INSTALL, 'utf8').replace(/^ATTEMPTS_MAX=\d+$/m, 'ATTEMPTS_MAX=2'))
  const {exitCode, stderr} = await runScript(script, '--public-key', publicKeyLine(KEY), '--from', address)
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/^Error: \S+\/SHA256SUMS could not be fetched: Failed to connect [^\n.]+\.[^\n]*\nTry this: [^\n]+$/)
  ])
})

test('does so by wget where there is no curl', async () => {
  const server = await serveRelease(release, {cutAfter: Number.POSITIVE_INFINITY, onRange: () => undefined})
  const address = addressOf(server)
  const script = join(folder, 'install.sh')
  const text = readFileSync(INSTALL, 'utf8').replace('command -v curl', 'command -v no-curl')
  writeFileSync(script, text.replace(/^ATTEMPTS_MAX=\d+$/m, 'ATTEMPTS_MAX=2'))
  const from = ['--public-key', publicKeyLine(KEY), '--from', address] as const
  expect((await runScript(script, ...from)).stdout).toContain('creo/1.0.0 is installed')
  rmSync(join(release, 'SHA256SUMS'))
  expect((await runScript(script, ...from)).stderr).toContain('SHA256SUMS is not there (404).')
  server.close()
  expect((await runScript(script, ...from)).stderr).toMatch(/^Error: \S+\/SHA256SUMS could not be fetched: [^\n]+\nTry this: [^\n]+$/)
})

/** curl looks back over some seconds. */
test.runIf(process.env.CREO_TEST_TIER === 'long')('takes a connection that has fallen silent for one that was cut', async () => {
  const ranges: (string | undefined)[] = []
  const server = await serveRelease(release, {cutAfter: 20, onRange: (range) => ranges.push(range), isSilent: true})
  const script = join(folder, 'install.sh')
  writeFileSync(script, readFileSync(INSTALL, 'utf8').replace(/^SILENCE_MAX_S=\d+$/m, 'SILENCE_MAX_S=1'))
  try {
    const {stdout} = await runScript(script, '--public-key', publicKeyLine(KEY), '--from', addressOf(server))
    expect(stdout).toContain('creo/1.0.0 is installed')
  } finally {
    server.closeAllConnections()
    server.close()
  }
  expect(ranges.slice(0, 2)).toEqual([undefined, 'bytes=20-'])
})

test('what was changed or cut short is never installed, and what was there stays', async () => {
  await install('--from', release)
  const packed = readFileSync(join(release, PACKED))
  rmSync(join(folder, 'home'), {recursive: true})
  for (const changed of [packed.subarray(0, 40), Buffer.concat([packed, Buffer.from('x')])]) {
    writeFileSync(join(release, PACKED), changed)
    const {exitCode, stderr} = await install('--from', release)
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/is not what SHA256SUMS says: the download was cut or changed\.\nTry this: Run this again/)
    ])
  }
  expect((await execa(join(bin, 'creo'))).stdout).toBe('creo/1.0.0')
})

test('a version that does not run here does not replace the one that does', async () => {
  await install('--from', release)
  await publish('2.0.0', 'echo "no such library" >&2; exit 127')
  const {exitCode, stderr} = await install('--from', release)
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('what was installed before is untouched')])
  expect((await execa(join(bin, 'creo'))).stdout).toBe('creo/1.0.0')
  expect(readdirSync(bin)).toEqual(['creo'])
})

test.each<[string, () => void]>([
  ['by another key', () => sign(newKey())],
  ['over other sums', () => rewrite('SHA256SUMS', '\n', '\n\n')],
  ['with a comment that was changed', () => rewrite('SHA256SUMS.minisig', 'creo 1', 'creo 2')],
  ['with half of it', () => rewrite('SHA256SUMS.minisig', '\ntrusted comment: ', '\n')]
])('a signature %s stops it before anything is fetched', async (_, spoil) => {
  spoil()
  rmSync(join(release, PACKED))
  const {exitCode, stderr} = await install('--from', release)
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('is not signed by that key: nothing was installed')])
  expect(readdirSync(bin)).toEqual([])
})

test('minisign checks the signature where it is there', async () => {
  const minisign = (exit: number): void => program('minisign', `echo "$@" >>"${folder}/asked"; exit ${exit}`)
  minisign(1)
  expect((await install('--from', release)).stderr).toContain('is not signed by that key: nothing was installed')
  minisign(0)
  writeFileSync(join(folder, 'creo.pub'), publicKeyFile(KEY))
  expect((await install('--from', release, '--public-key', join(folder, 'creo.pub'))).exitCode).toBe(0)
  expect(readFileSync(join(folder, 'asked'), 'utf8')).toContain(`-P ${publicKeyLine(KEY)}`)
})

test('without a key nothing is installed, unless it is said so that nobody can mean it by mistake', async () => {
  const bare = async (...args: readonly string[]): Promise<Ran> => await runScript(INSTALL, '--from', release, ...args)
  const refused = await bare()
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringContaining("The publisher's key is not known, and nothing unsigned is installed.")
  ])
  rmSync(join(release, 'SHA256SUMS.minisig'))
  expect((await install('--from', release)).stderr).toContain('has no SHA256SUMS.minisig')
  const forced = await bare('--insecure-no-signature')
  expect([forced.exitCode, forced.stderr]).toEqual([0, expect.stringContaining('The signature is not checked.')])
})

test('the script that is published knows the key and the address', async () => {
  const server = await serveRelease(release, {cutAfter: Number.POSITIVE_INFINITY, onRange: () => undefined})
  const script = join(folder, 'install.sh')
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    writeFileSync(script, installScript(readFileSync(INSTALL, 'utf8'), {publicKey: publicKeyLine(KEY), url}))
    expect((await runScript(script)).stdout).toContain('creo/1.0.0 is installed')
  } finally {
    server.close()
  }
  expect(() => installScript(readFileSync(INSTALL, 'utf8'), {url: "http://x/';id;'"})).toThrow(/is no address/)
})

test('neither of what checks a signature is there', async () => {
  program('openssl', 'echo LibreSSL 3.3.6')
  expect((await install('--from', release)).stderr).toMatch(/Neither minisign nor openssl 3 is here .*\nTry this: apt install minisign/)
})

test.each<[string, () => void, RegExp]>([
  [
    'no space for the download',
    () => program('df', 'echo Filesystem; echo x 1 1 20480 1% /'),
    /no space in \S+download: 20 MiB are free, 40 are wanted\.\nTry this: Free some, or name a folder/
  ],
  [
    'no space for the program',
    () => program('df', `case $2 in *bin) free=20480;; *) free=999999;; esac; echo x; echo x 1 1 $free 1% /`),
    /no space in \S+bin: 20 MiB are free, 140/
  ],
  [
    'a cache that is no folder',
    () => writeFileSync(join(folder, 'home', '.cache'), ''),
    /\.cache\/creo\/download can't be written\.\nTry this: Name a folder that can/
  ],
  [
    'a folder where the program shall be',
    () => mkdirSync(join(bin, 'creo'), {recursive: true}),
    /bin\/creo is a folder\.\nTry this: Name another folder/
  ],
  ['a place that is no folder', () => writeFileSync(bin, ''), /bin can't be written\.\nTry this: Run this as root, or name another folder/]
])('says so of %s', async (_, spoil, words) => {
  mkdirSync(join(folder, 'home'), {recursive: true})
  spoil()
  const {exitCode, stderr} = await install('--from', release)
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(words)])
})

test.each([
  ['another processor', {uname: 'case $1 in -s) echo Linux;; *) echo riscv64;; esac'}, 'this machine is riscv64'],
  ['another system', {uname: 'case $1 in -s) echo Darwin;; *) echo arm64;; esac'}, 'is made for Linux; this is Darwin'],
  ['an old glibc', {getconf: 'echo glibc 2.17'}, 'creo needs glibc 2.28; this system has 2.17'],
  ['another C library', {getconf: 'exit 1'}, 'this system has another C library, such as musl']
])('says so on %s', async (_, programs, words) => {
  for (const [name, script] of Object.entries(programs)) program(name, script)
  const {exitCode, stderr} = await install('--from', release)
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(words)])
  expect(stderr).toMatch(/\nTry this: \S/)
})

test.each([
  [['--from'], '--from needs a value'],
  [['--form', 'x'], 'There is no option --form'],
  [[], 'not said where to install from'],
  [['--from', '/nonexistent'], '/nonexistent has no SHA256SUMS']
])('%j is refused in one sentence', async (args, words) => {
  const {exitCode, stderr} = await install(...args)
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(words)])
})

test('says so without a home', async () => {
  const {exitCode, stderr} = await execa('sh', [INSTALL, '--from', release], {
    env: {PATH: process.env.PATH},
    extendEnv: false,
    reject: false
  })
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/^Error: HOME is not set.*\nTry this: HOME=/)])
})

/** A release whose program is a script that says its version. */
async function publish(version: string, script = `echo creo/${version}`): Promise<void> {
  rmSync(release, {recursive: true, force: true})
  mkdirSync(release)
  const file = join(release, basename(PACKED, '.xz'))
  writeFileSync(file, `#!/bin/sh\n# ${version}\n${script}\n`)
  await execa('xz', ['--keep', file])
  const sums = [file, `${file}.xz`].map((path) => `${createHash('sha256').update(readFileSync(path)).digest('hex')}  ${basename(path)}\n`)
  writeFileSync(join(release, 'SHA256SUMS'), sums.join(''))
  sign(KEY)
}

function sign(key: string): void {
  writeFileSync(join(release, 'SHA256SUMS.minisig'), signFile(readFileSync(join(release, 'SHA256SUMS')), 'creo 1', key))
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({type: 'pkcs8', format: 'pem'}).toString()
}

function rewrite(name: string, from: string, to: string): void {
  const path = join(release, name)
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
}

/** A program that is found before the system's. */
function program(name: string, script: string): void {
  const tools = join(folder, 'tools')
  mkdirSync(tools, {recursive: true})
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(tools, name), 0o755)
}

interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode?: number | undefined
}

async function install(...args: readonly string[]): Promise<Ran> {
  return await runScript(INSTALL, '--public-key', publicKeyLine(KEY), ...args)
}

async function runScript(script: string, ...args: readonly string[]): Promise<Ran> {
  const home = join(folder, 'home')
  mkdirSync(home, {recursive: true})
  const env = {HOME: home, PATH: `${join(folder, 'tools')}:${process.env.PATH}`}
  return await execa('sh', [script, '--to', bin, ...args], {env, extendEnv: false, reject: false, timeout: SCRIPT_TIMEOUT_MS})
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
