import {createHash} from 'node:crypto'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {execa} from 'execa'
import * as tar from 'tar'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {acquireImage} from '../../src/developer/image-source.ts'
import {type BuiltImage, buildImage} from '../../src/images/build-image.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'
import {parseReference} from '../../src/images/reference.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {findCredentials} from '../../src/images/registry-credentials.ts'
import {scratchDirectory, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
/** Where `CI` is set, a tool that is missing fails its test. */
const lacksSkopeo = (await execa('skopeo', ['--version'], {reject: false})).failed && process.env.CI === undefined
const PUBLIC = {user: 'ann', password: 'it:is secret'}
const servers: Server[] = []
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let image: BuiltImage

beforeEach(async () => {
  scratch = await scratchDirectory()
  const folder = join(scratch.path, 'app')
  await mkdir(folder)
  await writeFile(join(folder, 'run'), 'x'.repeat(1000))
  const platforms = [
    {architecture: 'amd64', base: 'scratch'},
    {architecture: 'arm64', base: 'scratch'}
  ] as const
  image = await buildImage({platforms, folder, argv: ['/app/run'], env: {}, layoutDirectory: join(scratch.path, 'built'), signal})
})

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
  await scratch.remove()
})

describe('the name of an image', () => {
  test.each([
    ['registry.example/shop/web:1.2', 'registry.example', 'shop/web', '1.2'],
    ['registry.example:5000/web', 'registry.example:5000', 'web', 'latest'],
    ['localhost/a', 'localhost', 'a', 'latest'],
    ['[::1]:5000/a/b', '[::1]:5000', 'a/b', 'latest'],
    [`127.0.0.1:1/a:t@sha256:${'0'.repeat(64)}`, '127.0.0.1:1', 'a', `sha256:${'0'.repeat(64)}`]
  ])('%s', (text, host, repository, reference) => {
    expect(parseReference(text)).toMatchObject({host, repository, reference})
  })

  test.each(['web', 'shop/web', './registry.example/web', '../images/web.tar', ''])('%j names no registry', (text) => {
    expect(parseReference(text)).toBeUndefined()
  })

  test.each(['registry.example/Web', 'registry.example/a:', 'registry.example/a@sha256:12', 'registry.example/../a'])(
    '%j is refused',
    (text) => {
      expect(() => parseReference(text)).toThrow(`"${text}" is not the name of an image.`)
    }
  )
})

describe('what the user has logged in with', () => {
  const encoded = (text: string): {auth: string} => ({auth: Buffer.from(text).toString('base64')})

  test('is the most specific entry of the first file that has one', async () => {
    const auths = {
      'registry.example': encoded('all:1'),
      'registry.example/shop': encoded('shop:2:3'),
      'https://other.example/': encoded('docker:4')
    }
    const env = {HOME: scratch.path, XDG_RUNTIME_DIR: join(scratch.path, 'run'), DOCKER_CONFIG: join(scratch.path, 'docker')}
    await mkdir(join(scratch.path, 'run/containers'), {recursive: true})
    await mkdir(env.DOCKER_CONFIG)
    await writeFile(join(scratch.path, 'run/containers/auth.json'), JSON.stringify({auths}))
    await writeFile(
      join(env.DOCKER_CONFIG, 'config.json'),
      JSON.stringify({auths: {'registry.example': encoded('never:0')}, credsStore: 'x'})
    )
    const find = (host: string, repository: string) => findCredentials({host, repository}, env)
    expect(await find('registry.example', 'shop/web')).toEqual({user: 'shop', password: '2:3'})
    expect(await find('registry.example', 'shopping/web')).toEqual({user: 'all', password: '1'})
    expect(await find('other.example', 'web')).toEqual({user: 'docker', password: '4'})
    expect(await find('third.example', 'web')).toBeUndefined()
  })

  test('is said to be damaged with the file’s name', async () => {
    const path = join(scratch.path, 'auth.json')
    await writeFile(path, '{"auths": []}')
    await expect(findCredentials({host: 'a.example', repository: 'b'}, {REGISTRY_AUTH_FILE: path})).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining(path)
    })
  })
})

