import {mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import fc from 'fast-check'
import * as tar from 'tar'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {acquireImage} from '../../src/developer/image-source.ts'
import {buildImage} from '../../src/images/build-image.ts'
import {TarScan} from '../../src/images/tar-scan.ts'
import {scratchDirectory} from './registry-world.ts'

const {signal} = new AbortController()
const isLong = process.env.CREO_TEST_TIER === 'long'
const ARCHIVES = isLong ? 2_000 : 60
const LAYERS = isLong ? 100_000 : 1_000
const FILES_MAX = 100
/** What can be said of an image that is damaged or hostile. */
const REFUSALS = ['rejected', 'digest_mismatch', 'image_missing', 'invalid_input', 'payload_too_large']
const BLOCK_BYTES = 512
const CHECKSUM = {from: 148, to: 156}
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

test('an archive that was damaged or made by an enemy is taken or refused with a code, and leaves nothing behind', async () => {
  const good = await goodArchive()
  const codes = new Map<string, number>()
  const dataDirectory = join(scratch.path, 'data')
  const layoutDirectory = join(scratch.path, 'fuzzed')
  await fc.assert(
    fc.asyncProperty(changes(good.length), async (changed) => {
      await writeFile(join(scratch.path, 'fuzzed.tar'), apply(good, changed))
      const outcome = await acquireImage({image: 'fuzzed.tar', folder: scratch.path, layoutDirectory, dataDirectory, signal}).then(
        () => 'taken',
        (error: {code?: string}) => String(error.code)
      )
      codes.set(outcome, (codes.get(outcome) ?? 0) + 1)
      expect([...REFUSALS, 'taken']).toContain(outcome)
      expect(await readdir(join(dataDirectory, 'builds'))).toEqual([])
      await rm(layoutDirectory, {recursive: true, force: true})
    }),
    {numRuns: ARCHIVES}
  )
  expect(codes.get('taken')).toBeGreaterThan(0)
  expect(codes.size).toBeGreaterThan(1)
})

test('a layer that was damaged or made by an enemy is counted or refused, and nothing else', () => {
  const names = ['a/b', `${'long/'.repeat(30)}name`, 'a/c']
  const plain = Buffer.concat([...names.map((name) => entry(name, name.repeat(90))), Buffer.alloc(2 * BLOCK_BYTES)])
  let inShape = 0
  let taken = 0
  fc.assert(
    fc.property(changes(plain.length), fc.integer({min: 1, max: 1500}), (changed, chunkBytes) => {
      const bytes = apply(plain, changed)
      const scan = new TarScan(FILES_MAX)
      if (changed.mended && changed.cut === undefined) inShape += 1
      try {
        for (let at = 0; at < bytes.length; at += chunkBytes) scan.write(bytes.subarray(at, at + chunkBytes))
        scan.end()
        expect(scan.files).toBeLessThanOrEqual(FILES_MAX)
        taken += 1
      } catch (error) {
        expect(error).toMatchObject({code: 'rejected'})
      }
    }),
    {numRuns: LAYERS}
  )
  expect(inShape / LAYERS).toBeGreaterThan(0.3)
  expect(taken / LAYERS).toBeGreaterThan(0.1)
})

/** Which bytes are changed to what, whether the headers' checksums are made right again, and where the rest is cut off. */
interface Changes {
  readonly bytes: readonly (readonly [number, number])[]
  readonly mended: boolean
  readonly cut: number | undefined
}

function changes(length: number): fc.Arbitrary<Changes> {
  const bytes = fc.array(fc.tuple(fc.nat(length - 1), fc.nat(255)), {maxLength: 3})
  const mended = fc.oneof({weight: 2, arbitrary: fc.constant(true)}, {weight: 1, arbitrary: fc.constant(false)})
  const cut = fc.oneof({weight: 5, arbitrary: fc.constant(undefined)}, {weight: 1, arbitrary: fc.nat(length)})
  return fc.record({bytes, mended, cut})
}

function apply(good: Buffer, {bytes, mended, cut}: Changes): Buffer {
  const changed = Buffer.from(good)
  for (const [at, value] of bytes) changed[at] = value
  if (mended)
    for (let at = 0; at + BLOCK_BYTES <= good.length; at += BLOCK_BYTES)
      if (isHeader(good, at)) mend(changed.subarray(at, at + BLOCK_BYTES))
  return changed.subarray(0, cut ?? changed.length)
}

function isHeader(bytes: Buffer, at: number): boolean {
  return bytes.toString('latin1', at + 257, at + 262) === 'ustar'
}

function mend(header: Buffer): void {
  header.fill(' ', CHECKSUM.from, CHECKSUM.to)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM.from, 'latin1')
}

function entry(path: string, text: string): Buffer {
  const header = new tar.Header({path, mode: 0o644, size: text.length, type: 'File', mtime: new Date(0), uid: 0, gid: 0})
  const block = Buffer.alloc(BLOCK_BYTES)
  header.encode(block)
  const body = Buffer.alloc(Math.ceil(text.length / BLOCK_BYTES) * BLOCK_BYTES)
  body.write(text)
  const long = header.needPax ? new tar.Pax({path, size: text.length}).encode() : Buffer.alloc(0)
  return Buffer.concat([long, block, body])
}

async function goodArchive(): Promise<Buffer> {
  const folder = join(scratch.path, 'app')
  const layoutDirectory = join(scratch.path, 'built')
  await mkdir(folder)
  await writeFile(join(folder, 'run'), 'x'.repeat(1000))
  await buildImage({platforms: [{architecture: 'amd64', base: 'scratch'}], folder, argv: ['/app/run'], env: {}, layoutDirectory, signal})
  const file = join(scratch.path, 'good.tar')
  await tar.create({cwd: layoutDirectory, file, portable: true}, ['oci-layout', 'index.json', 'blobs'])
  return readFile(file)
}
