import {LRUCache} from 'lru-cache'
import {isCreoError} from '../../core/errors.ts'
import {blockKey} from '../../core/protocol/blocks.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import {isDigest} from '../../images/digest.ts'
import {MANIFEST_BYTES_MAX, parseManifest} from '../../images/oci.ts'
import type {LedgerReads} from '../../ledger/port.ts'
import {partsOf} from './manifest-parts.ts'

/** Images whose answer is remembered; what is forgotten is read again. */
const IMAGES_MAX = 100_000
/** Images that are read at once. */
const READS_AT_ONCE = 16
const IMAGE_KEY = blockKey({kind: 'image', name: ''})

/** Manifests and blobs that an image names, as far as they are here. */
interface Parts {
  readonly blobs: readonly string[]
  readonly manifests: readonly string[]
}

const NO_PARTS: Parts = {blobs: [], manifests: []}

/** Which images have something in them that the operator blocks: what they name is read from the registry, as long as any image is blocked. */
export class BlockedImages {
  readonly #reads: Pick<LedgerReads, 'blockedKeys'>
  readonly #store: Pick<BlobStore, 'read'>
  #blocked: ReadonlySet<string> = new Set()
  /** By image the blocked digest, or an empty text. An image never changes, so this holds as long as the same is blocked. */
  #answers = new LRUCache<string, string>({max: IMAGES_MAX})

  constructor(reads: Pick<LedgerReads, 'blockedKeys'>, store: Pick<BlobStore, 'read'>) {
    this.#reads = reads
    this.#store = store
  }

  /** Of these images those that are blocked, or name what is: each with the digest that is blocked. */
  async among(images: () => Iterable<string>): Promise<ReadonlyMap<string, string>> {
    const keys = [...this.#reads.blockedKeys()].filter((key) => key.startsWith(IMAGE_KEY))
    if (keys.length === 0) return new Map()
    const blocked = new Set(keys.map((key) => key.slice(IMAGE_KEY.length)))
    if (blocked.size !== this.#blocked.size || !blocked.isSubsetOf(this.#blocked)) {
      this.#blocked = blocked
      this.#answers = new LRUCache({max: IMAGES_MAX})
    }
    const answers = this.#answers
    const all = [...new Set(images())]
    const found = new Map<string, string>()
    for (let first = 0; first < all.length; first += READS_AT_ONCE) {
      const some = all.slice(first, first + READS_AT_ONCE)
      const digests = await Promise.all(some.map((image) => answers.get(image) ?? this.#blockedIn(image, {blocked, answers})))
      for (const [index, image] of some.entries()) if (digests[index]) found.set(image, digests[index])
    }
    return found
  }

  async #blockedIn(
    image: string,
    look: {readonly blocked: ReadonlySet<string>; readonly answers: LRUCache<string, string>}
  ): Promise<string> {
    const isBlocked = (digest: string): boolean => look.blocked.has(digest)
    const outer = await this.#partsOf(image)
    let digest = [image, ...(outer?.blobs ?? []), ...(outer?.manifests ?? [])].find(isBlocked)
    let isWhole = outer !== undefined
    // Nodes refuse an index within an index: what lies deeper is run by nobody.
    for (const manifest of digest === undefined ? (outer?.manifests ?? []) : []) {
      const inner = await this.#partsOf(manifest)
      isWhole &&= inner !== undefined
      digest ??= inner?.blobs.find(isBlocked)
    }
    if (isWhole || digest !== undefined) look.answers.set(image, digest ?? '')
    return digest ?? ''
  }

  /** Undefined while it is not here, or not readable: that may change. What is no manifest names nothing. */
  async #partsOf(digest: string): Promise<Parts | undefined> {
    if (!isDigest(digest)) return NO_PARTS
    try {
      const {blobs, manifests} = partsOf(parseManifest(await this.#store.read(digest, MANIFEST_BYTES_MAX)))
      return {blobs: blobs.map((blob) => blob.digest), manifests: manifests.map((manifest) => manifest.digest)}
    } catch (error) {
      if (!isCreoError(error)) throw error
      return error.code === 'invalid_input' || error.code === 'payload_too_large' ? NO_PARTS : undefined
    }
  }
}
