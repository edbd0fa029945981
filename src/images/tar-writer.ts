import {Header, Pax} from 'tar'
import {CreoError} from '../core/errors.ts'

const BLOCK = 512
const EPOCH = new Date(0)
const TAR_TYPE = {file: 'File', directory: 'Directory', symlink: 'SymbolicLink'} as const

/** One thing in a layer. `path` is relative to the root, with forward slashes, without a leading or trailing one. */
export type TarEntry =
  | {readonly type: 'directory'; readonly path: string; readonly mode: number}
  | {readonly type: 'symlink'; readonly path: string; readonly target: string}
  | {
      readonly type: 'file'
      readonly path: string
      readonly mode: number
      readonly size: number
      readonly content: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
    }

/**
 * A tar archive of these entries in this order: owner root, one `time` for all, no names of users, so the same entries give the same bytes.
 * @throws {CreoError} `build_failed` when a file's length is not what its entry said, for it changed while it was read.
 */
export async function* tarStream(entries: Iterable<TarEntry>, time = EPOCH): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry, time)
    if (entry.type === 'file') yield* body(entry.path, entry.size, entry.content())
  }
  yield Buffer.alloc(2 * BLOCK)
}

function header(entry: TarEntry, mtime: Date): Buffer {
  const fields = {
    path: entry.type === 'directory' ? `${entry.path}/` : entry.path,
    linkpath: entry.type === 'symlink' ? entry.target : '',
    mode: entry.type === 'symlink' ? 0o777 : entry.mode,
    size: entry.type === 'file' ? entry.size : 0,
    type: TAR_TYPE[entry.type],
    uid: 0,
    gid: 0,
    mtime
  } as const
  const block = Buffer.alloc(BLOCK)
  const plain = new Header(fields)
  plain.encode(block)
  if (!plain.needPax) return block
  return Buffer.concat([new Pax({path: fields.path, linkpath: fields.linkpath, size: fields.size, uid: 0, gid: 0, mtime}).encode(), block])
}

async function* body(path: string, size: number, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let written = 0
  for await (const chunk of content) {
    written += chunk.byteLength
    if (written > size) break
    yield chunk
  }
  if (written !== size) {
    throw new CreoError('build_failed', `"${path}" changed while it was read.`, {hint: 'Build again when nothing writes into the folder.'})
  }
  const padding = (BLOCK - (size % BLOCK)) % BLOCK
  if (padding > 0) yield Buffer.alloc(padding)
}
