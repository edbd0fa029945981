import {LRUCache} from 'lru-cache'
import {CreoError} from '../../core/errors.ts'

/** Files that were compared with their digests and are kept, so that volunteers' lines carry each of them seldom. */
const KEPT_BYTES_MAX = 16 * 2 ** 20
/** Files that are on their way from a host or to a client, of all apps and of one: a client may be slow in taking them. */
const HELD_BYTES_MAX = 64 * 2 ** 20
const HELD_BYTES_PER_APP_MAX = 2 ** 24
/** A smaller one takes no more than any answer that passes. */
const UNCOUNTED_BYTES_MAX = 64 * 2 ** 10

/** The memory that files take. Nothing of one app is found by another one, though it were the same file: knowing a digest is not having the file. */
export class AssetRoom {
  readonly #kept = new LRUCache<string, Buffer>({maxSize: KEPT_BYTES_MAX, sizeCalculation: (body) => Math.max(1, body.length)})
  readonly #held = new Map<string, {readonly bytes: number; users: number}>()
  readonly #ofApps = new Map<string, number>()
  #heldBytes = 0

  find(app: string, digest: string): Buffer | undefined {
    return this.#kept.get(`${app} ${digest}`)
  }

  keep(app: string, digest: string, body: Buffer): void {
    this.#kept.set(`${app} ${digest}`, body)
  }

  /**
   * Takes the room that a file needs while it is fetched or sent, once for all who want the same one.
   * @returns gives it back.
   * @throws {CreoError} `overloaded`
   */
  take(app: string, {digest, bytes}: {readonly digest: string; readonly bytes: number}): () => void {
    if (bytes <= UNCOUNTED_BYTES_MAX) return () => undefined
    const key = `${app} ${digest}`
    const held = this.#held.get(key) ?? this.#begin(app, key, bytes)
    held.users += 1
    return () => {
      held.users -= 1
      if (held.users > 0) return
      this.#held.delete(key)
      this.#heldBytes -= bytes
      const ofApp = (this.#ofApps.get(app) ?? 0) - bytes
      if (ofApp > 0) this.#ofApps.set(app, ofApp)
      else this.#ofApps.delete(app)
    }
  }

  #begin(app: string, key: string, bytes: number): {readonly bytes: number; users: number} {
    const ofApp = (this.#ofApps.get(app) ?? 0) + bytes
    if (ofApp > HELD_BYTES_PER_APP_MAX || this.#heldBytes + bytes > HELD_BYTES_MAX)
      throw new CreoError('overloaded', 'Too many large files are on their way.', {hint: 'Try again in a moment.'})
    const held = {bytes, users: 0}
    this.#held.set(key, held)
    this.#ofApps.set(app, ofApp)
    this.#heldBytes += bytes
    return held
  }
}
