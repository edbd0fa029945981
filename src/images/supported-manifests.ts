import {CreoError} from '../core/errors.ts'
import type {Digest} from './digest.ts'
import {type Architecture, isArchitecture, type ParsedManifest, parseImageConfig} from './oci.ts'

export interface SupportedManifest {
  readonly digest: Digest
  readonly architecture: Architecture
}

/**
 * The manifests of an image that functions can run: of an index those for Linux on amd64 and arm64, or the one manifest itself.
 * @param read gives a config by its digest.
 * @throws {CreoError} `image_missing` when there is none.
 */
export async function supportedManifests(
  image: ParsedManifest,
  digest: Digest,
  read: (digest: Digest) => Promise<Buffer>
): Promise<readonly SupportedManifest[]> {
  if (image.kind === 'manifest') {
    const {os, architecture} = parseImageConfig(await read(image.manifest.config.digest))
    if (os === 'linux' && isArchitecture(architecture)) return [{digest, architecture}]
    throw forNothing([`${os}/${architecture}`])
  }
  const found = image.index.manifests.flatMap(({platform, digest: manifest}) =>
    platform?.os === 'linux' && isArchitecture(platform.architecture) ? [{digest: manifest, architecture: platform.architecture}] : []
  )
  // Of two for one architecture the first is meant, as everywhere.
  const firsts = found.filter((one, at) => found.findIndex(({architecture}) => architecture === one.architecture) === at)
  if (firsts.length > 0) return firsts
  throw forNothing(image.index.manifests.flatMap(({platform}) => (platform ? [`${platform.os}/${platform.architecture}`] : [])))
}

function forNothing(offered: readonly string[]): CreoError {
  const shown = offered.join(', ').slice(0, 200) || 'nothing'
  return new CreoError('image_missing', `The image is for ${shown}; functions run on linux/amd64 and linux/arm64.`, {
    hint: 'Build it for one of these, or for both.'
  })
}
