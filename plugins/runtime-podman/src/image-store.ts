import {createHash, randomUUID} from 'node:crypto'
import {mkdir, readdir, readFile, rename, rm, symlink, writeFile} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import type {ImageLayout, RuntimeTools} from 'creo/runtime'
import type {Host} from './host.ts'
import type {Places} from './places.ts'
import type {Podman} from './podman.ts'

/** What starting an image needs, kept on disk under the manifest's digest. */
export interface PreparedImage {
  readonly manifestDigest: string
  /** podman's id of it: the digest of the image's configuration. */
  readonly imageId: string
  /** The image's entrypoint and command, one after the other. */
  readonly command: readonly string[]
}

interface BlobReference {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Manifest {
  readonly mediaType?: string
  readonly config: BlobReference
  readonly layers: readonly BlobReference[]
}

const DIGEST = /^sha256:([0-9a-f]{64})$/
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
/** A manifest or configuration larger than this is no image of ours. */
const DOCUMENT_BYTES_MAX = 4 * 2 ** 20
const REMEMBERED_MAX = 10_000
const CLEANUP_TIMEOUT_MS = 30_000

/** Hands OCI layouts to podman and remembers which digest became which image. */
export class ImageStore {
  readonly #tools: RuntimeTools
  readonly #places: Places
  readonly #podman: Podman
  readonly #host: Host
  readonly #known = new Map<string, PreparedImage>()
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(tools: RuntimeTools, places: Places, podman: Podman, host: Host) {
    this.#tools = tools
    this.#places = places
    this.#podman = podman
    this.#host = host
  }

  /** @throws {CreoError} `image_missing` when it was not prepared. */
  async find(manifestDigest: string): Promise<PreparedImage> {
    const known = this.#known.get(manifestDigest)
    if (known) return known
    const image = await this.#read(this.#file(manifestDigest))
    if (image === undefined) {
      throw new this.#tools.CreoError('image_missing', `The image ${manifestDigest} was not prepared on this machine.`, {
        hint: 'Pull it again.'
      })
    }
    if (this.#known.size < REMEMBERED_MAX) this.#known.set(manifestDigest, image)
    return image
  }

  /** Two callers who want the same image share one import. */
  prepare(layout: ImageLayout, signal: AbortSignal): Promise<void> {
    const digest = layout.manifestDigest
    const already = this.#underWay.get(digest)
    if (already !== undefined) return already
    const started = this.#prepare(layout, signal).finally(() => this.#underWay.delete(digest))
    this.#underWay.set(digest, started)
    return started
  }

