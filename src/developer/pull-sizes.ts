import {
  type Architecture,
  type ImageManifest,
  MANIFEST_ACCEPT,
  MANIFEST_BYTES_MAX,
  type ParsedManifest,
  parseManifest
} from '../images/oci.ts'
import {expectStatus, type RegistryAddress, readBody, send} from '../images/registry-http.ts'

/** What a node of one architecture fetches of an image. */
export interface PullSize {
  /** As the image says it; null when it says nothing. */
  readonly architecture: Architecture | string | null
  readonly bytes: number
  /** Of these, what a node that has run the function's revision before does not have yet. */
  readonly newBytes: number
}

/** The sizes of an image in the registry, one for each architecture that it is built for; `before` is the image that it follows. */
export async function pullSizes(
  address: RegistryAddress,
  {digest, before}: {readonly digest: string; readonly before: string | undefined},
  signal: AbortSignal
): Promise<readonly PullSize[]> {
  const [now, then] = await Promise.all([
    manifestsOf(address, digest, signal),
    before === undefined ? [] : manifestsOf(address, before, signal).catch(() => [])
  ])
  return now.map(({architecture, manifest}) => {
    const had = new Set(then.flatMap((one) => blobsOf(one.manifest).map((blob) => blob.digest)))
    const blobs = [...new Map(blobsOf(manifest).map((blob) => [blob.digest, blob.size]))]
    const sum = (of: readonly (readonly [string, number])[]): number => of.reduce((bytes, [, size]) => bytes + size, 0)
    return {architecture, bytes: sum(blobs), newBytes: sum(blobs.filter(([id]) => !had.has(id as never)))}
  })
}

interface Built {
  readonly architecture: string | null
  readonly manifest: ImageManifest
}

async function manifestsOf(address: RegistryAddress, digest: string, signal: AbortSignal): Promise<readonly Built[]> {
  const outer = await manifestAt(address, digest, signal)
  if (outer.kind === 'manifest') return [{architecture: null, manifest: outer.manifest}]
  const built = outer.index.manifests.map(async (entry): Promise<Built[]> => {
    const inner = await manifestAt(address, entry.digest, signal)
    return inner.kind === 'manifest' ? [{architecture: entry.platform?.architecture ?? null, manifest: inner.manifest}] : []
  })
  return (await Promise.all(built)).flat()
}

async function manifestAt(address: RegistryAddress, digest: string, signal: AbortSignal): Promise<ParsedManifest> {
  const response = await send(address, {method: 'GET', target: `manifests/${digest}`, headers: {accept: MANIFEST_ACCEPT}, signal})
  await expectStatus(response, [200], `The size of ${digest} could not be had`)
  return parseManifest(await readBody(response, MANIFEST_BYTES_MAX))
}

function blobsOf({config, layers}: ImageManifest): ImageManifest['layers'] {
  return [config, ...layers]
}
