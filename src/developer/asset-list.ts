import {createHash} from 'node:crypto'
import {extname} from 'node:path'
import {CreoError} from '../core/errors.ts'
import type {ManifestFunction} from '../core/manifest.ts'
import {
  ASSET_BYTES_MAX,
  ASSET_LIST_BYTES_MAX,
  ASSET_LIST_NAME,
  ASSET_NETWORK_NAME,
  ASSETS_MAX,
  type Asset,
  type AssetContent,
  type AssetList,
  type AssetListRef,
  assetPathSchema,
  BROTLI_ENDING
} from '../core/protocol/assets.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {formatBytes} from '../core/units.ts'
import {digestOf} from '../images/digest.ts'
import {listFolder} from '../images/folder-entries.ts'
import {textEntry} from '../images/layer-entries.ts'
import type {TarEntry} from '../images/tar-writer.ts'
import type {FunctionImage} from './build.ts'

const PLAIN = 'application/octet-stream'
const TYPES: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.ogg': 'audio/ogg',
  '.otf': 'font/otf',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml'
}

const MADE: ReadonlySet<string> = new Set([`/${ASSET_LIST_NAME}`, `/${ASSET_NETWORK_NAME}`])

type Assets = NonNullable<ManifestFunction['assets']>

export interface ListedAssets {
  /** What the revision says of the list. */
  readonly ref: AssetListRef
  /** The list itself and what else is made, to be laid among the files. */
  readonly entries: readonly TarEntry[]
}

/**
 * The list of the files that a function serves, as they will be in its image. The same files for the same network make the same list.
 * @param networkId the network that it is for, which the page is told; undefined while that is not known.
 * @throws {CreoError} `build_failed` when there are none, too many or too large ones, or one that no address can name.
 */
export async function listAssets(
  source: string,
  {folder, immutable, headers}: Assets,
  {networkId, signal}: {readonly networkId?: string | undefined; readonly signal: AbortSignal}
): Promise<ListedAssets> {
  const start = `${folder}/`
  const contents = new Map<string, AssetContent>()
  for (const entry of await listFolder(source, signal)) {
    if (!entry.path.startsWith(start) || entry.type === 'directory') continue
    const path = entry.path.slice(folder.length)
    if (entry.type !== 'file')
      throw failed(`"${entry.path}" is a link.`, 'Put a file in its place: each that is served is listed by what is in it.')
    if (MADE.has(path)) throw failed(`"${entry.path}" has the name of a file that is made.`, 'Call it something else.')
    if (!assetPathSchema.safeParse(path).success)
      throw failed(`No address can name "${entry.path}".`, 'Use letters, digits and . _ ~ + , = - in names of files.')
    if (entry.size > ASSET_BYTES_MAX)
      throw failed(
        `"${entry.path}" has ${formatBytes(entry.size)}, and a file that is served has at most ${formatBytes(ASSET_BYTES_MAX)}.`,
        'Serve it by a function without assets.'
      )
    contents.set(path, await contentOf(entry, signal))
  }
  if (contents.size === 0)
    throw failed(`There are no files in "${folder}" of ${source}.`, 'Build the page first, or mend assets.folder in creo.yaml.')
  const network = networkId === undefined ? undefined : textEntry(`${start}${ASSET_NETWORK_NAME}`, `${JSON.stringify({id: networkId})}\n`)
  if (network !== undefined) contents.set(`/${ASSET_NETWORK_NAME}`, await contentOf(network, signal))
  const list: AssetList = {v: 'creo-assets-v1', headers, files: assetsOf(contents, immutable)}
  const count = Object.keys(list.files).length
  const text = JSON.stringify(list)
  if (count > ASSETS_MAX || text.length > ASSET_LIST_BYTES_MAX)
    throw failed(
      `"${folder}" has ${count} files; ${ASSETS_MAX} are the most that one function serves.`,
      'Name in .creoignore what nobody asks for.'
    )
  const entries = [...(network === undefined ? [] : [network]), textEntry(`${start}${ASSET_LIST_NAME}`, text)]
  return {ref: {digest: digestOf(text), bytes: text.length}, entries}
}

function assetsOf(contents: ReadonlyMap<string, AssetContent>, immutable: string | undefined): AssetList['files'] {
  const files: Record<string, Asset> = {}
  for (const [path, content] of contents) {
    if (path.endsWith(BROTLI_ENDING) && contents.has(path.slice(0, -BROTLI_ENDING.length))) continue
    const brotli = contents.get(path + BROTLI_ENDING)
    files[path] = {
      ...content,
      type: TYPES[extname(path).toLowerCase()] ?? PLAIN,
      ...(immutable !== undefined && path.startsWith(`/${immutable}/`) && {immutable: true as const}),
      ...(brotli !== undefined && {brotli})
    }
  }
  return files
}

async function contentOf(entry: Extract<TarEntry, {type: 'file'}>, signal: AbortSignal): Promise<AssetContent> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of entry.content()) {
    signal.throwIfAborted()
    hash.update(chunk)
    bytes += chunk.length
  }
  return {digest: `sha256:${hash.digest('hex')}`, bytes}
}

/** By function, the settings with what the list says that lies in the image. */
export function withAssets(specs: ReadonlyMap<string, RevisionSpec>, images: readonly FunctionImage[]): ReadonlyMap<string, RevisionSpec> {
  const listed = new Map(specs)
  for (const image of images) {
    const spec = specs.get(image.function)
    if (spec !== undefined && image.in === 'layout' && image.assets !== undefined)
      listed.set(image.function, {...spec, assets: image.assets})
  }
  return listed
}

function failed(message: string, hint: string): CreoError {
  return new CreoError('build_failed', message, {hint})
}