  async prune(keep: readonly string[], signal: AbortSignal): Promise<void> {
    const kept = new Set(keep)
    const images: PreparedImage[] = []
    for (const name of await readdir(this.#places.images)) {
      const path = join(this.#places.images, name)
      const image = name.endsWith('.json') ? await this.#read(path) : undefined
      if (image) images.push(image)
      else if (this.#underWay.size === 0) await rm(path, {force: true})
    }
    const needed = new Set(images.filter((image) => kept.has(image.manifestDigest)).map((image) => image.imageId))
    for (const image of images) {
      if (kept.has(image.manifestDigest)) continue
      const isGone = needed.has(image.imageId) || (await this.#podman.ask((api) => api.removeImage(image.imageId, signal)))
      if (!isGone) continue
      this.#known.delete(image.manifestDigest)
      await rm(this.#file(image.manifestDigest), {force: true})
    }
  }

  async #prepare(layout: ImageLayout, signal: AbortSignal): Promise<void> {
    const there = await this.find(layout.manifestDigest).catch(() => undefined)
    if (there && (await this.#podman.ask((api) => api.hasImage(there.imageId, signal)))) return
    const manifest = await this.#manifest(layout)
    const imageId = await this.#import(layout, manifest, signal)
    const config = JSON.parse((await this.#blob(layout, manifest.config.digest)).toString()) as {
      config?: {Entrypoint?: string[]; Cmd?: string[]}
    }
    const command = [...(config.config?.Entrypoint ?? []), ...(config.config?.Cmd ?? [])]
    const image: PreparedImage = {manifestDigest: layout.manifestDigest, imageId, command}
    await this.#mapOwners(image, signal)
    await this.#write(this.#file(image.manifestDigest), image)
    this.#known.delete(image.manifestDigest)
  }

  /** Undefined when there is none, or half of one. */
  async #read(path: string): Promise<PreparedImage | undefined> {
    const text = await readFile(path, 'utf8').catch(() => '')
    try {
      return JSON.parse(text) as PreparedImage
    } catch {
      return undefined
    }
  }

  /** Whole or not at all, also when the power goes. */
  async #write(path: string, image: PreparedImage): Promise<void> {
    const temporary = `${path}.${process.pid}`
    await writeFile(temporary, JSON.stringify(image), {flush: true})
    await rename(temporary, path)
  }

  async #manifest(layout: ImageLayout): Promise<Manifest> {
    const blob = await this.#blob(layout, layout.manifestDigest)
    const manifest = JSON.parse(blob.toString()) as Partial<Manifest>
    const {config, layers} = manifest
    if (!config || !Array.isArray(layers) || ![config, ...layers].every(({digest}) => DIGEST.test(digest))) {
      throw new this.#tools.CreoError('invalid_input', `${layout.manifestDigest} is not the manifest of an image.`, {
        hint: 'Give the manifest of one architecture, not an index.'
      })
    }
    return {...manifest, config, layers}
  }

  async #blob(layout: ImageLayout, digest: string): Promise<Buffer> {
    const hex = DIGEST.exec(digest)?.[1]
    if (!hex) throw new this.#tools.CreoError('invalid_input', `"${digest}" is not a sha256 digest.`)
    const blob = await readFile(join(layout.layoutDirectory, 'blobs/sha256', hex)).catch((cause: unknown) => {
      throw new this.#tools.CreoError('image_missing', `The layout lacks the blob ${digest}.`, {hint: 'Pull the image again.', cause})
    })
    if (blob.length > DOCUMENT_BYTES_MAX)
      throw new this.#tools.CreoError('payload_too_large', `${digest} is larger than ${DOCUMENT_BYTES_MAX} bytes.`)
    return blob
  }

  /**
   * Through a layout that holds one manifest, written here: podman has no choice to make, and sees neither the real one's annotations, which
   * it would hand to the OCI runtime as root, nor addresses of layers, which it would fetch. Its id of the image is the configuration's digest.
   */
  async #import(layout: ImageLayout, manifest: Manifest, signal: AbortSignal): Promise<string> {
    // Not below the state directory, whose path may hold what a reference to an image may not: a colon, a space.
    const view = join(this.#places.run, `view-${randomUUID()}`)
    await mkdir(view, {mode: 0o700})
    try {
      await writeView(view, resolve(layout.layoutDirectory, 'blobs/sha256'), manifest)
      const printed = await this.#podman.commands.run(['pull', '--quiet', '--signature-policy', this.#places.policy, `oci:${view}`], signal)
      const imageId = printed.trim().split('\n').at(-1) ?? ''
      if (`sha256:${imageId}` !== manifest.config.digest) {
        throw new this.#tools.CreoError('digest_mismatch', `podman imported ${imageId} for ${layout.manifestDigest}.`, {
          hint: 'Pull the image again.'
        })
      }
      return imageId
    } finally {
      await rm(view, {recursive: true, force: true})
    }
  }

  /** podman makes one copy of an image for each id map, when its first container is created: now, and not when a request waits. */
  async #mapOwners(image: PreparedImage, signal: AbortSignal): Promise<void> {
    const range = this.#host.idRange
    if (!range) return
    const ids = [{container_id: 0, host_id: range.base, size: range.size}]
    const body = {
      image: image.imageId,
      command: ['unused'],
      user: String(this.#tools.sandbox.user),
      netns: {nsmode: 'none'},
      userns: {nsmode: 'private'},
      idmappings: {UIDMap: ids, GIDMap: ids, HostUIDMapping: false, HostGIDMapping: false},
      healthconfig: {Test: ['NONE']}
    }
    // By a name that follows from the image, so that one which an earlier process left behind is found, and no answer is needed to remove it.
    const name = `creo-map-${image.manifestDigest.slice('sha256:'.length)}`
    await this.#podman.ask((api) => api.remove(name, signal))
    try {
      await this.#podman.ask((api) => api.create({name, ...body}, signal))
    } finally {
      await this.#podman.ask((api) => api.remove(name, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)))
    }
  }

  #file(manifestDigest: string): string {
    const hex = DIGEST.exec(manifestDigest)?.[1]
    if (!hex) throw new this.#tools.CreoError('invalid_input', `"${manifestDigest}" is not a sha256 digest.`)
    return join(this.#places.images, `${hex}.json`)
  }
}

/** A layout of one image: the configuration and the layers of `manifest`, and nothing else of it. */
async function writeView(view: string, blobs: string, manifest: Manifest): Promise<void> {
  const own = join(view, 'blobs/sha256')
  await mkdir(own, {recursive: true})
  const parts = [manifest.config, ...manifest.layers]
  for (const hex of new Set(parts.map(({digest}) => digest.slice('sha256:'.length)))) await symlink(join(blobs, hex), join(own, hex))
  const bare = ({mediaType, digest, size}: BlobReference) => ({mediaType, digest, size})
  const mediaType = manifest.mediaType ?? OCI_MANIFEST
  const text = JSON.stringify({schemaVersion: 2, mediaType, config: bare(manifest.config), layers: manifest.layers.map(bare)})
  const hex = createHash('sha256').update(text).digest('hex')
  await writeFile(join(own, hex), text)
  await writeFile(join(view, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const index = {schemaVersion: 2, manifests: [{mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(text)}]}
  await writeFile(join(view, 'index.json'), JSON.stringify(index))
}
