import {randomUUID} from 'node:crypto'
import {chmod, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import type {ImageLayout, RuntimeTools} from 'creo/runtime'
import type {ContainerdService} from './containerd-service.ts'
import type {Host} from './host.ts'
import {type ImageManifest, importableLayout, readManifest} from './importable-layout.ts'
import {mapOwners} from './map-owners.ts'
import type {Places} from './places.ts'

/** What starting an image needs, kept on disk under the manifest's digest. */
export interface PreparedImage {
  readonly manifestDigest: string
  /** The image's entrypoint and command, one after the other. */
  readonly command: readonly string[]
  readonly env: readonly string[]
  readonly workingDirectory: string
}

const DIGEST = /^sha256:([0-9a-f]{64})$/
const CLEANUP_TIMEOUT_MS = 60_000
const SCRATCH_MODE = 0o1777

/**
 * Has containerd check and unpack OCI layouts, and keeps of each one root file system whose owners are mapped to the ids of
 * containers. All instances of an image share it, read-only, so nothing is copied or mounted when a request waits.
 */
export class ImageStore {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #service: ContainerdService
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #mounting = new Map<string, Promise<string>>()

  constructor(tools: RuntimeTools, host: Host, places: Places, service: ContainerdService) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    this.#service = service
  }

  /** @throws {CreoError} `image_missing` when it was not prepared. */
  async find(manifestDigest: string): Promise<PreparedImage> {
    const text = await readFile(this.#file(manifestDigest), 'utf8').catch(() => '')
    if (text !== '') return JSON.parse(text) as PreparedImage
    throw new this.#tools.CreoError('image_missing', `The image ${manifestDigest} was not prepared on this machine.`, {
      hint: 'Pull it again.'
    })
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

  /** Where the image's root is for containers. Mounted there at the first start of this boot. */
  mount({manifestDigest}: PreparedImage, signal: AbortSignal): Promise<string> {
    const already = this.#mounting.get(manifestDigest)
    if (already !== undefined) return already
    const mounting = this.#mount(manifestDigest, signal).finally(() => this.#mounting.delete(manifestDigest))
    this.#mounting.set(manifestDigest, mounting)
    return mounting
  }

  async #mount(manifestDigest: string, signal: AbortSignal): Promise<string> {
    const hex = this.#hex(manifestDigest)
    const [root, mountPoint] = [join(this.#places.roots, hex), join(this.#places.mounts, hex)]
    await mkdir(mountPoint, {recursive: true, mode: 0o711})
    if ((await stat(mountPoint)).ino === (await stat(root)).ino) return mountPoint
    await this.#command('mount', ['--bind', '-o', 'nosuid,nodev', root, mountPoint], signal)
    return mountPoint
  }

  /** `used` are digests of images that instances have. */
  async prune(keep: readonly string[], used: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    if (this.#underWay.size === 0) await this.#clearWork(signal)
    for (const name of await readdir(this.#places.images)) {
      const digest = `sha256:${name.replace(/\.json$/, '')}`
      if (keep.includes(digest) || used.has(digest) || this.#underWay.has(digest)) continue
      if (!DIGEST.test(digest)) await rm(join(this.#places.images, name), {force: true})
      else await this.#forget(digest, signal)
    }
  }

  async #forget(digest: string, signal: AbortSignal): Promise<void> {
    const hex = this.#hex(digest)
    await rm(this.#file(digest), {force: true})
    const mountPoint = join(this.#places.mounts, hex)
    await this.#tools.execa('umount', ['--lazy', mountPoint], {reject: false, stdin: 'ignore', cancelSignal: signal})
    await rm(mountPoint, {recursive: true, force: true})
    await rm(join(this.#places.roots, hex), {recursive: true, force: true})
  }

  /** What a process that was killed in the middle of an import left: files, a mount, and what containerd has of the image. */
  async #clearWork(signal: AbortSignal): Promise<void> {
    for (const name of await readdir(this.#places.work)) {
      const work = join(this.#places.work, name)
      const mountPoint = join(work, 'mount')
      await this.#service.call(['images', 'unmount', '--snapshotter', this.#host.snapshotter, '--rm', mountPoint], signal)
      await rm(work, {recursive: true, force: true})
    }
    const names = (await this.#service.run(['images', 'ls', '--quiet'], signal)).split('\n').filter((name) => name !== '')
    for (const name of names) await this.#service.runIfThere(['images', 'rm', '--sync', name], signal)
  }

  async #prepare(layout: ImageLayout, signal: AbortSignal): Promise<void> {
    if (await this.find(layout.manifestDigest).catch(() => undefined)) return
    const hex = this.#hex(layout.manifestDigest)
    const manifest = await readManifest(this.#tools, layout)
    const work = join(this.#places.work, randomUUID())
    const root = join(work, 'root')
    await mkdir(root, {recursive: true, mode: 0o700})
    try {
      await this.#unpack(layout, manifest, work, signal)
      await openScratch(root)
      if (this.#host.idRange) await mapOwners(root, this.#host.idRange, signal)
      // What is remembered must be there after a power cut.
      await this.#command('sync', ['--file-system', root], signal)
      const target = join(this.#places.roots, hex)
      await rm(target, {recursive: true, force: true})
      await rename(root, target)
    } finally {
      await rm(work, {recursive: true, force: true})
    }
    const {Entrypoint = [], Cmd = [], Env = [], WorkingDir} = manifest.config
    const command = [...(Entrypoint ?? []), ...(Cmd ?? [])]
    const image: PreparedImage = {manifestDigest: layout.manifestDigest, command, env: Env ?? [], workingDirectory: WorkingDir || '/'}
    const temporary = `${this.#file(layout.manifestDigest)}.${process.pid}`
    await writeFile(temporary, JSON.stringify(image), {flush: true})
    await rename(temporary, this.#file(layout.manifestDigest))
  }

  /** Into `work/root`, by containerd's own checks and unpacking; containerd itself keeps nothing of the image. */
  async #unpack(layout: ImageLayout, manifest: ImageManifest, work: string, signal: AbortSignal): Promise<void> {
    const name = `creo.internal/image:${this.#hex(layout.manifestDigest)}`
    const [view, mountPoint] = [join(work, 'view'), join(work, 'mount')]
    await importableLayout({view, blobs: resolve(layout.layoutDirectory, 'blobs/sha256'), manifest, name})
    await mkdir(mountPoint)
    const snapshotter = ['--snapshotter', this.#host.snapshotter]
    const archive = join(work, 'image.tar')
    await this.#command('tar', ['--dereference', '-cf', archive, '-C', view, '.'], signal)
    const cleanup = AbortSignal.timeout(CLEANUP_TIMEOUT_MS)
    try {
      await this.#service.run(['images', 'import', ...snapshotter, archive], signal)
      await rm(archive)
      await this.#service.run(['images', 'mount', ...snapshotter, '--platform', platform(), name, mountPoint], signal)
      try {
        await this.#command('cp', ['--archive', '--reflink=auto', `${mountPoint}/.`, join(work, 'root')], signal)
      } finally {
        await this.#service.run(['images', 'unmount', ...snapshotter, '--rm', mountPoint], cleanup)
      }
    } finally {
      await this.#service.runIfThere(['images', 'rm', '--sync', name], cleanup)
    }
  }

  async #command(program: string, args: readonly string[], signal: AbortSignal): Promise<void> {
    const result = await this.#tools.execa(program, args, {reject: false, stdin: 'ignore', cancelSignal: signal})
    if (result.isCanceled) throw this.#service.aborted(signal)
    if (result.failed) throw this.#service.failure(`${program} failed: ${String(result.stderr).trim() || result.shortMessage}`)
  }

  #file(manifestDigest: string): string {
    return join(this.#places.images, `${this.#hex(manifestDigest)}.json`)
  }

  #hex(digest: string): string {
    const hex = DIGEST.exec(digest)?.[1]
    if (!hex) throw new this.#tools.CreoError('invalid_input', `"${digest}" is not a sha256 digest.`)
    return hex
  }
}

/** runc gives a tmpfs the mode of the directory that it covers, whatever it is told; so the directory gets the mode that /tmp shall have. */
async function openScratch(root: string): Promise<void> {
  const path = join(root, 'tmp')
  const there = await lstat(path).catch(() => undefined)
  if (!there) await mkdir(path)
  if (!there || there.isDirectory()) await chmod(path, SCRATCH_MODE)
}

function platform(): string {
  return process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
}
