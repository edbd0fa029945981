import {z} from 'zod'
import {imageDigestSchema} from './scalars.ts'

/**
 * The files that a function serves, by content. The list is one of the files itself, named by its digest in the revision, so whoever has the files has
 * the list, and whoever changes either shows it.
 */

/** Under which name the list lies among the files. */
export const ASSET_LIST_NAME = 'creo-assets.json'
/** Beside it lies which network it was deployed to, `{id}`: a page whose files are held against the list can believe it, whoever hosts the page. */
export const ASSET_NETWORK_NAME = 'creo-network.json'
export const ASSET_LIST_BYTES_MAX = 2 ** 20
/** A gateway has a whole file in its memory before it sends any of it. */
export const ASSET_BYTES_MAX = 8 * 2 ** 20
export const ASSETS_MAX = 4096
/** Beside a file, the same compressed with Brotli. */
export const BROTLI_ENDING = '.br'

/** What browsers send in an address as it is written: a name has one spelling. */
const ASSET_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~+,=-]+)+$/
const HEADER_TEXT = /^[\x20-\x7e]*$/
const MEDIA_TYPE = /^[a-z]+\/[a-z0-9.+-]+(?:; charset=utf-8)?$/

/** What of the headers a page may have its own of, and what they are otherwise: nothing of another origin, in nobody's frame. */
export const PAGE_HEADERS = {
  'content-security-policy': "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
  'cross-origin-opener-policy': 'same-origin'
} as const
export type PageHeader = keyof typeof PAGE_HEADERS
const pageHeaderNames = Object.keys(PAGE_HEADERS) as [PageHeader, ...PageHeader[]]
export const pageHeadersSchema = z.partialRecord(
  z.enum(pageHeaderNames),
  z.string().max(4096).regex(HEADER_TEXT, 'must be one line of plain characters')
)

const contentSchema = z.strictObject({digest: imageDigestSchema, bytes: z.int().min(0).max(ASSET_BYTES_MAX)})
export type AssetContent = z.output<typeof contentSchema>

const assetSchema = contentSchema.extend({
  type: z.string().max(100).regex(MEDIA_TYPE),
  /** Its name changes with what is in it. */
  immutable: z.literal(true).optional(),
  brotli: contentSchema.optional()
})
export type Asset = z.output<typeof assetSchema>

export const assetPathSchema = z.string().max(200).regex(ASSET_PATH)

export const assetListSchema = z.strictObject({
  v: z.literal('creo-assets-v1'),
  headers: pageHeadersSchema,
  /** By path. */
  files: z
    .record(assetPathSchema, assetSchema)
    .refine((files) => Object.keys(files).length <= ASSETS_MAX, `has more than ${ASSETS_MAX} files`)
})
export type AssetList = z.output<typeof assetListSchema>

/** What a revision says of its list. */
export const assetListRefSchema = z.strictObject({digest: imageDigestSchema, bytes: z.int().min(1).max(ASSET_LIST_BYTES_MAX)})
export type AssetListRef = z.output<typeof assetListRefSchema>
