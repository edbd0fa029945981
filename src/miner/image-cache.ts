import {readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {undiciParts} from '../client/undici-parts.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import {type BlobStore, openBlobStore} from '../images/blob-store.ts'
import {type Digest, digestHex, parseDigest} from '../images/digest.ts'
import {type FetchedImage, fetchImage} from '../images/fetch-image.ts'
import type {Architecture} from '../images/oci.ts'
import type {TransferProgress} from '../images/registry-client.ts'
import type {AuthorizeRequest} from '../images/registry-http.ts'
import type {ContainerRuntime} from '../runtime/port.ts'
import type {DataPlan} from './data-plan.ts'
import {type DiskRoom, unpackedBytes} from './disk-room.ts'

/** Longest time that one image may take on a slow line. */
const FETCH_TIMEOUT_MS = 3_600_000
/** One at a time: images share layers, and the second finds on disk what the first brought. */
const FETCHES_MAX = 1
const RUNTIME_CALL_TIMEOUT_MS = 120_000
/** Beside an image's layout: what it takes unpacked. */
const UNPACKED_FILE = 'unpacked-bytes'

export interface ImageCacheOptions {
  readonly directory: string
  readonly registryUrl: string
  readonly authorize: AuthorizeRequest
  readonly runtime: ContainerRuntime
  readonly architecture: Architecture
  /** What the owner lends of the disk; what no lease needs is kept as long as there is room. */
  readonly disk: DiskRoom
  /** What the owner lends of the line. */
  readonly data: DataPlan
  /** Throws when nothing may be fetched now. */
  readonly assertMayFetch: () => void
}

type ImageOf = Pick<RevisionEntry, 'org' | 'app' | 'function' | 'imageDigest'>

/** Images of leased revisions, fetched before they are needed, and kept in the runtime as long as a lease needs them. */
export class ImageCache {
  readonly #options: ImageCacheOptions
  readonly #store: BlobStore
  /** Digest of what is deployed (an index) → digest of the manifest for this machine. */
  readonly #ready = new Map<Digest, Digest>()
  readonly #underWay = new Map<Digest, Promise<Digest>>()
  readonly #progress = new Map<Digest, TransferProgress>()
  readonly #queue: (() => void)[] = []
  #fetching = 0

  private constructor(options: ImageCacheOptions, store: BlobStore) {
    this.#options = options
    this.#store = store
  }

  static async open(options: ImageCacheOptions): Promise<ImageCache> {
    const cache = new ImageCache(options, await openBlobStore(join(options.directory, 'blobs')))
    await cache.#recount()
    for (const name of await readdir(cache.#layouts()).catch(() => [])) {
      const bytes = Number(await readFile(join(cache.#layouts(), name, UNPACKED_FILE), 'utf8').catch(() => '0'))
      if (Number.isSafeInteger(bytes)) options.disk.found(name, bytes)
    }
    return cache
  }

  /** Goes up whenever an image is ready, is so no more, or has come further. */
  changes = 0

  /** Bytes of images that came over the wire since the start. */
  bytesFetched = 0

  isReady(image: ImageOf): boolean {
    return this.#ready.has(parseDigest(image.imageDigest))
  }

  /** Digest of the manifest for this machine; undefined while the image can't be started. */
  preparedDigest(image: ImageOf): string | undefined {
    return this.#ready.get(parseDigest(image.imageDigest))
  }

  /** How far the image's fetch has come, what an earlier one brought included; undefined when none is under way. */
  progressOf(image: ImageOf): TransferProgress | undefined {
    return this.#progress.get(parseDigest(image.imageDigest))
  }

  /**
   * Makes the image startable and answers its manifest's digest; calls for one image share one fetch, which goes on when a caller leaves.
   * @throws {CreoError} `image_missing`, `wrong_architecture`, `unavailable`, `digest_mismatch`, `rejected` when the image is hostile.
   */
  async ensure(image: ImageOf, signal: AbortSignal, lifetime: AbortSignal): Promise<Digest> {
    const digest = parseDigest(image.imageDigest)
    const known = this.#ready.get(digest)
    if (known !== undefined) return known
    const running = this.#underWay.get(digest) ?? this.#begin(digest, image, lifetime)
    return await orAborted(running, signal)
  }

  /** Resolves when no fetch that is under way now writes any more, however it ends. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay.values())
  }

  /**
   * Drops what no lease needs from the runtime, and the longest unused blobs beyond the limit. When the owner lends less than the leases
   * need, the last of them go without their image.
   */
  async evict(leased: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (this.#underWay.size > 0) return
    const fitting = await this.#fitting([...leased].map(parseDigest))
    for (const digest of this.#ready.keys()) {
      if (fitting.has(digest)) continue
      this.#ready.delete(digest)
      this.changes += 1
    }
    await this.#options.runtime.prune([...this.#ready.values()], AbortSignal.any([signal, AbortSignal.timeout(RUNTIME_CALL_TIMEOUT_MS)]))
    const keep = new Set<Digest>(fitting)
    const wanted = new Set([...fitting].map(digestHex))
    for (const name of await readdir(this.#layouts()).catch(() => [])) {
      const layout = join(this.#layouts(), name)
      if (wanted.has(name)) for (const hex of await blobNames(layout)) keep.add(parseDigest(`sha256:${hex}`))
      else await this.#dropLayout(name)
    }
    await this.#store.prune({bytesMax: this.#options.disk.fetchedBytesMax, keep})
    await this.#recount()
  }

  /** The first of these images that together take no more than the owner lends. */
  async #fitting(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const {disk} = this.#options
    const fitting = new Set<Digest>()
    let bytes = 0
    for (const digest of digests) {
      const name = digestHex(digest)
      bytes += disk.unpackedBytesOf(name)
      for (const hex of await blobNames(join(this.#layouts(), name))) bytes += (await this.#store.stat(`sha256:${hex}`))?.size ?? 0
      if (bytes <= disk.bytesMax) fitting.add(digest)
    }
    return fitting
  }

  async #dropLayout(name: string): Promise<void> {
    await rm(join(this.#layouts(), name), {recursive: true, force: true})
    this.#options.disk.forget(name)
  }

  /** Counts blobs and parts of blobs on the disk. */
  async #recount(): Promise<void> {
    const blobs = await this.#store.list()
    let bytes = blobs.reduce((sum, {size}) => sum + size, 0)
    const partial = join(this.#store.directory, 'partial')
    for (const name of await readdir(partial)) bytes += (await stat(join(partial, name)).catch(() => ({size: 0}))).size
    this.#options.disk.fetched(bytes)
  }

  #begin(digest: Digest, image: ImageOf, lifetime: AbortSignal): Promise<Digest> {
    const fetched = this.#fetch(digest, image, AbortSignal.any([lifetime, AbortSignal.timeout(FETCH_TIMEOUT_MS)]))
    const running = fetched.finally(() => this.#underWay.delete(digest))
    this.#underWay.set(digest, running)
    running.catch(() => undefined)
    return running
  }

  async #fetch(digest: Digest, image: ImageOf, signal: AbortSignal): Promise<Digest> {
    const {runtime, disk} = this.#options
    await this.#turn()
    let giveBack = (): void => undefined
    try {
      signal.throwIfAborted()
      const fetched = await this.#pull(digest, image, signal, (missingBytes) => {
        giveBack = disk.reserve(missingBytes)
      })
      this.bytesFetched += fetched.bytesFetched
      const bytes = unpackedBytes(fetched)
      disk.unpack(digestHex(digest), bytes)
      await writeFile(join(fetched.layoutDirectory, UNPACKED_FILE), String(bytes))
      await runtime.prepare({layoutDirectory: fetched.layoutDirectory, manifestDigest: fetched.manifestDigest}, signal)
      this.#ready.set(digest, fetched.manifestDigest)
      this.changes += 1
      return fetched.manifestDigest
    } finally {
      this.#progress.delete(digest)
      this.changes += 1
      await this.#recount().finally(giveBack)
      this.#fetching -= 1
      this.#queue.shift()?.()
    }
  }

  async #pull(digest: Digest, image: ImageOf, signal: AbortSignal, reserve: (bytes: number) => void): Promise<FetchedImage> {
    const {registryUrl, authorize, architecture, data, assertMayFetch} = this.#options
    const repository = `${image.org}/${image.app}/${image.function}`
    return await fetchImage({
      registryUrl,
      request: undiciParts.request,
      repository,
      authorize,
      digest,
      architecture,
      store: this.#store,
      layoutDirectory: join(this.#layouts(), digestHex(digest)),
      admit: (missingBytes) => {
        if (missingBytes > 0) assertMayFetch()
        data.assertRoom(missingBytes)
        reserve(missingBytes)
      },
      onBytes: (bytes) => data.countOrCut(bytes),
      onProgress: (progress) => {
        this.#progress.set(digest, progress)
        this.changes += 1
      },
      signal
    })
  }

  async #turn(): Promise<void> {
    if (this.#fetching >= FETCHES_MAX) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#fetching += 1
  }

  #layouts(): string {
    return join(this.#options.directory, 'layouts')
  }
}

async function blobNames(layout: string): Promise<readonly string[]> {
  const names = await readdir(join(layout, 'blobs', 'sha256')).catch(() => [])
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name))
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const left = new AbortController()
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), {once: true, signal: left.signal})
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    left.abort()
  }
}
