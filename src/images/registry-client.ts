import {open} from 'node:fs/promises'
import {CreoError} from '../core/errors.ts'
import {CHUNK_BYTES_FIRST, CHUNK_BYTES_MIN, nextChunkBytes} from './chunk-size.ts'
import type {Digest} from './digest.ts'
import {layoutBlobPath, readLayoutBlob, readLayoutRoot} from './layout.ts'
import {type Descriptor, parseManifest} from './oci.ts'
import {dropBody, errorOf, expectStatus, type RegistryAddress, send, withRetries} from './registry-http.ts'

/** A line of long round trips asks for several parts in one. */
const LOOKUPS_AT_ONCE = 8
/** What is no larger goes in one request. */
const WHOLE_BYTES_MAX = CHUNK_BYTES_MIN
/** How much is handed to the line between two words on how far it has come. */
const SLICE_BYTES = 16 * 1024

/** A push counts what it must send; a fetch also what is here already. */
export interface TransferProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface PushImageOptions extends RegistryAddress {
  readonly layoutDirectory: string
  /** Left out, the image can be had by its digest alone. */
  readonly tag?: string
  readonly onProgress?: (progress: TransferProgress) => void
  readonly signal: AbortSignal
}

export interface PushedImage {
  /** Of the layout's root: what is deployed. */
  readonly digest: Digest
  readonly bytesSent: number
  readonly blobsSent: number
  readonly blobsPresent: number
}

interface PushPlan {
  readonly root: Descriptor
  readonly blobs: readonly Descriptor[]
  /** In the order in which the registry takes them: what others name comes first. */
  readonly manifests: readonly Descriptor[]
}

/**
 * Sends an image and nothing that the registry has already: blobs, then manifests, then the tag. Pushing again asks once and sends nothing: a registry
 * has no manifest without what it names. A cut connection is taken up where the registry says it stopped.
 * @throws {CreoError} `unavailable`, `unauthorized`, `forbidden`, `image_missing` when the layout is not whole, or the registry's own refusal.
 */
export async function pushImage(options: PushImageOptions): Promise<PushedImage> {
  const plan = await planPush(options.layoutDirectory)
  const isWhole = await isThere(options, `manifests/${plan.root.digest}`)
  const inner = plan.manifests.filter(({digest}) => digest !== plan.root.digest)
  const blobs = isWhole ? [] : await missing(options, 'blobs', plan.blobs)
  const manifests = isWhole ? [] : [...(await missing(options, 'manifests', inner)), plan.root]
  const totalBytes = [...blobs, ...manifests].reduce((sum, part) => sum + part.size, 0)
  let doneBytes = 0
  const advance = (bytes: number): void => {
    doneBytes += bytes
    options.onProgress?.({doneBytes, totalBytes})
  }
  for (const blob of blobs) await pushBlob(options, blob, advance)
  for (const manifest of manifests) {
    await pushManifest(options, manifest, manifest.digest)
    advance(manifest.size)
  }
  const tagBytes = options.tag === undefined ? 0 : await pushManifest(options, plan.root, options.tag)
  return {
    digest: plan.root.digest,
    bytesSent: totalBytes + tagBytes,
    blobsSent: blobs.length,
    blobsPresent: plan.blobs.length - blobs.length
  }
}

/** Those of the parts that the registry lacks, in their order. */
async function missing(options: PushImageOptions, kind: 'blobs' | 'manifests', parts: readonly Descriptor[]): Promise<Descriptor[]> {
  const lacking: Descriptor[] = []
  for (let from = 0; from < parts.length; from += LOOKUPS_AT_ONCE) {
    const some = parts.slice(from, from + LOOKUPS_AT_ONCE)
    const found = await Promise.all(some.map(({digest}) => isThere(options, `${kind}/${digest}`)))
    lacking.push(...some.filter((_, index) => !found[index]))
  }
  return lacking
}

