import {createHash, randomBytes} from 'node:crypto'
import {watch} from 'node:fs'
import {mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {isCreoError} from '../../src/core/errors.ts'
import {debianMirrors} from '../../src/developer/bases/debian-mirrors.ts'
import {unpackPackage} from '../../src/developer/bases/debian-package.ts'
import {type MakeBaseOptions, makeBase} from '../../src/developer/bases/make-base.ts'
import {withPlatforms} from '../../src/developer/find-base.ts'
import {type BaseLock, findBase, type PinnedPackage, readBaseLock} from '../../src/images/bases.ts'
import {isDigest} from '../../src/images/digest.ts'

const {signal} = new AbortController()
const served = new Map<string, Buffer>()
/** Paths whose first answer ends in the middle. */
const cutOnce = new Set<string>()
const ranges: string[] = []
const asked: string[] = []
let folder: string
let mirror: string
let lock: BaseLock

const server = createServer((request, response) => {
  asked.push(request.url ?? '')
  const bytes = served.get(request.url ?? '')
  if (bytes === undefined) return void response.writeHead(404).end()
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from > 0) ranges.push(request.url ?? '')
  const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
  response.writeHead(from > 0 ? 206 : 200, {'content-length': bytes.length - from, ...(from > 0 && {'content-range': range})})
  if (cutOnce.delete(request.url ?? '')) response.write(bytes.subarray(0, bytes.length / 2), () => response.socket?.end())
  else response.end(bytes.subarray(from))
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-make-base-'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const own = await readBaseLock()
  const certificates = await publish('ca-certificates', {'usr/share/ca-certificates/mozilla/one.crt': 'a certificate\n'})
  const zones = await publish('tzdata', {'usr/share/zoneinfo/UTC': randomBytes(2 ** 20), 'usr/share/man/man1/none': 'a manual'})
  const pins = {'ca-certificates': certificates, tzdata: zones}
  lock = {...own, packages: {amd64: pins, arm64: pins}}
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, {recursive: true, force: true})
})

test('a base is made of pinned packages: a cut download is gone on with, a mirror that lacks one is passed over, and what is fetched is cleared away', async () => {
  cutOnce.add(`/good/${lock.packages.amd64.tzdata?.path}`)
  const mirrors = `${mirror}/empty ${mirror}/false ${mirror}/good/`
  served.set(`/false/${lock.packages.amd64['ca-certificates']?.path}`, Buffer.from('another'))
  const refused = await made({mirrors}).catch((error: unknown) => error)
  expect(refused).toMatchObject({code: 'digest_mismatch', message: expect.stringContaining('creo/static is pinned as')})
  expect(ranges).toHaveLength(1)
  expect(asked.filter((path) => path.startsWith('/false/'))).toHaveLength(1)
  const cache = join(folder, 'cache/creo/base-parts')
  expect((await readdir(cache)).filter((name) => name.endsWith('.deb'))).toHaveLength(2)
  const digest = isCreoError(refused) ? refused.message.split(' ').at(-1)?.slice(0, -1) : undefined
  if (digest === undefined || !isDigest(digest)) throw new Error('the digest that came out is not told')
  const pinned = {...lock, bases: {...lock.bases, static: digest}}
  served.clear()
  expect(await made({mirrors, lock: pinned, next: ['python']})).toMatchObject({digest})
  expect((await readdir(cache)).filter((name) => name.endsWith('.deb'))).toHaveLength(2)
  expect(await made({mirrors, lock: pinned})).toMatchObject({digest})
  const platforms = await findBase(join(folder, 'bases'), {name: 'static', digest})
  expect(platforms?.map(({architecture}) => architecture)).toEqual(['amd64', 'arm64'])
  expect(await readdir(cache)).toEqual([])
  expect(await readdir(join(folder, 'bases'))).toHaveLength(1)
})

