import {createReadStream} from 'node:fs'
import {open} from 'node:fs/promises'
import {pipeline} from 'node:stream/promises'
import {createGunzip, createZstdDecompress, constants as zlibConstants} from 'node:zlib'
import {CreoError} from '../core/errors.ts'
import {ByteMeter, type Digest, metered} from './digest.ts'
import {MEDIA_TYPE} from './oci.ts'
import {TarScan} from './tar-scan.ts'

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
/** What Node's own compressor writes behind the frame of its input: an empty one, in which nothing can hide. */
const EMPTY_ZSTD_FRAME = Buffer.from('28b52ffd2000010000', 'hex')

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
      scan.write(chunk)
    }
    scan.end()
  }
  try {
    const source = metered(createReadStream(options.path, {highWaterMark: 2 ** 16, signal: options.signal}), compressed)
    const decompressor = decompressorFor(options.mediaType)
    if (decompressor === undefined) await consume(source)
    else {
      await pipeline(source, decompressor, consume, {signal: options.signal})
      // A runtime goes on where this decompressor stops: a second frame behind the first would be unpacked and never have been looked at.
      const rest = compressed.bytes - decompressor.bytesWritten
      if (rest > 0 && !(await endsInEmptyFrame(options.path, rest))) {
        throw new CreoError('rejected', 'A layer of the image goes on after its end.')
      }
    }
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

/** Whether the last `rest` bytes are one zstd frame of nothing. */
async function endsInEmptyFrame(path: string, rest: number): Promise<boolean> {
  if (rest !== EMPTY_ZSTD_FRAME.length) return false
  await using file = await open(path)
  const {size} = await file.stat()
  const {buffer} = await file.read({buffer: Buffer.alloc(rest), position: size - rest})
  return buffer.equals(EMPTY_ZSTD_FRAME)
}

function decompressorFor(mediaType: string): ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress> | undefined {
  if (mediaType === MEDIA_TYPE.layerGzip || mediaType === MEDIA_TYPE.dockerLayerGzip) return createGunzip()
  if (mediaType === MEDIA_TYPE.layerZstd) {
    return createZstdDecompress({params: {[zlibConstants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX}})
  }
  if (mediaType === MEDIA_TYPE.layerTar || mediaType === MEDIA_TYPE.dockerLayer) return undefined
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
