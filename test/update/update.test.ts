import {spawn} from 'node:child_process'
import {generateKeyPairSync} from 'node:crypto'
import {once} from 'node:events'
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {publicKeyFile} from '../../packaging/package/signature.ts'
import {lookAtRelease, rollBack, type Updated, type UpdateOptions, updateTo} from '../../src/compose/update/update.ts'
import {publishStandIn, standIn, updateOptions} from './stand-in.ts'

const {privateKey} = generateKeyPairSync('ed25519')
const KEY = privateKey.export({type: 'pkcs8', format: 'pem'}).toString()
let folder: string
let release: string
let creo: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-update-'))
  release = join(folder, 'release')
  creo = join(folder, 'bin', 'creo')
  mkdirSync(join(folder, 'bin'))
  mkdirSync(join(folder, 'tools'))
  standIn(creo, '1.0.0')
  publishStandIn(release, KEY, '2.0.0')
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('takes a release from a folder, keeps the one before, and goes back and forth', async () => {
  expect(await update()).toEqual({
    from: '1.0.0',
    to: '2.0.0',
    path: creo,
    previousPath: join(folder, 'bin', '.creo-previous'),
    restarted: [],
    drained: false
  })
  expect(await versionNow()).toBe('2.0.0')
  expect(readdirSync(join(folder, 'bin')).sort()).toEqual(['.creo-previous', 'creo'])
  expect(await rollBack(options({version: '2.0.0'}))).toMatchObject({from: '2.0.0', to: '1.0.0'})
  expect(await versionNow()).toBe('1.0.0')
  expect(await rollBack(options())).toMatchObject({from: '1.0.0', to: '2.0.0'})
  expect(await versionNow()).toBe('2.0.0')
})

test('takes the file in the folder too, unpacked where no xz is found, and leaves nothing where it is the same already', async () => {
  const place = join(release, `creo-linux-${process.arch}`)
  await update({place, env: {PATH: '/nonexistent'}})
  expect(await versionNow()).toBe('2.0.0')
  const looked = await lookAtRelease({place, publicKey: publicKeyFile(KEY), to: undefined}, options({version: '2.0.0'}))
  expect(looked.status).toBe('same')
})

test('there is nothing to go back to before the first update', async () => {
  await expect(rollBack(options())).rejects.toMatchObject({code: 'not_found', message: expect.stringContaining('There is no earlier creo')})
})

