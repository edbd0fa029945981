import {CreoError} from '../core/errors.ts'
import {baseRepository, type PinnedBase, platformsOf} from './bases.ts'
import type {Platform} from './build-image.ts'
import {type Digest, digestOf} from './digest.ts'
import {writeLayoutBlob} from './layout.ts'
import {type Descriptor, MANIFEST_ACCEPT, MANIFEST_BYTES_MAX, MEDIA_TYPE, parseManifest} from './oci.ts'
import {dropBody, expectStatus, type RegistryAddress, readBody, send, withRetries} from './registry-http.ts'

/** How a network's registry is asked. */
export type RegistryAccess = Omit<RegistryAddress, 'repository'>

/**
 * The pinned base as the registry has it: what is pushed there is built upon its documents alone, since its layers are there already. A few
 * kilobytes instead of all of it.
 * @returns undefined when the registry does not have it.
 */
export async function thinBase(
  registry: RegistryAccess,
  {name, digest}: PinnedBase,
  options: {readonly layoutDirectory: string; readonly signal: AbortSignal}
): Promise<readonly Platform[] | undefined> {
  const thin = new ThinFetch({...registry, repository: baseRepository(name)}, options)
  const bytes = await thin.document('manifests', {mediaType: MEDIA_TYPE.index, digest})
  if (bytes === undefined) return undefined
  const parsed = parseManifest(bytes)
  if (parsed.kind !== 'index') throw new CreoError('rejected', `creo/${name} is not an index of images.`)
  for (const descriptor of parsed.index.manifests) await thin.image(descriptor)
  return platformsOf(parsed.index, options.layoutDirectory).map(({architecture, base}) => ({
    architecture,
    base: base === 'scratch' ? base : {...base, layersInRegistry: true}
  }))
}

class ThinFetch {
  readonly #address: RegistryAddress
  readonly #options: {readonly layoutDirectory: string; readonly signal: AbortSignal}

  constructor(address: RegistryAddress, options: {readonly layoutDirectory: string; readonly signal: AbortSignal}) {
    this.#address = address
    this.#options = options
  }

  async image(descriptor: Descriptor): Promise<void> {
    const parsed = parseManifest(await this.#required('manifests', descriptor))
    if (parsed.kind === 'manifest') await this.#required('blobs', parsed.manifest.config)
  }

  async document(kind: 'manifests' | 'blobs', what: {mediaType: string; digest: Digest}): Promise<Buffer | undefined> {
    const {signal, layoutDirectory} = this.#options
    const get = async (): Promise<Buffer | undefined> => {
      const response = await send(this.#address, {
        method: 'GET',
        target: `${kind}/${what.digest}`,
        headers: {accept: MANIFEST_ACCEPT},
        signal
      })
      if (response.statusCode === 404) {
        await dropBody(response)
        return undefined
      }
      await expectStatus(response, [200], `${this.#address.repository} could not be had`)
      return readBody(response, MANIFEST_BYTES_MAX)
    }
    const bytes = await withRetries(get, () => 0, signal)
    if (bytes === undefined) return undefined
    if (digestOf(bytes) !== what.digest) throw new CreoError('digest_mismatch', `The registry sent other bytes than ${what.digest}.`)
    await writeLayoutBlob(layoutDirectory, what.mediaType, bytes)
    return bytes
  }

  async #required(kind: 'manifests' | 'blobs', what: {mediaType: string; digest: Digest}): Promise<Buffer> {
    const bytes = await this.document(kind, what)
    if (bytes !== undefined) return bytes
    throw new CreoError('image_missing', `The registry has ${this.#address.repository} and lacks ${what.digest} of it.`)
  }
}
