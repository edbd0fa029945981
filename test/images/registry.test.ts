import {randomBytes} from 'node:crypto'
import {mkdir, readdir, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {pino} from 'pino'
import {request} from 'undici'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {type BuiltImage, buildImage} from '../../src/images/build-image.ts'
import {type Digest, digestFile, digestOf} from '../../src/images/digest.ts'
import {fetchImage} from '../../src/images/fetch-image.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'
import {encodeJson, MEDIA_TYPE} from '../../src/images/oci.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {type RegistryWorld, scratchDirectory, startCuttingLink, startRegistry} from './registry-world.ts'

const {signal} = new AbortController()
/** Where `CI` is set, a tool that is missing fails its test. */
const lacksSkopeo = (await execa('skopeo', ['--version'], {reject: false})).failed && process.env.CI === undefined
const repository = 'colibris/shop/api'
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let registry: RegistryWorld
let image: BuiltImage

beforeEach(async () => {
  scratch = await scratchDirectory()
  registry = await startRegistry(join(scratch.path, 'registry'))
})

afterEach(async () => {
  await registry.close()
  await scratch.remove()
})

describe('pushing and fetching over a real socket', () => {
  beforeEach(async () => {
    image = await makeImage('app', randomBytes(9 * 2 ** 20))
  })

  test('brings the same image to another machine, and the second push sends no blob', async () => {
    const first = await push({tag: 'v1'})
    expect(first).toMatchObject({digest: image.indexDigest, blobsSent: 2, blobsPresent: 0})
    expect(first.bytesSent).toBeGreaterThan(9 * 2 ** 20)
    expect(await push({})).toEqual({digest: image.indexDigest, bytesSent: 0, blobsSent: 0, blobsPresent: 2})
    const fetched = await fetch('miner')
    expect(fetched.manifestDigest).toBe(image.manifestDigest)
    expect(fetched.config.config?.Entrypoint).toEqual(['/app/run'])
    expect(await digestFile(layoutBlobPath(fetched.layoutDirectory, image.layers[0]!.digest), signal)).toBe(image.layers[0]!.digest)
  })

  test('asks the registry nothing for an image that the store has', async () => {
    await push({})
    await fetch('miner')
    await registry.close()
    expect((await fetch('miner')).bytesFetched).toBe(0)
  })

  test('goes on with Range after a cut in the middle of a blob, in this process and in the next', async () => {
    await push({})
    const link = await startCuttingLink(registry.url, {afterBytes: 2 * 2 ** 20, cuts: 1})
    const fetched = await fetch('miner', {registryUrl: link.url})
    expect(link.cuts).toBe(1)
    expect(fetched.bytesFetched).toBeLessThan(image.sizeBytes + 4096)
    await link.close()
    const dying = await startCuttingLink(registry.url, {afterBytes: 6 * 2 ** 20, cuts: 1000})
    const aborter = new AbortController()
    dying.onCut(() => aborter.abort())
    await expect(fetch('other', {registryUrl: dying.url, signal: aborter.signal})).rejects.toThrow()
    await dying.close()
    expect((await fetch('other')).bytesFetched).toBeLessThan(image.sizeBytes - 2 ** 20)
  })

  test('goes on pushing where the registry says that a cut upload stopped', async () => {
    const link = await startCuttingLink(registry.url, {afterUpstreamBytes: 5 * 2 ** 20, cuts: 1})
    const pushed = await push({registryUrl: link.url})
    expect(link.cuts).toBe(1)
    expect(pushed.digest).toBe(image.indexDigest)
    await link.close()
    expect((await fetch('miner')).manifestDigest).toBe(image.manifestDigest)
  })

  test('keeps images and tags over a restart, and nothing of a cut upload', async () => {
    await push({tag: 'v1'})
    const begun = await request(`${registry.url}/v2/${repository}/blobs/uploads/`, {method: 'POST'})
    const location = String(begun.headers.location)
    await request(registry.url + location, {method: 'PATCH', body: 'half'})
    expect(await readdir(join(registry.store.directory, 'uploads'))).toHaveLength(1)
    await registry.close()
    registry = await startRegistry(join(scratch.path, 'registry'))
    expect(await readdir(join(registry.store.directory, 'uploads'))).toEqual([])
    expect((await request(registry.url + location)).statusCode).toBe(404)
    const tags = await request(`${registry.url}/v2/${repository}/tags/list`)
    expect(await tags.body.json()).toEqual({name: repository, tags: ['v1']})
    expect((await fetch('miner')).manifestDigest).toBe(image.manifestDigest)
  })

  test('says which architectures there are when this machine needs another one', async () => {
    await push({})
    await expect(fetch('miner', {architecture: 'arm64'})).rejects.toMatchObject({
      code: 'wrong_architecture',
      message: expect.stringContaining('linux/amd64')
    })
  })

  test('takes no other bytes than the digest says, and says so', async () => {
    await push({})
    const path = registry.store.path(image.layers[0]!.digest)
    await writeFile(path, Buffer.alloc((await stat(path)).size))
    await expect(fetch('miner')).rejects.toMatchObject({code: 'digest_mismatch'})
    await expect(stat(join(scratch.path, 'miner', 'layout', 'index.json'))).rejects.toMatchObject({code: 'ENOENT'})
  })

  test('says that an image is missing, and that no registry answers', async () => {
    await expect(fetch('miner')).rejects.toMatchObject({code: 'image_missing'})
    await registry.close()
    await expect(push({})).rejects.toMatchObject({code: 'unavailable'})
  })

  test('hands the coordinator’s refusal to the client with its code and hint', async () => {
    await registry.close()
    registry = await startRegistry(join(scratch.path, 'registry'), async (_request, action, name) => {
      throw new CreoError('forbidden', `No ${action} on ${name}.`, {hint: 'Ask the owner.'})
    })
    await expect(push({})).rejects.toMatchObject({code: 'forbidden', hint: 'Ask the owner.'})
    await expect(fetch('miner')).rejects.toMatchObject({code: 'forbidden', message: expect.stringContaining(`No pull on ${repository}.`)})
  })

  test.skipIf(lacksSkopeo)('works with skopeo, unmodified, both ways', async () => {
    const remote = `docker://${registry.url.slice('http://'.length)}/${repository}:v2`
    await execa('skopeo', ['copy', '--all', '--dest-tls-verify=false', `oci:${image.layoutDirectory}`, remote])
    expect((await fetch('miner')).manifestDigest).toBe(image.manifestDigest)
    const back = join(scratch.path, 'back')
    await execa('skopeo', ['copy', '--all', '--src-tls-verify=false', remote, `oci:${back}:v2`])
    expect(await digestFile(layoutBlobPath(back, image.manifestDigest), signal)).toBe(image.manifestDigest)
  })
})

describe('the registry refuses', () => {
  test('a blob whose bytes have another digest, and forgets them', async () => {
    const wrong = digestOf('something else')
    const answer = await call('POST', `${repository}/blobs/uploads/?digest=${wrong}`, 'these bytes')
    expect(answer).toMatchObject({status: 400, code: 'DIGEST_INVALID'})
    expect((await call('HEAD', `${repository}/blobs/${wrong}`)).status).toBe(404)
    expect((await call('HEAD', `${repository}/blobs/${digestOf('these bytes')}`)).status).toBe(404)
  })

  test('a manifest whose blobs were not pushed, or have another size', async () => {
    const config = {mediaType: MEDIA_TYPE.config, digest: digestOf('{}'), size: 2}
    const manifest = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: []}
    expect(await putManifest(manifest)).toMatchObject({status: 400, code: 'MANIFEST_BLOB_UNKNOWN'})
    expect((await call('POST', `${repository}/blobs/uploads/?digest=${config.digest}`, '{}')).status).toBe(201)
    expect(await putManifest({...manifest, config: {...config, size: 3}})).toMatchObject({status: 400, code: 'MANIFEST_INVALID'})
    expect((await putManifest(manifest)).status).toBe(201)
  })

  test('an index whose manifests were not pushed', async () => {
    const missing = {mediaType: MEDIA_TYPE.manifest, digest: digestOf('x'), size: 1}
    const index = {schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [missing]}
    expect(await putManifest(index)).toMatchObject({status: 400, code: 'MANIFEST_BLOB_UNKNOWN'})
  })

  test('a manifest under another digest, of another kind, or that is no JSON', async () => {
    const headers = {'content-type': MEDIA_TYPE.manifest}
    expect(await call('PUT', `${repository}/manifests/${digestOf('y')}`, '{}', headers)).toMatchObject({
      status: 400,
      code: 'DIGEST_INVALID'
    })
    expect(await call('PUT', `${repository}/manifests/v1`, 'no', headers)).toMatchObject({status: 400, code: 'MANIFEST_INVALID'})
    expect(await call('PUT', `${repository}/manifests/v1`, '{}', {'content-type': 'text/html'})).toMatchObject({code: 'MANIFEST_INVALID'})
  })

  test.each([
    ['that climbs', '../etc'],
    ['in capitals', 'Up/Case'],
    ['with an empty part', 'a//b'],
    ['with a leading dash', '-a'],
    ['of the catalog itself', 'a/_tags'],
    ['that is too long', `a${'/b'.repeat(200)}`]
  ])('a repository name %s', async (_what, name) => {
    const answer = await call('GET', `${encodeURI(name)}/tags/list`)
    expect([400, 404]).toContain(answer.status)
    expect(await readdir(scratch.path)).not.toContain('etc')
  })

  test('a chunk that does not go where the last one ended, and says how far it is', async () => {
    const begun = await request(`${registry.url}/v2/${repository}/blobs/uploads/`, {method: 'POST'})
    const url = registry.url + String(begun.headers.location)
    await request(url, {method: 'PATCH', body: 'abc', headers: {'content-range': '0-2'}})
    const late = await request(url, {method: 'PATCH', body: 'xyz', headers: {'content-range': '9-11'}})
    expect([late.statusCode, late.headers.range]).toEqual([416, '0-2'])
  })
})

