import {createHash} from 'node:crypto'
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'

const INSTALL = fileURLToPath(new URL('../../packaging/install.sh', import.meta.url))
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'x64'
const PACKED = `creo-linux-${ARCHITECTURE}.xz`
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

test('goes on with a download where it was cut', async () => {
  const ranges: (string | undefined)[] = []
  const server = await serve(release, {cutAfter: 20, onRange: (range) => ranges.push(range)})
  try {
    expect((await install('--from', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).stdout).toContain(
      'creo/1.0.0 is installed'
    )
  } finally {
    server.close()
  }
  expect(ranges).toEqual([undefined, 'bytes=20-'])
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

test('a signature that does not hold stops before anything is fetched, one that holds goes on', async () => {
  const minisign = (exit: number): void => program('minisign', `echo "$@" >>"${folder}/asked"; exit ${exit}`)
  writeFileSync(join(release, 'SHA256SUMS.minisig'), 'signature')
  minisign(1)
  const refused = await install('--from', release, '--public-key', 'RWQkey')
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('is not signed by that key: nothing was installed')])
  expect(existsSync(bin) ? readdirSync(bin) : []).toEqual([])
  minisign(0)
  expect((await install('--from', release, '--public-key', 'RWQkey')).exitCode).toBe(0)
  expect(readFileSync(join(folder, 'asked'), 'utf8')).toContain('-P RWQkey')
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

/** A release whose program is a script that says its version. */
async function publish(version: string, script = `echo creo/${version}`): Promise<void> {
  rmSync(release, {recursive: true, force: true})
  mkdirSync(release)
  const file = join(release, basename(PACKED, '.xz'))
  writeFileSync(file, `#!/bin/sh\n# ${version}\n${script}\n`)
  await execa('xz', ['--keep', file])
  const sums = [file, `${file}.xz`].map((path) => `${createHash('sha256').update(readFileSync(path)).digest('hex')}  ${basename(path)}\n`)
  writeFileSync(join(release, 'SHA256SUMS'), sums.join(''))
}

/** A program that is found before the system's. */
function program(name: string, script: string): void {
  const tools = join(folder, 'tools')
  mkdirSync(tools, {recursive: true})
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(tools, name), 0o755)
}

async function install(
  ...args: readonly string[]
): Promise<{readonly stdout: string; readonly stderr: string; readonly exitCode?: number | undefined}> {
  const home = join(folder, 'home')
  mkdirSync(home, {recursive: true})
  const env = {HOME: home, PATH: `${join(folder, 'tools')}:${process.env.PATH}`}
  return await execa('sh', [INSTALL, '--to', bin, ...args], {env, extendEnv: false, reject: false})
}

/** Serves a folder with ranges; the program's first answer ends after `cutAfter` bytes. */
async function serve(
  from: string,
  options: {readonly cutAfter: number; readonly onRange: (range: string | undefined) => void}
): Promise<Server> {
  let isCut = false
  const server = createServer((request, response) => {
    const content = readFileSync(join(from, basename(request.url ?? '')))
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const rest = content.subarray(start)
    const headers = {
      'content-length': rest.length,
      ...(start > 0 && {'content-range': `bytes ${start}-${content.length - 1}/${content.length}`})
    }
    response.writeHead(start > 0 ? 206 : 200, headers)
    if (!request.url?.endsWith('.xz')) {
      response.end(rest)
      return
    }
    options.onRange(request.headers.range)
    if (isCut) response.end(rest)
    else response.write(rest.subarray(0, options.cutAfter), () => response.destroy())
    isCut = true
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