async function planPush(layoutDirectory: string): Promise<PushPlan> {
  const root = await readLayoutRoot(layoutDirectory)
  const parsed = parseManifest(await readLayoutBlob(layoutDirectory, root.digest), root.mediaType)
  const images = parsed.kind === 'index' ? parsed.index.manifests : [root]
  const blobs = new Map<Digest, Descriptor>()
  for (const image of images) {
    const inner = parseManifest(await readLayoutBlob(layoutDirectory, image.digest), image.mediaType)
    if (inner.kind === 'index') throw new CreoError('invalid_input', 'An image index that holds an index cannot be pushed.')
    for (const blob of [...inner.manifest.layers, inner.manifest.config]) blobs.set(blob.digest, blob)
  }
  return {root, blobs: [...blobs.values()], manifests: parsed.kind === 'index' ? [...images, root] : [root]}
}

async function isThere(options: PushImageOptions, target: string): Promise<boolean> {
  const ask = async (): Promise<boolean> => {
    const response = await send(options, {method: 'HEAD', target, signal: options.signal})
    await dropBody(response)
    if (response.statusCode === 200 || response.statusCode === 404) return response.statusCode === 200
    throw await refusalOf(options, target)
  }
  return withRetries(ask, () => 0, options.signal)
}

/** An answer to HEAD has no body that could say why: asks once more, for one byte. */
async function refusalOf(options: PushImageOptions, target: string): Promise<CreoError> {
  const response = await send(options, {method: 'GET', target, headers: {range: 'bytes=0-0'}, signal: options.signal})
  return errorOf(response, `${target} could not be looked up`)
}

async function pushManifest(options: PushImageOptions, manifest: Descriptor, reference: string): Promise<number> {
  const body = await readLayoutBlob(options.layoutDirectory, manifest.digest)
  const put = async (): Promise<void> => {
    const headers = {'content-type': manifest.mediaType}
    const response = await send(options, {method: 'PUT', target: `manifests/${reference}`, headers, body, signal: options.signal})
    await expectStatus(response, [201], 'The image was not taken')
    await dropBody(response)
  }
  await withRetries(put, () => 0, options.signal)
  return body.length
}

/** An upload session of the registry: where it is, and how far it has come. */
interface Session {
  location: string
  offset: number
}

async function pushBlob(options: PushImageOptions, blob: Descriptor, advance: (bytes: number) => void): Promise<void> {
  let session: Session | undefined
  let [furthest, shown] = [0, 0]
  let chunkBytes = CHUNK_BYTES_FIRST
  /** What is on its way may be lost again; what was shown is not taken back. */
  const show = (offset: number): void => {
    if (offset <= shown) return
    advance(offset - shown)
    shown = offset
  }
  const reached = (offset: number): void => {
    furthest = Math.max(furthest, offset)
    show(offset)
  }
  const chunks = async (begun: Session): Promise<void> => {
    session = begun
    reached(session.offset)
    while (session.offset < blob.size) {
      const startedAtMs = performance.now()
      const size = Math.min(chunkBytes, blob.size - session.offset)
      session = await sendChunk(options, {blob, session, bytes: size, onSent: show})
      reached(session.offset)
      chunkBytes = nextChunkBytes(chunkBytes, performance.now() - startedAtMs)
    }
    await closeSession(options, blob, session)
  }
  let isFirst = true
  const attempt = async (): Promise<void> => {
    const whole = isFirst && blob.size <= WHOLE_BYTES_MAX
    isFirst = false
    const begun = whole ? await sendWhole(options, blob) : session ? await resumeSession(options, session) : await openSession(options)
    if (begun !== undefined) await chunks(begun)
    reached(blob.size)
  }
  await withRetries(attempt, () => furthest, options.signal)
}

/** In one request, or else the session that a registry opens which wants it in two. */
async function sendWhole(options: PushImageOptions, blob: Descriptor): Promise<Session | undefined> {
  const body = await readChunk(layoutBlobPath(options.layoutDirectory, blob.digest), {offset: 0, bytes: blob.size}, blob)
  const headers = {'content-type': 'application/octet-stream'}
  const target = `blobs/uploads/?digest=${encodeURIComponent(blob.digest)}`
  const response = await send(options, {method: 'POST', target, headers, body, signal: options.signal})
  await expectStatus(response, [201, 202], `The blob ${blob.digest} was not taken`)
  await dropBody(response)
  return response.statusCode === 201 ? undefined : {location: locationOf(response.headers), offset: 0}
}

