import {once} from 'node:events'
import {createReadStream} from 'node:fs'
import {posix} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createGunzip, createZstdDecompress, constants as zlibConstants} from 'node:zlib'
import {Parser, type ReadEntry} from 'tar'
import {CreoError} from '../core/errors.ts'
import {ByteMeter, type Digest, metered} from './digest.ts'
import {MEDIA_TYPE} from './oci.ts'

export interface LayerLimits {
  readonly decompressedBytesMax: number
  readonly filesMax: number
  /** Decompressed bytes per compressed byte, once RATIO_FREE_BYTES have come out. */
  readonly ratioMax: number
}

export const LAYER_LIMITS: LayerLimits = {decompressedBytesMax: 4 * 2 ** 30, filesMax: 200_000, ratioMax: 100}

export interface LayerFacts {
  readonly diffId: Digest
  readonly decompressedBytes: number
  readonly files: number
}

/** Small layers may be mostly zeros, as tar pads to blocks of 512 bytes. */
const RATIO_FREE_BYTES = 16 * 2 ** 20
/** 32 MiB: what a decompressor may keep in memory. */
const ZSTD_WINDOW_LOG_MAX = 25
const PATH_BYTES_MAX = 4096
const ACCEPTED_TYPES: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory', 'SymbolicLink', 'Link'])

/**
 * Reads a layer once, without unpacking it, before any other program may touch it.
 * @throws {CreoError} `rejected` for bombs, for paths and links that leave the image, for devices and pipes, and for what is not a tar archive.
 */
export async function inspectLayer(options: {
  readonly path: string
  readonly mediaType: string
  readonly limits: LayerLimits
  readonly signal: AbortSignal
}): Promise<LayerFacts> {
  const {limits} = options
  const compressed = new ByteMeter()
  const plain = new ByteMeter()
  const scan = new TarScan(limits.filesMax)
  const consume = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of source) {
      plain.update(chunk)
      assertRatio(plain.bytes, compressed.bytes, limits)
      await scan.write(chunk)
    }
    await scan.end()
  }
  try {
    const source = metered(createReadStream(options.path, {highWaterMark: 2 ** 16, signal: options.signal}), compressed)
    const decompressor = decompressorFor(options.mediaType)
    if (decompressor === undefined) await consume(source)
    else await pipeline(source, decompressor, consume, {signal: options.signal})
  } catch (cause) {
    options.signal.throwIfAborted()
    if (cause instanceof CreoError) throw cause
    throw new CreoError('rejected', `A layer of the image cannot be read as ${options.mediaType}.`, {
      hint: 'Build and push the image again.',
      cause
    })
  }
  return {diffId: plain.digest(), decompressedBytes: plain.bytes, files: scan.files}
}

function decompressorFor(mediaType: string): ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress> | undefined {
  if (mediaType === MEDIA_TYPE.layerGzip || mediaType === MEDIA_TYPE.dockerLayerGzip) return createGunzip()
  if (mediaType === MEDIA_TYPE.layerZstd) {
    return createZstdDecompress({params: {[zlibConstants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX}})
  }
  if (mediaType === MEDIA_TYPE.layerTar) return undefined
  throw new CreoError('rejected', `The image has a layer of the unknown kind "${mediaType.slice(0, 120)}".`)
}

function assertRatio(plainBytes: number, compressedBytes: number, limits: LayerLimits): void {
  if (plainBytes > limits.decompressedBytesMax) {
    throw new CreoError('rejected', `A layer of the image unpacks to more than ${limits.decompressedBytesMax} bytes.`)
  }
  if (plainBytes > RATIO_FREE_BYTES && plainBytes > compressedBytes * limits.ratioMax) {
    throw new CreoError('rejected', `A layer of the image unpacks to more than ${limits.ratioMax} times its size.`)
  }
}

/** Looks at the headers of a tar archive as it streams by. */
class TarScan {
  files = 0
  readonly #filesMax: number
  readonly #parser = new Parser({strict: true, brotli: false, zstd: false})
  readonly #ended: Promise<unknown>
  #problem: CreoError | undefined
  #first = true

  constructor(filesMax: number) {
    this.#filesMax = filesMax
    this.#parser.on('entry', (entry: ReadEntry) => {
      this.files += 1
      this.#problem ??= this.files > this.#filesMax ? tooMany(this.#filesMax) : problemOf(entry)
      entry.resume()
    })
    this.#parser.on('ignoredEntry', (entry: ReadEntry) => {
      this.#problem ??= new CreoError('rejected', `The image holds "${shown(entry.path)}", which is of no known kind.`)
    })
    this.#ended = once(this.#parser, 'end')
    this.#ended.catch(() => {
      this.#problem ??= new CreoError('rejected', 'A layer of the image is not a tar archive.')
    })
  }

  async write(chunk: Uint8Array): Promise<void> {
    // The parser would unzip what is zipped twice, and so see another archive than the runtime does.
    if (this.#first && chunk[0] === 0x1f) throw new CreoError('rejected', 'A layer of the image is not a tar archive.')
    this.#first = false
    if (!this.#parser.write(chunk)) await Promise.race([once(this.#parser, 'drain'), this.#ended])
    if (this.#problem) throw this.#problem
  }

  async end(): Promise<void> {
    this.#parser.end()
    await this.#ended.catch(() => undefined)
    if (this.#problem) throw this.#problem
  }
}

function problemOf(entry: ReadEntry): CreoError | undefined {
  if (!ACCEPTED_TYPES.has(entry.type)) {
    return new CreoError('rejected', `The image holds "${shown(entry.path)}", a ${entry.type}, which no function needs.`)
  }
  if (leavesRoot(entry.path)) return new CreoError('rejected', `The image holds "${shown(entry.path)}", a path that leaves it.`)
  const target = entry.linkpath ?? ''
  const resolved = entry.type === 'SymbolicLink' ? posix.join(posix.dirname(entry.path), target) : target
  const absoluteLink = entry.type === 'SymbolicLink' && posix.isAbsolute(target)
  if ((entry.type === 'SymbolicLink' || entry.type === 'Link') && !absoluteLink && leavesRoot(resolved)) {
    return new CreoError('rejected', `The image holds "${shown(entry.path)}", a link that leaves it.`)
  }
  return undefined
}

/** An absolute symbolic link stays inside: it is resolved in the container. An absolute name or hard link is not. */
function leavesRoot(path: string): boolean {
  if (path.includes('\0') || Buffer.byteLength(path) > PATH_BYTES_MAX || posix.isAbsolute(path)) return true
  const normal = posix.normalize(path)
  return normal === '..' || normal.startsWith('../')
}

function tooMany(filesMax: number): CreoError {
  return new CreoError('rejected', `A layer of the image holds more than ${filesMax} files.`)
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 120)).slice(1, -1)
}
