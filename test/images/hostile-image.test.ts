import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {gzipSync, zstdCompressSync} from 'node:zlib'
import {Header} from 'tar'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {digestOf} from '../../src/images/digest.ts'
import {inspectLayer, LAYER_LIMITS} from '../../src/images/inspect-layer.ts'
import {MEDIA_TYPE, parseManifest} from '../../src/images/oci.ts'
import {scratchDirectory} from './registry-world.ts'

const {signal} = new AbortController()
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

type Fields = ConstructorParameters<typeof Header>[0]

describe('a layer', () => {
  test('of plain files, folders and inner links is accepted and counted', async () => {
    const plain = archive({path: 'bin/', type: 'Directory'}, {path: 'bin/x'}, {path: 'sh', type: 'SymbolicLink', linkpath: '/bin/x'})
    expect(await inspect(gzipSync(plain))).toEqual({diffId: digestOf(plain), decompressedBytes: plain.length, files: 3})
    expect(await inspect(zstdCompressSync(plain), MEDIA_TYPE.layerZstd)).toMatchObject({files: 3})
    expect(await inspect(plain, MEDIA_TYPE.layerTar)).toMatchObject({files: 3})
  })

  const hostile: Readonly<Record<string, Fields>> = {
    'a path that climbs out': {path: '../../etc/passwd'},
    'a path that climbs out in its middle': {path: 'a/../../etc/passwd'},
    'an absolute path': {path: '/etc/passwd'},
    'a link that climbs out': {path: 'a/link', type: 'SymbolicLink', linkpath: '../../etc'},
    'a hard link that climbs out': {path: 'link', type: 'Link', linkpath: '../etc/shadow'},
    'an absolute hard link': {path: 'link', type: 'Link', linkpath: '/etc/shadow'},
    'a character device': {path: 'null', type: 'CharacterDevice', devmaj: 1, devmin: 3},
    'a block device': {path: 'sda', type: 'BlockDevice', devmaj: 8, devmin: 0},
    'a pipe': {path: 'pipe', type: 'FIFO'}
  }
  test.each(Object.entries(hostile))('with %s is refused', async (_what, fields) => {
    await expect(inspect(gzipSync(archive({path: 'fine'}, fields)))).rejects.toMatchObject({code: 'rejected'})
  })

  test('that is a bomb is refused before it is unpacked whole, gzip or zstd', async () => {
    const zeros = Buffer.concat([header({path: 'zeros', size: 64 * 2 ** 20}), Buffer.alloc(64 * 2 ** 20), Buffer.alloc(1024)])
    await expect(inspect(gzipSync(zeros))).rejects.toMatchObject({code: 'rejected', message: expect.stringContaining('times its size')})
    await expect(inspect(zstdCompressSync(zeros), MEDIA_TYPE.layerZstd)).rejects.toMatchObject({code: 'rejected'})
  })

  test('with too many files or too many bytes is refused', async () => {
    const many = gzipSync(archive(...Array.from({length: 11}, (_, i) => ({path: `f${i}`}))))
    await expect(inspect(many, MEDIA_TYPE.layerGzip, {filesMax: 10})).rejects.toMatchObject({code: 'rejected'})
    await expect(inspect(many, MEDIA_TYPE.layerGzip, {decompressedBytesMax: 1000})).rejects.toMatchObject({code: 'rejected'})
  })

  test('that is zipped twice, cut short, no archive, or of an unknown kind is refused', async () => {
    const plain = archive({path: 'x'})
    await expect(inspect(gzipSync(gzipSync(plain)))).rejects.toMatchObject({code: 'rejected'})
    await expect(inspect(gzipSync(plain).subarray(0, 40))).rejects.toMatchObject({code: 'rejected'})
    await expect(inspect(gzipSync(Buffer.alloc(4096, 'x')))).rejects.toMatchObject({code: 'rejected'})
    await expect(inspect(plain, 'application/zip')).rejects.toMatchObject({code: 'rejected'})
  })
})

test('a manifest of 129 layers is refused', () => {
  const layer = {mediaType: MEDIA_TYPE.layerGzip, digest: digestOf('x'), size: 1}
  const manifest = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config: layer, layers: Array(129).fill(layer)}
  expect(() => parseManifest(Buffer.from(JSON.stringify(manifest)))).toThrow('at most 128 layers')
})

describe('the blob store', () => {
  test('shows a blob only once its digest is right, and goes on where an upload was suspended', async () => {
    const store = await openBlobStore(join(scratch.path, 'store'))
    const digest = digestOf('hello world')
    const first = await store.resume(digest, {bytesMax: 11, signal})
    await first.append([Buffer.from('hello ')], signal)
    await first.suspend()
    const reopened = await openBlobStore(join(scratch.path, 'store'))
    const second = await reopened.resume(digest, {bytesMax: 11, signal})
    expect([second.offset, await reopened.stat(digest)]).toEqual([6, undefined])
    await second.append([Buffer.from('world')], signal)
    expect(await second.commit(digest)).toEqual({digest, size: 11})
    expect((await reopened.read(digest, 100)).toString()).toBe('hello world')
  })

  test('throws wrong bytes away, refuses too many, and a name that is a path', async () => {
    const store = await openBlobStore(join(scratch.path, 'store'))
    const upload = await store.upload({bytesMax: 4})
    await expect(upload.append([Buffer.from('too long')], signal)).rejects.toMatchObject({code: 'payload_too_large'})
    await expect(upload.commit(digestOf('other'))).rejects.toMatchObject({code: 'digest_mismatch'})
    expect(await store.list()).toEqual([])
    expect(() => store.path('sha256:../../etc/passwd')).toThrow('is not a digest')
  })

  test('prunes the oldest blobs down to its bound and keeps what is in use', async () => {
    const store = await openBlobStore(join(scratch.path, 'store'))
    const blobs = await Promise.all(['aaaa', 'bbbb', 'cccc'].map((text) => store.write(Buffer.from(text))))
    const kept = blobs[0]!.digest
    expect(await store.prune({bytesMax: 4, keep: new Set([kept])})).toEqual({deletedBytes: 8})
    expect((await store.list()).map((blob) => blob.digest)).toEqual([kept])
  })
})

async function inspect(bytes: Buffer, mediaType: string = MEDIA_TYPE.layerGzip, limits: Partial<typeof LAYER_LIMITS> = {}) {
  const path = join(scratch.path, 'layer')
  await writeFile(path, bytes)
  return inspectLayer({path, mediaType, limits: {...LAYER_LIMITS, ...limits}, signal})
}

function header(fields: Fields): Buffer {
  const block = Buffer.alloc(512)
  new Header({mode: 0o644, uid: 0, gid: 0, size: 0, type: 'File', mtime: new Date(0), ...fields}).encode(block)
  return block
}

function archive(...entries: Fields[]): Buffer {
  return Buffer.concat([...entries.map(header), Buffer.alloc(1024)])
}
