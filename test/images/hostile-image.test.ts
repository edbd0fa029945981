import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {buffer} from 'node:stream/consumers'
import {createZstdCompress, gzipSync, zstdCompressSync} from 'node:zlib'
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

  test('packed as a stream by Node, which puts an empty frame behind it, is accepted', async () => {
    const plain = archive({path: 'x'})
    const stream = createZstdCompress()
    stream.write(plain)
    const streamed = await buffer(stream.end())
    expect(await inspect(streamed, MEDIA_TYPE.layerZstd)).toMatchObject({files: 1})
    expect(await inspect(Buffer.concat([zstdCompressSync(plain), zstdCompressSync('')]), MEDIA_TYPE.layerZstd)).toMatchObject({files: 1})
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

  const fourInside = Buffer.concat([header({path: 'inner', size: 4 * 512}), Buffer.alloc(4 * 512)])
  const odd: Readonly<Record<string, Buffer>> = {
    'a global header, which hides what follows from readers that obey it': extended('g', record('size', '2048')),
    'a size in an extended header': extended('x', record('size', '2048')),
    'a sparse file that unpacks to more than it holds': extended(
      'x',
      record('GNU.sparse.major', '1'),
      record('GNU.sparse.realsize', '2147483648')
    ),
    'a record whose value holds another record': extended('x', record('uname', 'me\n16 size=2048\n')),
    'a record that is cut': extended('x', '99 path=x\n'),
    'a record of no known key': extended('x', record('hdrcharset', 'BINARY')),
    'notes for the runtime’s own storage': extended('x', record('SCHILY.xattr.trusted.overlay.redirect', '/etc')),
    'a path in an extended header that climbs out': extended('x', record('path', '../../etc/passwd')),
    'two extended headers for one file': Buffer.concat([extended('x', record('path', 'a')), extended('x', record('path', 'b'))]),
    'an old extended header': extended('X', record('path', 'b')),
    'a link that brings bytes along': Buffer.concat([typed('2', {path: 'l', linkpath: 'x', size: 2048})]),
    'a folder that brings bytes along': typed('5', {path: 'folder/', size: 2048}),
    'a file with the name of a folder': typed('0', {path: 'folder/', size: 2048}),
    'something behind its end': Buffer.alloc(1024)
  }
  test.each(Object.entries(odd))('with %s is refused', async (_what, bytes) => {
    const whole = Buffer.concat([header({path: 'fine'}), bytes, fourInside, Buffer.alloc(1024)])
    await expect(inspect(gzipSync(whole))).rejects.toMatchObject({code: 'rejected'})
  })

  test('with long names, times and attributes in extended headers is accepted', async () => {
    const long = `${'folder/'.repeat(40)}file`
    const pax = extended('x', record('path', long), record('mtime', '1.5'), record('SCHILY.xattr.user.note', 'a\nb'))
    const gnu = Buffer.concat([typed('L', {path: '././@LongLink', size: long.length + 1}), padded(`${long}\0`)])
    const whole = Buffer.concat([pax, header({path: 'short'}), gnu, header({path: 'short'}), Buffer.alloc(1024)])
    expect(await inspect(gzipSync(whole))).toMatchObject({files: 42})
  })

  test('with another archive behind the first is refused, for the runtime would unpack both', async () => {
    const plain = archive({path: 'x'})
    const behind = Buffer.concat([zstdCompressSync(plain), zstdCompressSync(archive({path: 'sda', type: 'BlockDevice'}))])
    await expect(inspect(behind, MEDIA_TYPE.layerZstd)).rejects.toMatchObject({code: 'rejected'})
  })

  test('counts the folders that a path makes on its way', async () => {
    const deep = gzipSync(Buffer.concat([extended('x', record('path', `${'d/'.repeat(500)}f`)), archive({path: 'f'})]))
    await expect(inspect(deep, MEDIA_TYPE.layerGzip, {filesMax: 100})).rejects.toMatchObject({code: 'rejected'})
  })

  test('with too many files or too many bytes is refused', async () => {
    const many = gzipSync(archive(...Array.from({length: 11}, (_, i) => ({path: `f${i}`}))))
    await expect(inspect(many, MEDIA_TYPE.layerGzip, {filesMax: 10})).rejects.toMatchObject({code: 'rejected'})
    await expect(inspect(many, MEDIA_TYPE.layerGzip, {decompressedBytesMax: 1000})).rejects.toMatchObject({code: 'rejected'})
  })

  test('of more files than a volunteer’s machine takes is refused with how many that are', async () => {
    const million = Buffer.alloc((LAYER_LIMITS.filesMax + 1) * 512, header({path: 'f'}))
    await expect(inspect(million, MEDIA_TYPE.layerTar)).rejects.toMatchObject({
      code: 'rejected',
      message: expect.stringContaining(`more than ${LAYER_LIMITS.filesMax} files`)
    })
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

/** A header of this very type, whatever it may mean. */
function typed(type: string, fields: Fields): Buffer {
  const block = header({...fields, type: 'File'})
  block.write(type, 156, 'latin1')
  block.write('        ', 148, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function extended(type: string, ...records: string[]): Buffer {
  const body = records.join('')
  return Buffer.concat([typed(type, {path: 'PaxHeader/x', size: body.length}), padded(body)])
}

/** A record as PAX has it: its own length in front. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const digits = String(rest.length + String(rest.length + 2).length)
  return `${digits}${rest}`
}

function padded(text: string): Buffer {
  const bytes = Buffer.alloc(Math.ceil(text.length / 512) * 512)
  bytes.write(text)
  return bytes
}
