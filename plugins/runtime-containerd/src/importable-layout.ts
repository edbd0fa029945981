import {createHash} from 'node:crypto'
import {mkdir, readFile, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {ImageLayout, RuntimeTools} from 'creo/runtime'

/** The part of an image's manifest and configuration that running it needs. */
export interface ImageManifest {
  readonly blobs: {readonly config: Descriptor; readonly layers: readonly Descriptor[]}
  readonly config: {Entrypoint?: string[] | null; Cmd?: string[] | null; Env?: string[] | null; WorkingDir?: string}
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const DIGEST = /^sha256:([0-9a-f]{64})$/
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
/** A manifest or configuration larger than this is no image of ours. */
const DOCUMENT_BYTES_MAX = 4 * 2 ** 20

/** @throws {CreoError} `invalid_input` when it is not the manifest of one image; `image_missing` when the layout lacks it. */
export async function readManifest(tools: RuntimeTools, layout: ImageLayout): Promise<ImageManifest> {
  const {config, layers} = (await readDocument(tools, layout, layout.manifestDigest)) as {config?: Descriptor; layers?: Descriptor[]}
  if (!config || !Array.isArray(layers) || ![config, ...layers].every(({digest}) => DIGEST.test(digest))) {
    throw new tools.CreoError('invalid_input', `${layout.manifestDigest} is not the manifest of an image.`, {
      hint: 'Give the manifest of one architecture, not an index.'
    })
  }
  const document = (await readDocument(tools, layout, config.digest)) as {config?: ImageManifest['config']}
  return {blobs: {config, layers}, config: document.config ?? {}}
}

/**
 * Writes a layout at `view` that holds one manifest of our own writing, called `name`: containerd sees neither the real one's annotations
 * nor addresses of layers elsewhere. Blobs are links; whoever packs it follows them.
 */
export async function importableLayout(options: {
  readonly view: string
  readonly blobs: string
  readonly manifest: ImageManifest
  readonly name: string
}): Promise<void> {
  const {view, blobs, name} = options
  const {config, layers} = options.manifest.blobs
  const own = join(view, 'blobs/sha256')
  await mkdir(own, {recursive: true})
  for (const hex of new Set([config, ...layers].map(({digest}) => digest.slice('sha256:'.length))))
    await symlink(join(blobs, hex), join(own, hex))
  const bare = ({mediaType, digest, size}: Descriptor) => ({mediaType, digest, size})
  const text = JSON.stringify({schemaVersion: 2, mediaType: MANIFEST_TYPE, config: bare(config), layers: layers.map(bare)})
  const hex = createHash('sha256').update(text).digest('hex')
  await writeFile(join(own, hex), text)
  await writeFile(join(view, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const entry = {mediaType: MANIFEST_TYPE, digest: `sha256:${hex}`, size: Buffer.byteLength(text)}
  const index = {schemaVersion: 2, manifests: [{...entry, annotations: {'io.containerd.image.name': name}}]}
  await writeFile(join(view, 'index.json'), JSON.stringify(index))
}

async function readDocument(tools: RuntimeTools, layout: ImageLayout, digest: string): Promise<unknown> {
  const hex = DIGEST.exec(digest)?.[1]
  if (!hex) throw new tools.CreoError('invalid_input', `"${digest}" is not a sha256 digest.`)
  const blob = await readFile(join(layout.layoutDirectory, 'blobs/sha256', hex)).catch((cause: unknown) => {
    throw new tools.CreoError('image_missing', `The layout lacks the blob ${digest}.`, {hint: 'Pull the image again.', cause})
  })
  if (blob.length > DOCUMENT_BYTES_MAX)
    throw new tools.CreoError('payload_too_large', `${digest} is larger than ${DOCUMENT_BYTES_MAX} bytes.`)
  return JSON.parse(blob.toString())
}
