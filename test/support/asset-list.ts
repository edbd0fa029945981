import {createHash} from 'node:crypto'
import type {ServerResponse} from 'node:http'
import {brotliCompressSync} from 'node:zlib'
import type {Asset, AssetContent, AssetList, AssetListRef} from '../../src/core/protocol/assets.ts'

export interface ListedFiles {
  readonly ref: AssetListRef
  /** By address, the list among them: what an honest host answers. */
  readonly bodies: ReadonlyMap<string, Buffer>
}

/** Files as a deploy lists them: each with a type, and those of a text also compressed. */
export function listedFiles(files: Readonly<Record<string, {readonly type: string; readonly body: string | Buffer}>>): ListedFiles {
  const bodies = new Map<string, Buffer>()
  const assets: Record<string, Asset> = {}
  for (const [path, {type, body}] of Object.entries(files)) {
    const bytes = Buffer.from(body)
    bodies.set(path, bytes)
    assets[path] = {...contentOf(bytes), type, ...(path.startsWith('/assets/') && {immutable: true as const})}
    if (typeof body !== 'string') continue
    const packed = brotliCompressSync(bytes)
    bodies.set(`${path}.br`, packed)
    assets[path] = {...assets[path], brotli: contentOf(packed)}
  }
  const list: AssetList = {v: 'creo-assets-v1', headers: {'content-security-policy': "default-src 'self'"}, files: assets}
  const text = Buffer.from(JSON.stringify(list))
  bodies.set('/creo-assets.json', text)
  return {ref: contentOf(text), bodies}
}

function contentOf(bytes: Buffer): AssetContent {
  return {digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes: bytes.length}
}

/** Answers as fast as it is taken, for as long as anybody takes it. */
export function endless(response: ServerResponse, text: string): void {
  const more = (): void => {
    while (!response.destroyed && response.write(text));
    if (!response.destroyed) response.once('drain', more)
  }
  response.on('error', () => undefined)
  more()
}