describe('an image of a registry', () => {
  test('comes whole for both architectures, with a token for what was logged in with, over a redirect without it', async () => {
    const {host, asked} = await tokenRegistry()
    const authFile = join(scratch.path, 'auth.json')
    const auth = Buffer.from(`${PUBLIC.user}:${PUBLIC.password}`).toString('base64')
    await writeFile(authFile, JSON.stringify({auths: {[host]: {auth}}}))
    const got = await withEnv({REGISTRY_AUTH_FILE: authFile}, () => acquire(`${host}/shop/web:1`))
    expect(got).toMatchObject({digest: image.indexDigest, platforms: [{architecture: 'amd64'}, {architecture: 'arm64'}]})
    expect(asked.filter((line) => line.startsWith('/token'))).toEqual(['/token?service=registry&scope=repository%3Ashop%2Fweb%3Apull'])
    const layer = image.layers[0]!.digest
    expect(await readFile(layoutBlobPath(join(scratch.path, 'got'), layer))).toEqual(
      await readFile(layoutBlobPath(image.layoutDirectory, layer))
    )
    expect(asked).toContain(`cdn ${layer} without credentials`)
    // What was fetched is kept: the next time the manifest alone is asked for.
    asked.length = 0
    await withEnv({REGISTRY_AUTH_FILE: authFile}, () => acquire(`${host}/shop/web@${image.indexDigest}`, 'again'))
    expect(asked.filter((line) => line.includes('/blobs/') || line.startsWith('cdn'))).toEqual([])
  })

  test('is refused in a sentence without a login, with a wrong one, and when it is not there', async () => {
    const {host} = await tokenRegistry()
    const authFile = join(scratch.path, 'auth.json')
    const missing = withEnv({REGISTRY_AUTH_FILE: join(scratch.path, 'none')}, () => acquire(`${host}/shop/web:1`))
    await expect(missing).rejects.toMatchObject({code: 'unauthorized', hint: `podman login ${host}`})
    await writeFile(authFile, JSON.stringify({auths: {[host]: {auth: Buffer.from('ann:wrong').toString('base64')}}}))
    const wrong = withEnv({REGISTRY_AUTH_FILE: authFile}, () => acquire(`${host}/shop/web:1`))
    await expect(wrong).rejects.toMatchObject({code: 'unauthorized', message: expect.stringContaining('does not take')})
    await expect(acquire('127.0.0.1:1/shop/web:1')).rejects.toMatchObject({code: 'unavailable'})
  })

  test('comes from this network’s own registry as from any other, by tag', async () => {
    const registry = await startRegistry(join(scratch.path, 'registry'))
    try {
      await pushImage({registryUrl: registry.url, repository: 'shop/web', layoutDirectory: image.layoutDirectory, tag: 'one', signal})
      const host = new URL(registry.url).host
      expect((await acquire(`${host}/shop/web:one`)).digest).toBe(image.indexDigest)
      await expect(acquire(`${host}/shop/web:two`)).rejects.toMatchObject({code: 'image_missing'})
    } finally {
      await registry.close()
    }
  })
})