test('a range of a blob is answered with 206, one beyond its end with 416', async () => {
  const digest = digestOf('0123456789')
  await call('POST', `${repository}/blobs/uploads/?digest=${digest}`, '0123456789')
  const url = `${registry.url}/v2/${repository}/blobs/${digest}`
  const middle = await request(url, {headers: {range: 'bytes=2-4'}})
  expect([middle.statusCode, middle.headers['content-range'], await middle.body.text()]).toEqual([206, 'bytes 2-4/10', '234'])
  const tail = await request(url, {headers: {range: 'bytes=-3'}})
  expect([tail.statusCode, await tail.body.text()]).toEqual([206, '789'])
  expect((await request(url, {headers: {range: 'bytes=10-'}})).statusCode).toBe(416)
})

async function makeImage(name: string, content: Buffer): Promise<BuiltImage> {
  const folder = join(scratch.path, name)
  await mkdir(folder)
  await writeFile(join(folder, 'run'), content, {mode: 0o755})
  const layoutDirectory = join(scratch.path, `${name}-layout`)
  return buildImage({platforms: [{architecture: 'amd64', base: 'scratch'}], folder, argv: ['/app/run'], env: {}, layoutDirectory, signal})
}

function push(options: {readonly tag?: string; readonly registryUrl?: string}): ReturnType<typeof pushImage> {
  return pushImage({layoutDirectory: image.layoutDirectory, registryUrl: registry.url, repository, signal, ...options})
}

