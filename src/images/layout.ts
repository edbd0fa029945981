import {randomUUID} from 'node:crypto'
import {copyFile, link, mkdir, open, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {ByteMeter, type Digest, digestHex, digestOf, metered} from './digest.ts'
import {type Descriptor, encodeJson, type ImageIndex, indexSchema, MANIFEST_BYTES_MAX, MEDIA_TYPE, parseManifest} from './oci.ts'

/** Where a blob lies in an OCI layout directory. */
export function layoutBlobPath(layoutDirectory: string, digest: Digest): string {
  return join(layoutDirectory, 'blobs', 'sha256', digestHex(digest))
}

/** Writes bytes as a blob of the layout and says how to refer to it. Writing the same blob again changes nothing. */
export async function writeLayoutBlob(layoutDirectory: string, mediaType: string, bytes: Buffer): Promise<Descriptor> {
  const digest = digestOf(bytes)
  await replaceFile(layoutBlobPath(layoutDirectory, digest), bytes)
  return {mediaType, digest, size: bytes.length}
}

/** Streams into the layout: the name is known only when the last byte has passed. */
export async function streamLayoutBlob(
  layoutDirectory: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<{readonly digest: Digest; readonly size: number}> {
  const directory = join(layoutDirectory, 'blobs', 'sha256')
  await mkdir(directory, {recursive: true})
  const temporary = join(directory, `.${randomUUID()}.tmp`)
  const meter = new ByteMeter()
  try {
    const file = await open(temporary, 'wx', 0o644)
    try {
      await file.writeFile(metered(source, meter), {signal})
      // The index that names it is durable, so it must be too: before, or a power cut leaves an index of empty layers.
      await file.sync()
    } finally {
      await file.close()
    }
    const digest = meter.digest()
    await rename(temporary, layoutBlobPath(layoutDirectory, digest))
    return {digest, size: meter.bytes}
  } catch (error) {
    await rm(temporary, {force: true})
    throw error
  }
}

/** Puts an existing blob file into the layout by a hard link where the file systems allow it, else by a copy. */
export async function linkLayoutBlob(layoutDirectory: string, digest: Digest, sourcePath: string): Promise<void> {
  const target = layoutBlobPath(layoutDirectory, digest)
  await mkdir(dirname(target), {recursive: true})
  try {
    await link(sourcePath, target)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EEXIST') return
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'EOPNOTSUPP') throw error
    const temporary = `${target}.${randomUUID()}.tmp`
    try {
      await copyFile(sourcePath, temporary)
      await syncFile(temporary)
      await rename(temporary, target)
    } catch (failure) {
      await rm(temporary, {force: true})
      throw failure
    }
  }
}

/** Puts a manifest of another layout, with the config and the layers that it names, into this one. */
export async function linkManifest(from: string, digest: Digest, layoutDirectory: string): Promise<Descriptor> {
  const bytes = await readLayoutBlob(from, digest)
  const parsed = parseManifest(bytes)
  const named = parsed.kind === 'index' ? [] : [parsed.manifest.config, ...parsed.manifest.layers]
  for (const part of [...named.map((one) => one.digest), digest]) await linkLayoutBlob(layoutDirectory, part, layoutBlobPath(from, part))
  return {mediaType: parsed.mediaType, digest, size: bytes.length}
}

/** Finishes a layout: its one entry point is `root`. Written last, so a layout with an index.json is whole. */
export async function writeLayoutIndex(layoutDirectory: string, root: Descriptor): Promise<void> {
  await replaceFile(join(layoutDirectory, 'oci-layout'), encodeJson({imageLayoutVersion: '1.0.0'}))
  await replaceFile(join(layoutDirectory, 'index.json'), encodeJson({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [root]}))
}

/** The one image of a layout. @throws {CreoError} `image_missing` when the directory is not an OCI layout of one image. */
export async function readLayoutRoot(layoutDirectory: string): Promise<Descriptor> {
  let index: ImageIndex
  try {
    index = indexSchema.parse(JSON.parse(await readFile(join(layoutDirectory, 'index.json'), 'utf8')))
  } catch (cause) {
    throw new CreoError('image_missing', `"${layoutDirectory}" is not an image layout.`, {hint: 'Build the image first.', cause})
  }
  const [root, second] = index.manifests
  if (root === undefined || second !== undefined) {
    throw new CreoError('image_missing', `"${layoutDirectory}" holds ${index.manifests.length} images instead of one.`)
  }
  return root
}

/** Reads a manifest or config of the layout, and checks that its bytes are what its digest says. */
export async function readLayoutBlob(layoutDirectory: string, digest: Digest): Promise<Buffer> {
  const path = layoutBlobPath(layoutDirectory, digest)
  const size = (await stat(path).catch(() => undefined))?.size
  if (size === undefined)
    throw new CreoError('image_missing', `The image layout "${layoutDirectory}" lacks ${digest}.`, {hint: 'Build it again.'})
  if (size > MANIFEST_BYTES_MAX) throw new CreoError('payload_too_large', `${digest} is larger than a manifest may be.`)
  const bytes = await readFile(path)
  if (digestOf(bytes) !== digest)
    throw new CreoError('digest_mismatch', `${digest} in "${layoutDirectory}" has other bytes.`, {hint: 'Build it again.'})
  return bytes
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), {recursive: true})
  await writeFileDurably(path, bytes, {mode: 0o644})
}
