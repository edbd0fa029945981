import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {parsedOr} from '../core/issue-words.ts'
import {type Digest, isDigest} from './digest.ts'

/** Largest manifest, index or image config that is read into memory. */
export const MANIFEST_BYTES_MAX = 4 * 2 ** 20
export const LAYERS_MAX = 128
const INDEX_MANIFESTS_MAX = 64

export const MEDIA_TYPE = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar'
} as const

const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.index, MEDIA_TYPE.dockerIndex])
const MANIFEST_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPE.manifest, MEDIA_TYPE.dockerManifest])

const NONDISTRIBUTABLE_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
])

/** True of a layer that whoever pushes an image may leave out: its licence lets only its maker hand it on. */
export function isNondistributable({mediaType}: Descriptor): boolean {
  return NONDISTRIBUTABLE_TYPES.has(mediaType)
}

/** The media types that a manifest may have on the wire, as an `accept` header. */
export const MANIFEST_ACCEPT = [...INDEX_TYPES, ...MANIFEST_TYPES].join(', ')

/** What functions run on. */
export type Architecture = 'amd64' | 'arm64'

export function isArchitecture(name: string): name is Architecture {
  return name === 'amd64' || name === 'arm64'
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'is not a sha256 digest')
/** As much as fits into a manifest: the specification bounds no value of its own. */
const annotations = z.record(z.string().max(256), z.string()).optional()
const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

const platform = z.object({architecture: z.string().max(64), os: z.string().max(64), variant: z.string().max(64).optional()})

export const descriptorSchema = z.object({
  mediaType: z.string().min(1).max(255),
  digest,
  size,
  platform: platform.optional(),
  annotations
})
export type Descriptor = z.infer<typeof descriptorSchema>

export const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z
    .string()
    .refine((type) => MANIFEST_TYPES.has(type), 'is not the media type of an image manifest')
    .optional(),
  artifactType: z.string().min(1).max(255).optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(LAYERS_MAX, `an image has at most ${LAYERS_MAX} layers`),
  /** Another manifest that this one says something about: it signs it, or lists what is in it. */
  subject: descriptorSchema.optional(),
  annotations
})
export type ImageManifest = z.infer<typeof manifestSchema>

export const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z
    .string()
    .refine((type) => INDEX_TYPES.has(type), 'is not the media type of an image index')
    .optional(),
  artifactType: z.string().min(1).max(255).optional(),
  manifests: z.array(descriptorSchema).max(INDEX_MANIFESTS_MAX),
  subject: descriptorSchema.optional(),
  annotations
})
export type ImageIndex = z.infer<typeof indexSchema>

export const imageConfigSchema = z.object({
  architecture: z.string().max(64),
  os: z.string().max(64),
  config: z
    .object({
      User: z.string().max(256).optional(),
      Env: z.array(z.string()).max(1024).nullish(),
      Entrypoint: z.array(z.string()).max(1024).nullish(),
      Cmd: z.array(z.string()).max(1024).nullish(),
      WorkingDir: z.string().max(4096).optional()
    })
    .optional(),
  rootfs: z.object({type: z.literal('layers'), diff_ids: z.array(digest).max(LAYERS_MAX)})
})
export type ImageConfig = z.infer<typeof imageConfigSchema>

export type ParsedManifest =
  | {readonly kind: 'index'; readonly mediaType: string; readonly index: ImageIndex}
  | {readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: ImageManifest}

/**
 * Reads an image manifest or an image index, told apart by what it says of itself, then by its fields.
 * @throws {CreoError} `invalid_input` for anything else; `payload_too_large` above MANIFEST_BYTES_MAX.
 */
export function parseManifest(bytes: Buffer, declaredType?: string): ParsedManifest {
  const json = parseJson(bytes, 'manifest')
  const own = typeof json === 'object' && json !== null && 'mediaType' in json ? String(json.mediaType) : undefined
  if (own !== undefined && declaredType !== undefined && own !== declaredType) {
    throw new CreoError('invalid_input', `A manifest was sent as ${declaredType} and calls itself ${own}.`)
  }
  const isIndex =
    own === undefined && declaredType === undefined ? typeof json === 'object' && json !== null && 'manifests' in json : undefined
  const mediaType = own ?? declaredType ?? (isIndex ? MEDIA_TYPE.index : MEDIA_TYPE.manifest)
  if (INDEX_TYPES.has(mediaType)) return {kind: 'index', mediaType, index: parseAs(indexSchema, json, 'image index')}
  if (MANIFEST_TYPES.has(mediaType)) return {kind: 'manifest', mediaType, manifest: parseAs(manifestSchema, json, 'image manifest')}
  throw new CreoError('invalid_input', `"${mediaType.slice(0, 120)}" is not the media type of an image.`, {
    hint: 'Push an OCI image manifest or index.'
  })
}

/** @throws {CreoError} `invalid_input` when it is not an image config; `payload_too_large` above MANIFEST_BYTES_MAX. */
export function parseImageConfig(bytes: Buffer): ImageConfig {
  return parseAs(imageConfigSchema, parseJson(bytes, 'image config'), 'image config')
}

/** @throws {CreoError} `wrong_architecture` when no manifest in the index is for Linux on this architecture. */
export function pickArchitecture(index: ImageIndex, architecture: Architecture): Descriptor {
  const found = index.manifests.find((entry) => entry.platform?.os === 'linux' && entry.platform.architecture === architecture)
  if (found) return found
  const offered = index.manifests.flatMap((entry) => (entry.platform ? [`${entry.platform.os}/${entry.platform.architecture}`] : []))
  throw new CreoError(
    'wrong_architecture',
    `This image is not built for linux/${architecture}; it is built for ${offered.join(', ') || 'nothing'}.`,
    {
      hint: `Build and deploy it for ${architecture} too.`
    }
  )
}

/** The same value always gives the same bytes, so that its digest can be compared. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function parseJson(bytes: Buffer, what: string): unknown {
  if (bytes.length > MANIFEST_BYTES_MAX)
    throw new CreoError('payload_too_large', `This ${what} is larger than ${MANIFEST_BYTES_MAX} bytes.`)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new CreoError('invalid_input', `This ${what} is not JSON.`, {cause})
  }
}

function parseAs<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  return parsedOr(schema, json, (wrong, cause) => new CreoError('invalid_input', `This is not an ${what}: ${wrong}.`, {cause}))
}
