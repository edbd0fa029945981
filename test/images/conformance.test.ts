import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type Digest, digestOf} from '../../src/images/digest.ts'
import {MEDIA_TYPE} from '../../src/images/oci.ts'
import {descriptorOf, RegistryAsks} from './registry-asks.ts'
import {type RegistryWorld, scratchDirectory, startRegistry} from './registry-world.ts'

/** The points of the OCI distribution specification 1.1, each as what a client sends and what it is answered. */
const repo = 'colibris/conformance'
const ABSENT = digestOf('was never pushed')
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let world: RegistryWorld
let asks: RegistryAsks
let live: Set<string>

beforeAll(async () => {
  scratch = await scratchDirectory()
  live = new Set()
  world = await startRegistry(join(scratch.path, 'registry'), undefined, undefined, {liveImages: () => live})
  asks = new RegistryAsks(world.url)
})
afterAll(async () => {
  await world.close()
  await scratch.remove()
})

async function beginUpload(): Promise<string> {
  const {status, headers} = await asks.ask('POST', `${repo}/blobs/uploads/`)
  expect([status, headers['content-length']]).toEqual([202, '0'])
  return String(headers.location)
}

const BAD: readonly [string, string, string, number, string][] = [
  ['a blob that is not there', 'GET', `${repo}/blobs/${ABSENT}`, 404, 'BLOB_UNKNOWN'],
  ['a manifest that is not there', 'GET', `${repo}/manifests/${ABSENT}`, 404, 'MANIFEST_UNKNOWN'],
  ['a tag that can be none', 'GET', `${repo}/manifests/.INVALID_MANIFEST_NAME`, 404, 'MANIFEST_UNKNOWN'],
  ['a push to a tag that can be none', 'PUT', `${repo}/manifests/-x`, 400, 'NAME_INVALID'],
  ['tags of a repository that is not there', 'GET', 'colibris/nothing/tags/list', 404, 'NAME_UNKNOWN'],
  ['a name that can be none', 'GET', 'Colibris/tags/list', 400, 'NAME_INVALID'],
  ['a digest that can be none', 'GET', `${repo}/blobs/sha256:12`, 400, 'DIGEST_INVALID'],
  ['a digest of another kind', 'GET', `${repo}/blobs/sha512:${'0'.repeat(128)}`, 400, 'DIGEST_INVALID'],
  ['a manifest by a digest of another kind', 'PUT', `${repo}/manifests/sha512:${'0'.repeat(128)}`, 400, 'DIGEST_INVALID'],
  ['an upload by a digest of another kind', 'POST', `${repo}/blobs/uploads/?digest=sha512:${'0'.repeat(128)}`, 400, 'DIGEST_INVALID'],
  ['referrers of what can be no digest', 'GET', `${repo}/referrers/v1`, 400, 'DIGEST_INVALID'],
  ['an upload that is not there', 'GET', `${repo}/blobs/uploads/00000000-0000-0000-0000-000000000000`, 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['deleting a blob that is not there', 'DELETE', `${repo}/blobs/${ABSENT}`, 404, 'BLOB_UNKNOWN'],
  ['deleting a manifest that is not there', 'DELETE', `${repo}/manifests/${ABSENT}`, 404, 'MANIFEST_UNKNOWN'],
  ['deleting a tag that is not there', 'DELETE', `${repo}/manifests/none`, 404, 'MANIFEST_UNKNOWN'],
  ['a number of tags that is none', 'GET', `${repo}/tags/list?n=x`, 400, 'UNSUPPORTED'],
  ['a method that is not offered', 'PUT', `${repo}/blobs/${ABSENT}`, 405, 'UNSUPPORTED'],
  ['an address that is none', 'GET', `${repo}/nothing`, 404, 'NAME_UNKNOWN']
]

test.each(BAD)('%s is refused in the form and with the code of the specification', async (_what, method, path, status, code) => {
  await asks.pushImage(repo, {layers: ['a layer'], reference: 'v0'})
  const said = await asks.ask(method, path)
  expect(said).toMatchObject({status, code, headers: {'docker-distribution-api-version': 'registry/2.0'}})
  expect(JSON.parse(said.text).errors[0]).toMatchObject({message: expect.stringMatching(/\.$/), detail: {code: expect.any(String)}})
})

describe('a blob is uploaded', () => {
  const push = {
    'by one POST': async (content: string, digest: Digest) => asks.ask('POST', `${repo}/blobs/uploads/?digest=${digest}`, content),
    'by POST and PUT': async (content: string, digest: Digest) => asks.ask('PUT', `${await beginUpload()}?digest=${digest}`, content),
    'in chunks that say where they go': async (content: string, digest: Digest) => {
      const at = await beginUpload()
      const first = await asks.ask('PATCH', at, content.slice(0, 3), {'content-range': '0-2'})
      expect([first.status, first.headers.range]).toEqual([202, '0-2'])
      expect((await asks.ask('PATCH', at, content.slice(0, 3), {'content-range': '0-2'})).status).toBe(416)
      const progress = await asks.ask('GET', at)
      expect([progress.status, progress.headers.range, progress.headers.location]).toEqual([204, '0-2', at])
      const range = `3-${content.length - 1}`
      return asks.ask('PUT', `${at}?digest=${digest}`, content.slice(3), {'content-range': range})
    },
    'in chunks that do not': async (content: string, digest: Digest) => {
      const at = await beginUpload()
      await asks.ask('PATCH', at, content.slice(0, 5))
      await asks.ask('PATCH', at, content.slice(5))
      return asks.ask('PUT', `${at}?digest=${digest}`)
    }
  }

  test.each(Object.entries(push))('%s, and is there whole, by HEAD and GET', async (how, send) => {
    const content = `the content, sent ${how}`
    const digest = digestOf(content)
    const pushed = await send(content, digest)
    expect(pushed).toMatchObject({status: 201, headers: {location: `/v2/${repo}/blobs/${digest}`, 'docker-content-digest': digest}})
    const head = await asks.ask('HEAD', `${repo}/blobs/${digest}`)
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, String(content.length), ''])
    expect(await asks.ask('GET', `${repo}/blobs/${digest}`)).toMatchObject({status: 200, text: content})
  })

  test('not at all when a chunk leaves a gap, and the answer says how far it came', async () => {
    const at = await beginUpload()
    await asks.ask('PATCH', at, 'abc', {'content-range': '0-2'})
    const gap = await asks.ask('PATCH', at, 'xyz', {'content-range': '5-7'})
    expect(gap).toMatchObject({status: 416, code: 'BLOB_UPLOAD_INVALID', headers: {range: '0-2', location: at}})
    const last = await asks.ask('PUT', `${at}?digest=${digestOf('abcxyz')}`, 'xyz', {'content-range': '5-7'})
    expect(last).toMatchObject({status: 416, code: 'BLOB_UPLOAD_INVALID', headers: {range: '0-2'}})
    expect((await asks.ask('PATCH', at, 'def', {'content-range': '3-9'})).code).toBe('SIZE_INVALID')
    expect((await asks.ask('PATCH', at, 'def', {'content-range': 'three to five'})).code).toBe('BLOB_UPLOAD_INVALID')
    expect((await asks.ask('PUT', `${at}?digest=${digestOf('abcdef')}`, 'def', {'content-range': 'bytes 3-5/6'})).status).toBe(201)
  })

  test('after a chunk that went nowhere, as if it had not been sent', async () => {
    const at = await beginUpload()
    expect((await asks.ask('PATCH', at, 'xyz', {'content-range': '5-7'})).status).toBe(416)
    expect(await asks.ask('GET', at)).toMatchObject({status: 204, headers: {range: '0-0', location: at}})
    expect((await asks.ask('PUT', `${at}?digest=${digestOf('abc')}`, 'abc', {'content-range': '0-2'})).status).toBe(201)
  })

  test('not at all when its digest is another, also of a blob that is here already', async () => {
    const digest = await asks.pushBlob(repo, 'here already')
    const at = await beginUpload()
    expect(await asks.ask('PUT', `${at}?digest=${digest}`, 'something else')).toMatchObject({status: 400, code: 'DIGEST_INVALID'})
    expect((await asks.ask('GET', at)).code).toBe('BLOB_UPLOAD_UNKNOWN')
    expect((await asks.ask('PUT', `${await beginUpload()}`, 'no digest')).code).toBe('DIGEST_INVALID')
  })

  test('not at all once it is cancelled, and nothing of it stays', async () => {
    const at = await beginUpload()
    await asks.ask('PATCH', at, 'abc')
    expect((await asks.ask('DELETE', at)).status).toBe(204)
    expect((await asks.ask('GET', at)).code).toBe('BLOB_UPLOAD_UNKNOWN')
    expect(await readdir(join(world.store.directory, 'uploads'))).not.toContain(at.split('/').at(-1))
  })

  test('by nothing but its name when it is here, and by a session when it is not', async () => {
    const digest = await asks.pushBlob('colibris/elsewhere', 'mounted')
    const mounted = await asks.ask('POST', `${repo}/blobs/uploads/?mount=${digest}&from=colibris/elsewhere`)
    expect(mounted).toMatchObject({status: 201, headers: {location: `/v2/${repo}/blobs/${digest}`}})
    expect((await asks.ask('POST', `${repo}/blobs/uploads/?mount=${digest}`)).status).toBe(201)
    const session = await asks.ask('POST', `${repo}/blobs/uploads/?mount=${ABSENT}&from=colibris/elsewhere`)
    expect([session.status, session.headers.location]).toEqual([202, expect.stringContaining('/blobs/uploads/')])
    expect((await asks.ask('DELETE', String(session.headers.location))).status).toBe(204)
  })
})

