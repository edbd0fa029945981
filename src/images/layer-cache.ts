import {randomUUID} from 'node:crypto'
import {copyFile, link, mkdir, readdir, rename, rm, stat, utimes} from 'node:fs/promises'
import {join} from 'node:path'
import {type Digest, digestFile, digestHex, isDigest} from './digest.ts'

/** What all kept layers may take of the disk; the longest unused go first. */
const CACHE_BYTES_MAX = 2 * 2 ** 30
const CACHE_LAYERS_MAX = 500

export interface KeptLayer {
  readonly digest: Digest
  readonly path: string
}

/**
 * Compressed layers of earlier builds, found by what is in them: `<diff id>.<format>.<digest>`. A file is taken only if its bytes are still
 * what its name says, so nothing here has to be durable, and everything may be deleted at any time.
 */
export class LayerCache {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async find(diffId: Digest, format: string, signal: AbortSignal): Promise<(KeptLayer & {readonly size: number}) | undefined> {
    const start = `${digestHex(diffId)}.${format}.`
    const names = await readdir(this.#directory).catch(() => [])
    const name = names.find((one) => one.startsWith(start))
    if (name === undefined) return undefined
    const path = join(this.#directory, name)
    const digest = `sha256:${name.slice(start.length)}`
    const isWhole = isDigest(digest) && (await digestFile(path, signal).catch(() => undefined)) === digest
    signal.throwIfAborted()
    if (!isWhole) {
      await rm(path, {force: true})
      return undefined
    }
    const now = new Date()
    await utimes(path, now, now)
    return {digest, path, size: (await stat(path)).size}
  }

  /** Keeps a layer that lies in a layout: by a hard link, or by a copy where the file systems differ. */
  async keep(diffId: Digest, format: string, layer: KeptLayer): Promise<void> {
    await mkdir(this.#directory, {recursive: true})
    const temporary = join(this.#directory, `.${randomUUID()}.tmp`)
    try {
      await link(layer.path, temporary).catch(() => copyFile(layer.path, temporary))
      await rename(temporary, join(this.#directory, `${digestHex(diffId)}.${format}.${digestHex(layer.digest)}`))
    } finally {
      await rm(temporary, {force: true})
    }
    await this.#prune()
  }

  async #prune(): Promise<void> {
    const names = await readdir(this.#directory)
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.#directory, name)
        // Another build may have pruned it meanwhile.
        const facts = await stat(path).catch(() => undefined)
        return {path, bytes: facts?.size ?? 0, usedMs: facts?.mtimeMs ?? 0}
      })
    )
    let bytes = 0
    for (const [position, file] of files.sort((a, b) => b.usedMs - a.usedMs).entries()) {
      bytes += file.bytes
      if (bytes > CACHE_BYTES_MAX || position >= CACHE_LAYERS_MAX) await rm(file.path, {force: true})
    }
  }
}