test('goes on with a download where it was cut, from its address', async () => {
  const ranges: (string | undefined)[] = []
  const downloads = join(folder, 'cache/creo/update')
  const server = await serveCut(release, ranges, () => readdirSync(downloads).some((name) => statSync(join(downloads, name)).size === 20))
  try {
    await update({place: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`})
  } finally {
    server.close()
  }
  expect(await versionNow()).toBe('2.0.0')
  expect(ranges).toEqual([undefined, 'bytes=20-'])
  expect(readdirSync(downloads)).toEqual([])
})

test.each<[string, () => void, object]>([
  ['signed by another key', () => publishStandIn(release, otherKey(), '2.0.0'), {code: 'bad_signature'}],
  ['changed sums', () => writeFileSync(join(release, 'SHA256SUMS'), 'x'), {code: 'bad_signature'}],
  ['no signature', () => rmSync(join(release, 'SHA256SUMS.minisig')), {code: 'not_found'}],
  ['a comment that was changed', () => rewrite('SHA256SUMS.minisig', '2.0.0', '3.0.0'), {code: 'bad_signature'}],
  ['a cut file', () => writeFileSync(packed(), readFileSync(packed()).subarray(0, 40)), {code: 'digest_mismatch'}],
  ['no file', () => rmSync(packed()), {code: 'not_found'}],
  ['another architecture alone', () => publishStandIn(release, KEY, '2.0.0', {architecture: 'riscv64'}), {code: 'wrong_architecture'}],
  [
    'one that does not start',
    () => publishStandIn(release, KEY, '2.0.0', {script: 'echo no such library >&2; exit 127'}),
    {message: /no such library/}
  ],
  [
    'one that is another version',
    () => publishStandIn(release, KEY, '2.0.0', {says: '1.5.0'}),
    {message: /says that it is 1\.5\.0, not 2\.0\.0/}
  ],
  [
    'one whose doctor finds what is wrong',
    () => publishStandIn(release, KEY, '2.0.0', {fails: 'runtime podman'}),
    {message: /\(runtime podman\)/}
  ],
  ['one whose doctor says nothing', () => publishStandIn(release, KEY, '2.0.0', {script: 'echo creo/2.0.0'}), {message: /gives no answer/}]
])('%s changes nothing, and is said', async (_, spoil, error) => {
  spoil()
  const expected = Object.fromEntries(
    Object.entries(error).map(([name, value]) => [name, value instanceof RegExp ? expect.stringMatching(value) : value])
  )
  const thrown = await update().catch((caught: unknown) => caught)
  expect(thrown).toMatchObject({name: 'CreoError', hint: expect.any(String), ...expected})
  expect(await versionNow()).toBe('1.0.0')
  expect(readdirSync(join(folder, 'bin'))).toEqual(['creo'])
})

test.each(['http://', 'https://[', 'http:// /'])('%j is no address, and is said', async (place) => {
  await expect(update({place})).rejects.toMatchObject({code: 'invalid_input', message: `"${place}" is no address.`})
})

test('nothing is replaced in a folder that everybody can write to', async () => {
  chmodSync(join(folder, 'bin'), 0o777)
  for (const replace of [() => update(), () => rollBack(options())])
    await expect(replace()).rejects.toMatchObject({code: 'forbidden', hint: expect.stringContaining('chmod o-w')})
  expect(await versionNow()).toBe('1.0.0')
})

test('what is wrong with the machine before and after does not keep the new one out, nor does the network', async () => {
  standIn(creo, '1.0.0', {fails: 'runtime podman'})
  publishStandIn(release, KEY, '2.0.0', {fails: 'runtime podman'})
  await update()
  expect(await versionNow()).toBe('2.0.0')
  publishStandIn(release, KEY, '3.0.0', {fails: 'coordinator'})
  await update({version: '2.0.0'})
  expect(await versionNow()).toBe('3.0.0')
})

test('says newer, same and older, and takes no other version than the one that is named', async () => {
  const look = async (version: string, to?: string): Promise<string> =>
    (await lookAtRelease({place: release, publicKey: publicKeyFile(KEY), to}, options({version}))).status
  expect([await look('1.9.9'), await look('2.0.0-rc.1'), await look('2.0.1'), await look('10.0.0')]).toEqual([
    'newer',
    'newer',
    'older',
    'older'
  ])
  await expect(look('1.0.0', '1.9.0')).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('has creo 2.0.0, not 1.9.0')
  })
  expect(await look('3.0.0', '2.0.0')).toBe('older')
})

test('a miner that somebody started in a terminal is asked to drain, and has ended before anything is replaced', async () => {
  const node = join(folder, 'node')
  mkdirSync(node)
  const script = `
    import {lockDirectory} from ${JSON.stringify(new URL('../../src/config/directory-lock.ts', import.meta.url).href)}
    import {readFileSync, writeFileSync} from 'node:fs'
    const [node, creo, seen] = process.argv.slice(1)
    const release = await lockDirectory(node)
    process.once('SIGTERM', async () => {
      writeFileSync(seen, readFileSync(creo, 'utf8').split('\\n')[1])
      await release()
      process.exit(0)
    })
    console.log('mines')
    setInterval(() => {}, 1e6)`
  const args = ['--input-type=module-typescript', '-e', script, node, creo, join(folder, 'seen')]
  const miner = spawn(process.execPath, args, {stdio: ['ignore', 'pipe', 'inherit']})
  await once(miner.stdout, 'data')
  expect(await update()).toMatchObject({restarted: [], drained: true})
  expect(readFileSync(join(folder, 'seen'), 'utf8')).toBe('# 1.0.0')
})

test('a service that runs the miner is started anew by systemd, and one of another creo is left alone', async () => {
  systemctl({scope: '--user', program: creo, active: 'active'})
  expect(await update()).toMatchObject({restarted: ['user'], drained: false})
  expect(asked()).toEqual(['--user restart creo-miner.service'])
  systemctl({scope: '--user', program: '/usr/bin/creo', active: 'active'})
  expect(await rollBack(options({version: '2.0.0'}))).toMatchObject({restarted: []})
})

test('a service that does not stay up with the new one has the one before back, and is started with it', async () => {
  systemctl({scope: '--user', program: creo, active: 'failed'})
  await expect(update()).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringMatching(
      /With creo 2\.0\.0 the miner did not go on, so creo 1\.0\.0 is back\. The service did not stay up: it is failed/
    ),
    hint: expect.stringContaining('journalctl --user -u creo-miner')
  })
  expect(await versionNow()).toBe('1.0.0')
  expect(asked()).toHaveLength(2)
})

test('killed before any change that it makes to the folder, it leaves a creo that works, and the next update succeeds', async () => {
  const outcomes: string[] = []
  for (let step = 1; step <= 30; step += 1) {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '..', 'support', 'killed-update.ts'), String(step), creo, release, folder, publicKeyFile(KEY)],
      {stdio: ['ignore', 'ignore', 'inherit']}
    )
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    outcomes.push(await versionNow())
    if (signal !== 'SIGKILL') {
      expect(code).toBe(0)
      break
    }
  }
  expect(outcomes.length).toBeGreaterThan(6)
  expect([outcomes[0], outcomes.at(-1)]).toEqual(['1.0.0', '2.0.0'])
  expect(outcomes.filter((version) => version !== '1.0.0' && version !== '2.0.0')).toEqual([])
  expect(existsSync(join(folder, 'bin', '.creo-previous'))).toBe(true)
}, 60_000)

type Changed = Partial<UpdateOptions> & {readonly place?: string}

function options({env, ...changed}: Changed = {}): UpdateOptions {
  return {...updateOptions(creo, folder, env ?? {PATH: `${join(folder, 'tools')}:${process.env.PATH}`}), ...changed}
}

async function update({place = release, ...changed}: Changed = {}): Promise<Updated> {
  const given = options(changed)
  return await updateTo(await lookAtRelease({place, publicKey: publicKeyFile(KEY), to: undefined}, given), given)
}

async function versionNow(): Promise<string> {
  return (await execa(creo, ['--version'])).stdout.replace(/^creo\/(\S+).*/, '$1')
}

function packed(): string {
  return join(release, `creo-linux-${process.arch}.xz`)
}

function otherKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({type: 'pkcs8', format: 'pem'}).toString()
}

function rewrite(name: string, from: string, to: string): void {
  const path = join(release, name)
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
}

/** A systemctl that knows one service and notes whom it restarts; it is found before the system's, by this process. */
function systemctl({scope, program, active}: {readonly scope: string; readonly program: string; readonly active: string}): void {
  const path = join(folder, 'tools', 'systemctl')
  writeFileSync(
    path,
    `#!/bin/sh
case "$*" in
  "${scope} show "*) printf 'MainPID=4242\\nExecStart={ path=${program} ; argv[]=x }\\n' ;;
  *" is-active "*) echo ${active} ;;
  *" restart "*) echo "$*" >>"${folder}/asked" ;;
esac
`
  )
  chmodSync(path, 0o755)
}

function asked(): readonly string[] {
  return readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n')
}

/** Serves a folder; the program's first answer ends after 20 bytes, once they are there. */
async function serveCut(from: string, ranges: (string | undefined)[], isThere: () => boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const content = readFileSync(join(from, basename(request.url ?? '')))
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const rest = content.subarray(start)
    const range = start > 0 ? {'content-range': `bytes ${start}-${content.length - 1}/${content.length}`} : {}
    response.writeHead(start > 0 ? 206 : 200, {'content-length': rest.length, ...range})
    if (!request.url?.endsWith('.xz')) {
      response.end(rest)
      return
    }
    ranges.push(request.headers.range)
    if (ranges.length > 1) response.end(rest)
    else {
      response.write(rest.subarray(0, 20))
      const timer = setInterval(() => {
        if (!isThere()) return
        clearInterval(timer)
        response.destroy()
      }, 5)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
