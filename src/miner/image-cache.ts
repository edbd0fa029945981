import {readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import {type BlobStore, openBlobStore} from '../images/blob-store.ts'
import {type Digest, digestHex, parseDigest} from '../images/digest.ts'
import {fetchImage} from '../images/fetch-image.ts'
import type {Architecture} from '../images/oci.ts'
import type {AuthorizeRequest} from '../images/registry-http.ts'
import type {ContainerRuntime} from '../runtime/port.ts'

/** Longest time that one image may take on a slow line. */
const FETCH_TIMEOUT_MS = 3_600_000
/** One at a time: images share layers, and the second finds on disk what the first brought. */
const FETCHES_MAX = 1
const RUNTIME_CALL_TIMEOUT_MS = 120_000

export interface ImageCacheOptions {
  readonly directory: string
  readonly registryUrl: string
  readonly authorize: AuthorizeRequest
  readonly runtime: ContainerRuntime
  readonly architecture: Architecture
  /** Blobs that no lease needs are kept up to this much in all. */
  readonly bytesMax: number
}

type ImageOf = Pick<RevisionEntry, 'org' | 'app' | 'function' | 'imageDigest'>

/** Images of leased revisions, fetched before they are needed, and kept in the runtime as long as a lease needs them. */
export class ImageCache {
  readonly #options: ImageCacheOptions
  readonly #store: BlobStore
  /** Digest of what is deployed (an index) → digest of the manifest for this machine. */
  readonly #ready = new Map<Digest, Digest>()
  readonly #underWay = new Map<Digest, Promise<Digest>>()
  readonly #queue: (() => void)[] = []
  #fetching = 0

  private constructor(options: ImageCacheOptions, store: BlobStore) {
    this.#options = options
    this.#store = store
  }

  static async open(options: ImageCacheOptions): Promise<ImageCache> {
    return new ImageCache(options, await openBlobStore(join(options.directory, 'blobs')))
  }

  /** Bytes of images that came over the wire since the start. */
  bytesFetched = 0

  isReady(image: ImageOf): boolean {
    return this.#ready.has(parseDigest(image.imageDigest))
  }

  /**
   * Makes the image startable and answers its manifest's digest; calls for one image share one fetch, which goes on when a caller leaves.
   * @throws {CreoError} `image_missing`, `unavailable`, `digest_mismatch`, `rejected` when the image is hostile.
   */
  async ensure(image: ImageOf, signal: AbortSignal, lifetime: AbortSignal): Promise<Digest> {
    const digest = parseDigest(image.imageDigest)
    const known = this.#ready.get(digest)
    if (known !== undefined) return known
    const running = this.#underWay.get(digest) ?? this.#begin(digest, image, lifetime)
    return await orAborted(running, signal)
  }

  /** Drops what no lease needs from the runtime, and the longest unused blobs beyond the limit. */
  async evict(leased: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (this.#underWay.size > 0) return
    for (const digest of this.#ready.keys()) if (!leased.has(digest)) this.#ready.delete(digest)
    await this.#options.runtime.prune([...this.#ready.values()], AbortSignal.any([signal, AbortSignal.timeout(RUNTIME_CALL_TIMEOUT_MS)]))
    const keep = new Set<Digest>([...leased].map(parseDigest))
    const wanted = new Set([...keep].map(digestHex))
    for (const name of await readdir(this.#layouts()).catch(() => [])) {
      const layout = join(this.#layouts(), name)
      if (wanted.has(name)) for (const hex of await blobNames(layout)) keep.add(parseDigest(`sha256:${hex}`))
      else await rm(layout, {recursive: true, force: true})
    }
    await this.#store.prune({bytesMax: this.#options.bytesMax, keep})
  }

  #begin(digest: Digest, image: ImageOf, lifetime: AbortSignal): Promise<Digest> {
    const fetched = this.#fetch(digest, image, AbortSignal.any([lifetime, AbortSignal.timeout(FETCH_TIMEOUT_MS)]))
    const running = fetched.finally(() => this.#underWay.delete(digest))
    this.#underWay.set(digest, running)
    running.catch(() => undefined)
    return running
  }

  async #fetch(digest: Digest, image: ImageOf, signal: AbortSignal): Promise<Digest> {
    const {registryUrl, authorize, runtime, architecture} = this.#options
    await this.#turn()
    try {
      signal.throwIfAborted()
      const layoutDirectory = join(this.#layouts(), digestHex(digest))
      const repository = `${image.org}/${image.app}/${image.function}`
      const source = {registryUrl, repository, authorize, digest, architecture}
      const fetched = await fetchImage({...source, store: this.#store, layoutDirectory, signal})
      this.bytesFetched += fetched.bytesFetched
      await runtime.prepare({layoutDirectory, manifestDigest: fetched.manifestDigest}, signal)
      this.#ready.set(digest, fetched.manifestDigest)
      return fetched.manifestDigest
    } finally {
      this.#fetching -= 1
      this.#queue.shift()?.()
    }
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