test('a manifest is there by digest and by tag, with its type and its bytes, by HEAD and GET', async () => {
  const digest = await asks.pushImage(repo, {layers: ['one'], reference: 'v1'})
  for (const reference of ['v1', digest]) {
    const [head, get] = [await asks.ask('HEAD', `${repo}/manifests/${reference}`), await asks.ask('GET', `${repo}/manifests/${reference}`)]
    for (const {status, headers} of [head, get]) {
      expect([status, headers['docker-content-digest'], headers['content-type']]).toEqual([200, digest, MEDIA_TYPE.manifest])
    }
    expect([head.headers['content-length'], head.text, digestOf(get.text)]).toEqual([String(get.text.length), '', digest])
  }
})

test('a manifest of nearly four MiB is taken, and one whose layers may not be handed on without these layers', async () => {
  const annotations = Object.fromEntries(Array.from({length: 390}, (_, index) => [`large-${index}`, 'A'.repeat(10_000)]))
  const large = await asks.pushImage(repo, {layers: ['large'], annotations})
  expect(digestOf((await asks.ask('GET', `${repo}/manifests/${large}`)).text)).toBe(large)
  const config = descriptorOf(JSON.stringify({for: repo}), MEDIA_TYPE.config)
  const layers = [{mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', digest: ABSENT, size: 9}]
  const image = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers}
  expect((await asks.putManifest(repo, image, 'bound')).status).toBe(201)
  const pushed = await asks.pushBlob(repo, 'pushed after all')
  const lying = {...image, layers: layers.map((layer) => ({...layer, digest: pushed}))}
  expect(await asks.putManifest(repo, lying)).toMatchObject({status: 400, code: 'MANIFEST_INVALID'})
})

test('tags come in order, by pages that lead to the next', async () => {
  const name = 'colibris/tagged'
  for (const reference of ['b', 'c', 'a', 'd']) await asks.pushImage(name, {layers: ['one'], reference})
  expect(JSON.parse((await asks.ask('GET', `${name}/tags/list`)).text)).toEqual({name, tags: ['a', 'b', 'c', 'd']})
  const first = await asks.ask('GET', `${name}/tags/list?n=3`)
  expect(JSON.parse(first.text).tags).toEqual(['a', 'b', 'c'])
  const [, next = ''] = /^<(.+)>; rel="next"$/.exec(String(first.headers.link)) ?? []
  const second = await asks.ask('GET', next)
  expect([JSON.parse(second.text).tags, second.headers.link]).toEqual([['d'], undefined])
  expect(JSON.parse((await asks.ask('GET', `${name}/tags/list?n=0`)).text).tags).toEqual([])
})

test('what says something about an image is listed as an index, by kind, and not once it is deleted', async () => {
  const name = 'colibris/signed'
  const none = await asks.ask('GET', `${name}/referrers/${ABSENT}`)
  expect([none.status, none.headers['content-type']]).toEqual([200, MEDIA_TYPE.index])
  expect(JSON.parse(none.text)).toEqual({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: []})
  const subjectBytes = await asks.ask('GET', `${name}/manifests/${await asks.pushImage(name, {layers: ['signed']})}`)
  const subject = {mediaType: MEDIA_TYPE.manifest, digest: digestOf(subjectBytes.text), size: subjectBytes.text.length}
  const annotations = {by: 'ann'}
  const signature = await asks.pushImage(name, {layers: ['sig'], subject, artifactType: 'application/x-signature', annotations})
  const bill = await asks.pushImage(name, {layers: ['bom'], subject})
  const index = {schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [], subject, artifactType: 'application/x-set'}
  const pushed = await asks.putManifest(name, index)
  expect([pushed.status, pushed.headers['oci-subject']]).toEqual([201, subject.digest])
  const listed = JSON.parse((await asks.ask('GET', `${name}/referrers/${subject.digest}`)).text).manifests
  expect(listed).toHaveLength(3)
  expect(listed).toContainEqual(expect.objectContaining({digest: bill, artifactType: MEDIA_TYPE.config}))
  const filtered = await asks.ask('GET', `${name}/referrers/${subject.digest}?artifactType=application/x-signature`)
  expect(filtered.headers['oci-filters-applied']).toBe('artifactType')
  expect(JSON.parse(filtered.text).manifests).toEqual([
    {mediaType: MEDIA_TYPE.manifest, digest: signature, size: expect.any(Number), artifactType: 'application/x-signature', annotations}
  ])
  expect((await asks.ask('DELETE', `${name}/manifests/${signature}`)).status).toBe(202)
  expect(JSON.parse((await asks.ask('GET', `${name}/referrers/${subject.digest}`)).text).manifests).toHaveLength(2)
})

test('a manifest may speak of an image that is not there', async () => {
  const subject = {mediaType: MEDIA_TYPE.manifest, digest: ABSENT, size: 3}
  const referrer = await asks.pushImage(repo, {layers: ['early'], subject})
  const listed = JSON.parse((await asks.ask('GET', `${repo}/referrers/${ABSENT}`)).text).manifests
  expect(listed).toMatchObject([{digest: referrer}])
})

describe('deleting', () => {
  const name = 'colibris/deleted'

  test('a tag leaves the image, and a digest takes the image with its tags', async () => {
    const digest = await asks.pushImage(name, {layers: ['one'], reference: 'a'})
    await asks.pushImage(name, {layers: ['one'], reference: 'b'})
    expect((await asks.ask('DELETE', `${name}/manifests/a`)).status).toBe(202)
    expect((await asks.ask('GET', `${name}/manifests/a`)).code).toBe('MANIFEST_UNKNOWN')
    expect((await asks.ask('GET', `${name}/manifests/${digest}`)).status).toBe(200)
    expect((await asks.ask('DELETE', `${name}/manifests/${digest}`)).status).toBe(202)
    for (const gone of ['b', digest]) expect((await asks.ask('GET', `${name}/manifests/${gone}`)).code).toBe('MANIFEST_UNKNOWN')
    expect(JSON.parse((await asks.ask('GET', `${name}/tags/list`)).text).tags).toEqual([])
  })

  test('a blob takes it at once, unless an image names it or another org sent it', async () => {
    const lone = await asks.pushBlob(name, 'nobody needs it')
    const foreign = await asks.pushBlob('other/name', 'of others')
    const layer = await asks.pushBlob(name, 'needed')
    const image = await asks.pushImage(name, {layers: ['needed']})
    expect((await asks.ask('DELETE', `${name}/blobs/${lone}`)).status).toBe(202)
    expect((await asks.ask('GET', `${name}/blobs/${lone}`)).code).toBe('BLOB_UNKNOWN')
    expect(await asks.ask('DELETE', `${name}/blobs/${foreign}`)).toMatchObject({status: 403, code: 'DENIED'})
    expect(await asks.ask('DELETE', `${name}/blobs/${layer}`)).toMatchObject({status: 403, code: 'DENIED'})
    await asks.ask('DELETE', `${name}/manifests/${image}`)
    expect((await asks.ask('DELETE', `${name}/blobs/${layer}`)).status).toBe(202)
  })

  test('an image that a live revision or an index needs is refused, and says why', async () => {
    const digest = await asks.pushImage(name, {layers: ['live']})
    live.add(digest)
    expect(await asks.ask('DELETE', `${name}/manifests/${digest}`)).toMatchObject({
      status: 403,
      code: 'DENIED',
      message: expect.stringContaining('live')
    })
    live.delete(digest)
    const {text} = await asks.ask('GET', `${name}/manifests/${digest}`)
    const manifests = [{mediaType: MEDIA_TYPE.manifest, digest, size: text.length}]
    const index = await asks.pushManifest(name, {schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests})
    expect((await asks.ask('DELETE', `${name}/manifests/${digest}`)).code).toBe('DENIED')
    for (const gone of [index, digest]) expect((await asks.ask('DELETE', `${name}/manifests/${gone}`)).status).toBe(202)
  })
})

test('an org that has its share is refused with what it has and what it may have', async () => {
  const small = await startRegistry(join(scratch.path, 'small'), undefined, undefined, {limits: {orgBytesMax: 2 ** 20, orgBlobsMax: 3}})
  const other = new RegistryAsks(small.url)
  await other.pushBlob(repo, Buffer.alloc(2 ** 20))
  expect(await other.ask('POST', `${repo}/blobs/uploads/?digest=${ABSENT}`, 'more')).toMatchObject({
    status: 403,
    code: 'DENIED',
    message: 'colibris has stored 1 blobs of 1 MiB; an org may store 3 blobs and 1 MiB.'
  })
  await other.pushBlob('other/name', 'goes on')
  await small.close()
})
