import {createReadStream} from 'node:fs'
import {lstat, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import type {UnpackedArchive} from './image-archive.ts'
import {compressLayer} from './layer.ts'
import {writeLayoutBlob, writeLayoutIndex} from './layout.ts'
import {encodeJson, LAYERS_MAX, MANIFEST_BYTES_MAX, MEDIA_TYPE, parseImageConfig} from './oci.ts'

const name = z.string().regex(/^(?:[\w.-]{1,128}\/){0,3}[\w.-]{1,128}$/)
const manifestSchema = z.array(z.object({Config: name, Layers: z.array(name).max(LAYERS_MAX)}))

/**
 * Writes the image of an unpacked archive in Docker's own form as an OCI layout.
 * @throws {CreoError} `image_missing` when it holds none or several; `digest_mismatch` for a layer that its config does not name.
 */
export async function dockerToLayout(archive: UnpackedArchive, layoutDirectory: string, signal: AbortSignal): Promise<void> {
  const [image, second] = await readJson(archive, 'manifest.json', manifestSchema)
  if (image === undefined || second !== undefined)
    throw new CreoError('image_missing', `The archive holds ${image === undefined ? 'no image' : 'several images'} instead of one.`, {
      hint: 'Save one image alone.'
    })
  const configBytes = await readFile(await fileIn(archive, image.Config, MANIFEST_BYTES_MAX))
  const diffIds = parseImageConfig(configBytes).rootfs.diff_ids
  const config = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.config, configBytes)
  const layers = []
  for (const [position, layer] of image.Layers.entries()) {
    const source = createReadStream(await fileIn(archive, layer), {signal, highWaterMark: 2 ** 18})
    const {digest, diffId, size} = await compressLayer({source, compression: 'gzip', layoutDirectory, signal})
    if (diffId !== diffIds[position])
      throw new CreoError('digest_mismatch', `Layer ${position + 1} of the archive has other bytes than its config says.`)
    layers.push({mediaType: MEDIA_TYPE.layerGzip, digest, size})
  }
  const manifestJson = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers}
  await writeLayoutIndex(layoutDirectory, await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.manifest, encodeJson(manifestJson)))
}

async function readJson<T>(archive: UnpackedArchive, path: string, schema: z.ZodType<T>): Promise<T> {
  const bytes = await readFile(await fileIn(archive, path, MANIFEST_BYTES_MAX))
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new CreoError('rejected', `${path} of the archive is not what Docker writes.`, {hint: 'Save the image again.', cause})
  }
}

/** Follows one link at most: what a link leads to is a file of the archive. */
async function fileIn({folder, links}: UnpackedArchive, path: string, bytesMax = Number.POSITIVE_INFINITY): Promise<string> {
  const found = links.get(path) ?? path
  const stats = name.safeParse(found).success ? await lstat(join(folder, found)).catch(() => undefined) : undefined
  if (!stats?.isFile() || found.split('/').includes('..'))
    throw new CreoError('image_missing', `The archive lacks ${path}.`, {hint: 'Write one with podman save or skopeo copy.'})
  if (stats.size > bytesMax) throw new CreoError('payload_too_large', `${path} of the archive is larger than ${bytesMax} bytes.`)
  return join(folder, found)
}
