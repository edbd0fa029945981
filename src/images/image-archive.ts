import {once} from 'node:events'
import {createReadStream, createWriteStream} from 'node:fs'
import {mkdir} from 'node:fs/promises'
import {dirname, join, posix} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {Parser, type ReadEntry} from 'tar'
import {CreoError} from '../core/errors.ts'

const ARCHIVE_FILES_MAX = 1_000
const ARCHIVE_BYTES_MAX = 8 * 2 ** 30
/** What is wrong with this machine's disk, and not with the archive. */
const DISK_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EMFILE'])
/** `blobs/sha256/<hex>`, `manifest.json`, `<hex>/layer.tar` and the like: no archive of an image has other names. */
const NAME = /^(?:[\w.-]{1,128}\/){0,3}[\w.-]{1,128}$/

export interface UnpackedArchive {
  readonly folder: string
  /** Older archives of Docker name a layer that they hold twice by a link. Both from the archive's root. */
  readonly links: ReadonlyMap<string, string>
}

/**
 * Unpacks an archive of an image, packed by gzip or not, into an empty folder: plain files alone, in bounds.
 * @throws {CreoError} `rejected` for what is no such archive, or a hostile one.
 */
export async function unpackArchive(path: string, folder: string, signal: AbortSignal): Promise<UnpackedArchive> {
  const unpacking = new Unpacking(folder)
  const parser = new Parser({strict: true, onReadEntry: (entry) => unpacking.take(entry)})
  const ended = new Promise<void>((resolve, reject) => {
    parser.on('end', resolve)
    parser.on('error', reject)
  })
  ended.catch(() => undefined)
  try {
    for await (const chunk of createReadStream(path, {signal, highWaterMark: 2 ** 18})) {
      if (!parser.write(chunk)) await Promise.race([once(parser, 'drain', {signal}), ended, unpacking.failed])
      unpacking.assertHonest()
    }
    parser.end()
    await ended
    await unpacking.written()
  } catch (cause) {
    await unpacking.stop()
    signal.throwIfAborted()
    if (cause instanceof CreoError || DISK_FAULTS.has(String((cause as NodeJS.ErrnoException).code))) throw cause
    throw new CreoError('rejected', `"${path}" is not an archive of an image.`, {
      hint: 'Write one with podman save or skopeo copy.',
      cause
    })
  }
  return {folder, links: unpacking.links}
}

class Unpacking {
  readonly links = new Map<string, string>()
  readonly #folder: string
  readonly #names = new Set<string>()
  readonly #writes: Promise<void>[] = []
  readonly #stopping = new AbortController()
  readonly #failure = Promise.withResolvers<never>()
  #bytes = 0
  #refusal: CreoError | undefined

  constructor(folder: string) {
    this.#folder = folder
    this.#failure.promise.catch(() => undefined)
  }

  /** Rejects when a file cannot be written: nothing reads on from then. */
  get failed(): Promise<never> {
    return this.#failure.promise
  }

  take(entry: ReadEntry): void {
    const path = entry.path.replace(/^\.\//, '').replace(/\/$/, '')
    const problem = entry.type === 'Directory' ? undefined : this.#problemOf(entry, path)
    if (problem !== undefined) this.#refusal ??= new CreoError('rejected', `The archive of the image ${problem}.`)
    if (entry.type === 'SymbolicLink') this.links.set(path, posix.join(posix.dirname(path), entry.linkpath ?? ''))
    if (this.#refusal !== undefined || !isFile(entry)) {
      entry.resume()
      return
    }
    const write = this.#write(entry, join(this.#folder, path))
    write.catch((error: unknown) => this.#failure.reject(error))
    this.#writes.push(write)
  }

  assertHonest(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  async written(): Promise<void> {
    this.assertHonest()
    await Promise.all(this.#writes)
  }

  /** Resolves when no file is being written any more: the folder may be removed. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled(this.#writes)
  }

  #problemOf(entry: ReadEntry, path: string): string | undefined {
    const shown = JSON.stringify(path.slice(0, 120))
    if (path.split('/').some((part) => part === '..' || part === '.') || !NAME.test(path)) return `holds ${shown}, which no image needs`
    if (this.#names.has(path)) return `holds ${shown} twice`
    if (!isFile(entry) && entry.type !== 'SymbolicLink') return `holds ${shown}, which is no file`
    this.#names.add(path)
    this.#bytes += entry.size
    if (this.#names.size > ARCHIVE_FILES_MAX) return `holds more than ${ARCHIVE_FILES_MAX} files`
    return this.#bytes > ARCHIVE_BYTES_MAX ? `holds more than ${ARCHIVE_BYTES_MAX} bytes` : undefined
  }

  async #write(entry: ReadEntry, path: string): Promise<void> {
    const chunks = entry[Symbol.asyncIterator]()
    const {signal} = this.#stopping
    await mkdir(dirname(path), {recursive: true})
    signal.throwIfAborted()
    await pipeline(asBuffers(chunks), createWriteStream(path, {flags: 'wx'}), {signal})
  }
}

function isFile(entry: ReadEntry): boolean {
  return entry.type === 'File' || entry.type === 'OldFile'
}

async function* asBuffers(chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
}
