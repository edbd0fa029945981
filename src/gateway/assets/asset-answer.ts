import {type Asset, type AssetContent, type AssetList, BROTLI_ENDING, PAGE_HEADERS} from '../../core/protocol/assets.ts'
import {REVISION_HEADER} from '../headers.ts'
import type {ClientCall} from '../http/client-call.ts'
import {tokensOf} from '../http/header-lines.ts'

const YEAR = 'public, max-age=31536000, immutable'
const ASK_AGAIN = 'no-cache'
const ETAG_CHARACTERS = 32
const SHA256 = 'sha256:'
const INDEX = 'index.html'
/** So much is given to the client at a time. */
const PIECE_BYTES = 64 * 2 ** 10
/** `br` among the codings that a client takes, unless with a weight of nothing. */
const TAKES_BROTLI = /(?:^|,)\s*br\s*(?:;\s*q=(?!0(?:\.0{1,3})?\s*(?:,|$))[01](?:\.\d{1,3})?\s*)?(?:,|$)/i

/** One file as one client gets it. */
export interface ChosenAsset {
  /** Where the function has it. */
  readonly path: string
  readonly content: AssetContent
  readonly tag: string
  readonly headers: readonly string[]
}

/** The file that a target means; undefined when it is not listed. A path that ends in `/` means the `index.html` there. */
export function findAsset(list: AssetList, target: string): {readonly path: string; readonly asset: Asset} | undefined {
  const [asked = '/'] = target.split('?', 1)
  const path = asked.endsWith('/') ? `${asked}${INDEX}` : asked
  const asset = Object.hasOwn(list.files, path) ? list.files[path] : undefined
  return asset && {path, asset}
}

/** All that the client is told comes from the list. */
export function chooseAsset(
  {path, asset}: {readonly path: string; readonly asset: Asset},
  {headers, list, revision}: {readonly headers: readonly string[]; readonly list: AssetList; readonly revision: string}
): ChosenAsset {
  const {brotli, immutable, type} = asset
  const isPacked = brotli !== undefined && TAKES_BROTLI.test(joinedValue(headers, 'accept-encoding'))
  const content = isPacked ? brotli : asset
  const tag = `"${content.digest.slice(SHA256.length, SHA256.length + ETAG_CHARACTERS)}"`
  return {
    path: isPacked ? path + BROTLI_ENDING : path,
    content,
    tag,
    headers: [
      ...[REVISION_HEADER, revision, 'content-type', type, 'etag', tag, 'cache-control', immutable === true ? YEAR : ASK_AGAIN],
      ...['x-content-type-options', 'nosniff', 'cross-origin-resource-policy', 'same-origin'],
      ...Object.entries({...PAGE_HEADERS, ...list.headers}).flat(),
      ...(brotli === undefined ? [] : ['vary', 'accept-encoding']),
      ...(isPacked ? ['content-encoding', 'br'] : [])
    ]
  }
}

/** Answers what needs no file: true when that is all. */
export function answeredByList(call: ClientCall, {tag, content, headers}: ChosenAsset): boolean {
  const known = joinedValue(call.head.headers, 'if-none-match')
  if (known === '*' || tokensOf(known).some((one) => one.replace(/^w\//, '') === tag)) call.begin(304, headers)
  else if (call.head.method === 'HEAD') call.begin(200, withLength(headers, content.bytes))
  else return false
  call.end()
  return true
}

/** Sends a file, no faster than the client takes it, and cuts the client off when it takes too long. */
export async function sendAsset(call: ClientCall, {headers}: ChosenAsset, body: Buffer, timeoutMs: number): Promise<void> {
  if (call.isGone) return
  call.begin(200, withLength(headers, body.length))
  const {promise: isOver, resolve: end} = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    call.cut()
    end()
  }, timeoutMs)
  let at = 0
  // Copies: what is written gives its memory back, and the file is sent to others too.
  const piece = (from: number, to: number): Buffer => Buffer.from(body.subarray(from, to))
  const goOn = (): void => {
    while (body.length - at > PIECE_BYTES) {
      at += PIECE_BYTES
      if (!call.write(piece(at - PIECE_BYTES, at))) return
    }
    call.owner = undefined
    call.end(piece(at, body.length))
    end()
  }
  call.owner = {onBody: () => undefined, onBodyEnd: () => undefined, onClientDrain: goOn, onClientGone: end}
  goOn()
  await isOver
  clearTimeout(timer)
}

function withLength(headers: readonly string[], bytes: number): readonly string[] {
  return [...headers, 'content-length', String(bytes)]
}

function joinedValue(headers: readonly string[], name: string): string {
  let value = ''
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) value += `${value === '' ? '' : ','}${headers[at + 1]}`
  return value
}
