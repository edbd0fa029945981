import {mkdir, mkdtemp, rm, stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {lockDirectory} from '../config/directory-lock.ts'
import {CreoError} from '../core/errors.ts'
import {type BlobStore, openBlobStore} from '../images/blob-store.ts'
import {dockerToLayout} from '../images/docker-archive.ts'
import {unpackArchive} from '../images/image-archive.ts'
import {importLayout} from '../images/import-layout.ts'
import type {ImportedImage} from '../images/normal-form.ts'
import {pullImage} from '../images/pull-image.ts'
import {parseReference} from '../images/reference.ts'

/** What is kept of fetched images for the next time. */
const PULLED_BYTES_MAX = 4 * 2 ** 30

export interface ImageSource {
  /** `host/repository:tag`, or a path: of an OCI layout or of an archive. */
  readonly image: string
  /** What paths are relative to. */
  readonly folder: string
  /** Where the layout goes. */
  readonly layoutDirectory: string
  /** creo's data folder. */
  readonly dataDirectory: string
  readonly signal: AbortSignal
}

/**
 * Brings an image that another tool built into a layout of ours, checked. What lies at the path wins over a registry of the same name.
 * @throws {CreoError} `image_missing` when there is neither; as `importLayout`, `unpackArchive` and `pullImage` do.
 */
export async function acquireImage(source: ImageSource): Promise<ImportedImage> {
  const {image, layoutDirectory, signal} = source
  const path = resolve(source.folder, image)
  const there = await stat(path).catch(() => undefined)
  if (there?.isDirectory()) return importLayout({from: path, layoutDirectory, signal})
  if (there?.isFile()) return inScratch(source.dataDirectory, (scratch) => importArchive(source, path, scratch))
  const reference = parseReference(image)
  if (reference !== undefined)
    return withStore(source.dataDirectory, (store) => pullImage({reference, store, layoutDirectory, env: process.env, signal}))
  throw new CreoError('image_missing', `There is no image at ${path}, and "${image}" names no registry.`, {
    hint: 'Name the folder of an OCI layout, an archive (.tar), host/repository:tag, or a digest that the registry has.'
  })
}

async function importArchive({layoutDirectory, signal}: ImageSource, path: string, scratch: string): Promise<ImportedImage> {
  const archive = await unpackArchive(path, join(scratch, 'archive'), signal)
  if (await stat(join(archive.folder, 'index.json')).catch(() => undefined))
    return importLayout({from: archive.folder, layoutDirectory, signal})
  const from = join(scratch, 'layout')
  await dockerToLayout(archive, from, signal)
  return importLayout({from, layoutDirectory, signal})
}

/** A folder of this work alone. */
export async function inScratch<T>(dataDirectory: string, work: (folder: string) => Promise<T>): Promise<T> {
  const builds = join(dataDirectory, 'builds')
  await mkdir(builds, {recursive: true, mode: 0o700})
  const folder = await mkdtemp(join(builds, 'image-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

/** Fetched blobs are kept for the next time. While another creo fetches, a store of this work alone does. */
async function withStore<T>(dataDirectory: string, work: (store: BlobStore) => Promise<T>): Promise<T> {
  const kept = join(dataDirectory, 'pulled')
  await mkdir(kept, {recursive: true, mode: 0o700})
  const release = await lockDirectory(kept).catch(() => undefined)
  if (release === undefined) return inScratch(dataDirectory, async (folder) => work(await openBlobStore(folder)))
  try {
    const store = await openBlobStore(kept)
    const done = await work(store)
    await store.prune({bytesMax: PULLED_BYTES_MAX, keep: new Set()})
    return done
  } finally {
    await release()
  }
}