async function closeSession(options: PushImageOptions, blob: Descriptor, {location}: Session): Promise<void> {
  const target = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(blob.digest)}`
  const response = await send(options, {method: 'PUT', target, signal: options.signal})
  await expectStatus(response, [201], `The blob ${blob.digest} was not taken`)
  await dropBody(response)
}

async function openSession(options: PushImageOptions): Promise<Session> {
  const response = await send(options, {method: 'POST', target: 'blobs/uploads/', signal: options.signal})
  await expectStatus(response, [202], 'The registry takes no upload')
  await dropBody(response)
  return {location: locationOf(response.headers), offset: 0}
}

/** Asks how far the upload has come; a session that the registry has forgotten, or that has come nowhere for sure, is begun again. */
async function resumeSession(options: PushImageOptions, session: Session): Promise<Session> {
  const response = await send(options, {method: 'GET', target: session.location, signal: options.signal})
  await dropBody(response)
  if (response.statusCode === 404) return openSession(options)
  await expectStatus(response, [204], 'The upload cannot be taken up again')
  if (isAmbiguous(response.headers)) {
    await dropBody(await send(options, {method: 'DELETE', target: session.location, signal: options.signal}))
    return openSession(options)
  }
  return {location: locationOf(response.headers, session.location), offset: offsetOf(response.headers)}
}

interface Chunk {
  readonly blob: Descriptor
  readonly session: Session
  readonly bytes: number
  /** Told up to which byte of the blob was handed to the line. */
  readonly onSent: (offset: number) => void
}

async function sendChunk(options: PushImageOptions, {blob, session, bytes, onSent}: Chunk): Promise<Session> {
  const body = await readChunk(layoutBlobPath(options.layoutDirectory, blob.digest), {offset: session.offset, bytes}, blob)
  const headers = {
    'content-type': 'application/octet-stream',
    'content-range': `${session.offset}-${session.offset + body.length - 1}`
  }
  const sliced = {bytes: SLICE_BYTES, onSent: (sent: number) => onSent(session.offset + sent)}
  const response = await send(options, {method: 'PATCH', target: session.location, headers, body, sliced, signal: options.signal})
  if (response.statusCode === 416) {
    await dropBody(response)
    // What an earlier attempt sent has come after all: the next attempt asks how far.
    throw new CreoError('unavailable', `The registry has come to another byte of ${blob.digest} than was thought.`)
  }
  await expectStatus(response, [202], `The blob ${blob.digest} was not taken`)
  await dropBody(response)
  return {location: locationOf(response.headers, session.location), offset: session.offset + body.length}
}

async function readChunk(
  path: string,
  {offset, bytes}: {readonly offset: number; readonly bytes: number},
  blob: Descriptor
): Promise<Buffer> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new CreoError('image_missing', `The image layout lacks ${blob.digest}.`, {hint: 'Build the image again.', cause})
  })
  try {
    const {buffer, bytesRead} = await file.read(Buffer.alloc(bytes), 0, bytes, offset)
    if (bytesRead === bytes) return buffer
    throw new CreoError('digest_mismatch', `${blob.digest} in the image layout is too short.`, {hint: 'Build the image again.'})
  } finally {
    await file.close()
  }
}

function locationOf(headers: NodeJS.Dict<string | string[]>, fallback?: string): string {
  const location = headers.location ?? fallback
  if (typeof location === 'string') return location
  throw new CreoError('rejected', 'The registry did not say where to upload to.')
}

/** `Range: 0-0` is said of one byte and of none. */
function isAmbiguous(headers: NodeJS.Dict<string | string[]>): boolean {
  return headers.range === '0-0'
}

/** `Range: 0-99` means that 100 bytes have come; left out, none. */
function offsetOf(headers: NodeJS.Dict<string | string[]>): number {
  const match = /^0-(\d{1,15})$/.exec(String(headers.range ?? ''))
  return match ? Number(match[1]) + 1 : 0
}