async function fetch(
  machine: string,
  options: {readonly registryUrl?: string; readonly signal?: AbortSignal; readonly architecture?: 'amd64' | 'arm64'} = {}
): ReturnType<typeof fetchImage> {
  const store = await openBlobStore(join(scratch.path, machine, 'store'))
  const layoutDirectory = join(scratch.path, machine, 'layout')
  const digest: Digest = image.indexDigest
  return fetchImage({registryUrl: registry.url, repository, digest, architecture: 'amd64', store, layoutDirectory, signal, ...options})
}

async function call(
  method: 'GET' | 'HEAD' | 'POST' | 'PUT',
  path: string,
  body: string | Buffer | null = null,
  headers: Record<string, string> = {'content-type': 'application/octet-stream'}
): Promise<{status: number; code: string | undefined}> {
  const response = await request(`${registry.url}/v2/${path}`, {method, body, headers})
  const text = await response.body.text()
  const json = text.startsWith('{') ? (JSON.parse(text) as {errors?: {code: string}[]}) : {}
  return {status: response.statusCode, code: json.errors?.[0]?.code}
}

function putManifest(manifest: {readonly mediaType: string; readonly [field: string]: unknown}): ReturnType<typeof call> {
  const bytes = encodeJson(manifest)
  return call('PUT', `${repository}/manifests/${digestOf(bytes)}`, bytes, {'content-type': manifest.mediaType})
}

test('what fails in the registry itself is logged with its cause, and not explained to strangers', async () => {
  const said: string[] = []
  const log = pino({}, {write: (line) => said.push(line)})
  const broken = await startRegistry(join(scratch.path, 'broken'), async () => Promise.reject(new Error('the disk is on fire')), log)
  const {statusCode, body} = await request(`${broken.url}/v2/${repository}/manifests/v1`)
  expect([statusCode, await body.text()]).toEqual([500, expect.not.stringContaining('fire')])
  await broken.close()
  expect(said.map((line) => JSON.parse(line))).toMatchObject([{err: {message: 'the disk is on fire'}, method: 'GET'}])
})
