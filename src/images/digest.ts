import {createHash, type Hash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {CreoError} from '../core/errors.ts'

/** The name of a blob: the SHA-256 of its bytes. */
export type Digest = `sha256:${string}`

const DIGEST = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** @throws {CreoError} `invalid_input` for anything but `sha256:` and 64 lower-case hex digits. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new CreoError('invalid_input', `"${text.slice(0, 80)}" is not a digest.`, {
    hint: 'A digest is sha256: and 64 lower-case hex digits.'
  })
}

/** The 64 hex digits alone: safe as a file name. */
export function digestHex(digest: Digest): string {
  return parseDigest(digest).slice('sha256:'.length)
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Counts and hashes bytes as they pass. */
export class ByteMeter {
  #hash: Hash = createHash('sha256')
  bytes = 0

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.bytes += chunk.byteLength
  }

  /** The digest of what has passed so far; more may follow. */
  digest(): Digest {
    return `sha256:${this.#hash.copy().digest('hex')}`
  }
}

/** Passes a stream on unchanged and counts and hashes it in `meter`. */
export async function* metered(source: AsyncIterable<Uint8Array>, meter: ByteMeter): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    meter.update(chunk)
    yield chunk
  }
}

/** Hashes a file in pieces of bounded size. */
export async function digestFile(path: string, signal: AbortSignal): Promise<Digest> {
  const meter = new ByteMeter()
  for await (const chunk of createReadStream(path, {signal, highWaterMark: 2 ** 18})) meter.update(chunk)
  return meter.digest()
}