test('what is called off while a package is unpacked ends when nothing writes any more', async () => {
  const files = Object.fromEntries(Array.from({length: 300}, (_, index) => [`usr/share/zoneinfo/${index}`, `${index}`]))
  const {path} = await publish('many', files)
  const file = join(folder, 'many.deb')
  await writeFile(file, served.get(`/good/${path}`) ?? '')
  const interruption = new AbortController()
  const tree = join(folder, 'tree')
  await mkdir(tree)
  const begun = watch(tree, () => interruption.abort(new Error('called off')))
  await expect(unpackPackage(file, tree, interruption.signal)).rejects.toThrow('called off')
  begun.close()
  expect(await readdir(join(tree, 'usr/share/zoneinfo'))).toHaveLength(300)
})

test('packages that are not what was pinned, or nowhere, leave the base unmade, and a build says how to come by it', async () => {
  const path = lock.packages.amd64['ca-certificates']?.path
  served.set(`/false/${path}`, Buffer.from('another'))
  const assemble = (options: MakeBaseOptions): Promise<unknown> =>
    makeBase({...options, lock, env: {XDG_CACHE_HOME: join(folder, 'other'), CREO_DEBIAN_MIRROR: `${mirror}/false`}})
  const dataDirectory = join(folder, 'data')
  await expect(withPlatforms({base: 'static', folder, dataDirectory, assemble, signal}, async () => undefined)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /^The base creo\/static is neither on this machine .* can't be made: No mirror .* not the package that was pinned/
    ),
    hint: expect.stringMatching(/creo bases static\. Without one, copy .*bases\/creo-static-[0-9a-f]{16} from a machine/)
  })
  expect(await readdir(join(dataDirectory, 'bases')).catch(() => [])).toEqual([])
})

test('mirrors are those that the user names alone, else those of apt, Debian and its snapshots; what is no address is said to be none', async () => {
  expect(await debianMirrors({CREO_DEBIAN_MIRROR: 'http://here/debian https://there/'}, 'x', signal)).toEqual([
    'http://here/debian/',
    'https://there/'
  ])
  expect((await debianMirrors({}, '20261123T000000Z', signal)).at(-1)).toMatch(/\/debian-security\/20261123T000000Z\/$/)
  await expect(debianMirrors({CREO_DEBIAN_MIRROR: '/srv'}, 'x', signal)).rejects.toMatchObject({code: 'invalid_input'})
})

type Made = Pick<MakeBaseOptions, 'lock' | 'next'> & {readonly mirrors: string}

function made({mirrors, lock: pins = lock, next = []}: Made): ReturnType<typeof makeBase> {
  const env = {XDG_CACHE_HOME: join(folder, 'cache'), CREO_DEBIAN_MIRROR: mirrors}
  return makeBase({name: 'static', basesDirectory: join(folder, 'bases'), note: () => undefined, env, lock: pins, next, signal})
}

/** Puts a Debian package of these files on the mirror's good half. */
async function publish(name: string, files: Readonly<Record<string, string | Buffer>>): Promise<PinnedPackage> {
  const tree = join(folder, name)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(tree, path, '..'), {recursive: true})
    await writeFile(join(tree, path), content)
  }
  const {stdout: packed} = await execa('tar', ['-cJ', '-C', tree, '.'], {encoding: 'buffer'})
  const deb = Buffer.concat([
    Buffer.from('!<arch>\n'),
    member('debian-binary', Buffer.from('2.0\n')),
    member('data.tar.xz', Buffer.from(packed))
  ])
  const path = `pool/main/${name}_1_all.deb`
  served.set(`/good/${path}`, deb)
  return {version: '1', sha256: createHash('sha256').update(deb).digest('hex'), path, bytes: deb.length}
}

function member(name: string, bytes: Buffer): Buffer {
  const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`
  return Buffer.concat([Buffer.from(header), bytes, Buffer.alloc(bytes.length % 2)])
}