describe('an image that another tool wrote', () => {
  test('is taken from a layout as it is', async () => {
    expect(await acquire('built')).toMatchObject({digest: image.indexDigest, platforms: [{architecture: 'amd64'}, {architecture: 'arm64'}]})
  })

  test.skipIf(lacksSkopeo).each([
    ['oci-archive', 'gzip'],
    ['docker-archive', 'plain']
  ])('is taken from an %s of skopeo, %s', async (transport, packing) => {
    const path = join(scratch.path, 'image.tar')
    await execa('skopeo', ['copy', '--quiet', `oci:${image.layoutDirectory}`, `${transport}:${path}:localhost/shop/web:1`])
    if (packing === 'gzip') {
      await execa('gzip', [path])
      await execa('mv', [`${path}.gz`, path])
    }
    const {platforms} = await acquire('image.tar')
    expect(platforms).toMatchObject([{architecture: 'amd64'}])
    const manifest = JSON.parse(await readFile(layoutBlobPath(join(scratch.path, 'got'), platforms[0]!.base.manifestDigest), 'utf8'))
    const config = JSON.parse(await readFile(layoutBlobPath(join(scratch.path, 'got'), manifest.config.digest), 'utf8'))
    expect(config.rootfs.diff_ids).toEqual([image.layers[0]!.diffId])
  })

  test('is said to be missing in a sentence that says what can be given', async () => {
    await expect(acquire('nowhere')).rejects.toMatchObject({code: 'image_missing', message: expect.stringContaining('names no registry')})
    await expect(acquire('app')).rejects.toMatchObject({code: 'image_missing'})
    await writeFile(join(scratch.path, 'text.tar'), 'no archive at all')
    await expect(acquire('text.tar')).rejects.toMatchObject({
      code: 'rejected',
      message: expect.stringContaining('is not an archive of an image')
    })
  })

  test('is refused when a layer has other bytes than its digest says', async () => {
    await writeFile(layoutBlobPath(image.layoutDirectory, image.layers[0]!.digest), 'damaged')
    await expect(acquire('built')).rejects.toMatchObject({code: 'digest_mismatch'})
  })

  test.each([
    ['a path that leaves it', {path: '../evil', type: 'File'}],
    ['an absolute path', {path: '/etc/evil', type: 'File'}],
    ['a device', {path: 'blobs/null', type: 'CharacterDevice'}],
    ['a hard link', {path: 'blobs/link', type: 'Link', linkpath: '/etc/passwd'}]
  ] as const)('is refused as an archive with %s, and nothing is written', async (_, fields) => {
    const header = new tar.Header({mode: 0o644, size: 0, mtime: new Date(0), ...fields})
    const block = Buffer.alloc(512)
    header.encode(block)
    await writeFile(join(scratch.path, 'evil.tar'), Buffer.concat([block, Buffer.alloc(1024)]))
    await expect(acquire('evil.tar')).rejects.toMatchObject({code: 'rejected'})
    await expect(readFile('/etc/evil')).rejects.toMatchObject({code: 'ENOENT'})
  })

  test('is refused when a file has the name of another one’s folder, however large it is', async () => {
    const block = Buffer.alloc(512)
    new tar.Header({path: 'a/b', mode: 0o644, size: 0, type: 'File', mtime: new Date(0)}).encode(block)
    const above = Buffer.alloc(512)
    const size = 2 ** 22
    new tar.Header({path: 'a', mode: 0o644, size, type: 'File', mtime: new Date(0)}).encode(above)
    await writeFile(join(scratch.path, 'evil.tar'), Buffer.concat([block, above, Buffer.alloc(size + 1024)]))
    await expect(acquire('evil.tar')).rejects.toMatchObject({code: 'rejected'})
  })

  test('does not reach out of a Docker archive by a link', async () => {
    const folder = join(scratch.path, 'docker')
    await mkdir(folder)
    await writeFile(join(folder, 'manifest.json'), JSON.stringify([{Config: 'config.json', Layers: []}]))
    await execa('ln', ['-s', '../../../../../../etc/passwd', join(folder, 'config.json')])
    await tar.create({cwd: folder, file: join(scratch.path, 'evil.tar')}, ['manifest.json', 'config.json'])
    await expect(acquire('evil.tar')).rejects.toMatchObject({code: 'image_missing', message: 'The archive lacks config.json.'})
  })
})

function acquire(name: string, layout = 'got'): ReturnType<typeof acquireImage> {
  const dataDirectory = join(scratch.path, 'data')
  return acquireImage({image: name, folder: scratch.path, layoutDirectory: join(scratch.path, layout), dataDirectory, signal})
}

async function withEnv<T>(env: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const before = Object.fromEntries(Object.keys(env).map((key) => [key, process.env[key]]))
  Object.assign(process.env, env)
  try {
    return await work()
  } finally {
    for (const [key, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[key]
      else process.env[key] = value
    }
  }
}

/** A registry that gives tokens to `ann` alone, and blobs by a redirect to another server that must not see the token. */
async function tokenRegistry(): Promise<{host: string; asked: string[]}> {
  const asked: string[] = []
  const blobOf = (digest: string): Promise<Buffer> => readFile(join(image.layoutDirectory, 'blobs/sha256', digest.slice('sha256:'.length)))
  const cdn = await listen((request, answer) => {
    const digest = request.url!.slice(1)
    asked.push(`cdn ${digest} ${request.headers.authorization === undefined ? 'without' : 'with'} credentials`)
    void blobOf(digest).then((bytes) => answer.end(bytes))
  })
  const token = createHash('sha256').update(scratch.path).digest('hex')
  const host = await listen((request, answer) => {
    const {url = '', headers} = request
    asked.push(url)
    if (url.startsWith('/token')) {
      const expected = `Basic ${Buffer.from(`${PUBLIC.user}:${PUBLIC.password}`).toString('base64')}`
      answer.writeHead(headers.authorization === expected ? 200 : 401).end(JSON.stringify({token, expires_in: 300}))
    } else if (headers.authorization !== `Bearer ${token}`) {
      answer.writeHead(401, {'www-authenticate': `Bearer realm="http://${host}/token",service="registry"`}).end()
    } else if (url.includes('/blobs/')) {
      answer.writeHead(307, {location: `http://${cdn}/${url.split('/').at(-1)}`}).end()
    } else {
      const reference = url.split('/').at(-1)!
      const digest = reference === '1' ? image.indexDigest : reference
      void blobOf(digest).then((bytes) => answer.end(bytes))
    }
  })
  return {host, asked}
}

async function listen(handler: (request: IncomingMessage, answer: import('node:http').ServerResponse) => void): Promise<string> {
  const server = createServer(handler)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
