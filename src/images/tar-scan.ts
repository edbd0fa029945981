import {posix} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {longName, parsePax} from './tar-extension.ts'
import {parseTarHeader, TAR_BLOCK_BYTES, type TarHeader} from './tar-header.ts'

const PATH_BYTES_MAX = 4096
/** An extended header larger than this has no honest use; Go's reader refuses it too. */
const EXTENSION_BYTES_MAX = 2 ** 20
/** How archives that are packed once more begin: a runtime would unpack them and see another archive. bzip2, gzip, xz, zstd. */
const PACKED_MAGICS = ['425a68', '1f8b08', 'fd377a585a00', '28b52ffd'].map((hex) => Buffer.from(hex, 'hex'))

/** What extended headers say of the entry that follows them. */
interface Extension {
  path?: string
  linkpath?: string
  readonly kinds: Set<string>
}

/**
 * Reads the headers of a tar archive as it streams by. Readers of tar disagree wherever an archive is odd, and what this one sees must be
 * what the runtime unpacks: so it takes only what every reader takes the same way, and refuses all else.
 */
export class TarScan {
  /** Entries, and the folders that they imply. */
  files = 0
  readonly #filesMax: number
  readonly #block = Buffer.alloc(TAR_BLOCK_BYTES)
  readonly #folders = new Set<string>(['.'])
  #blockBytes = 0
  #blocks = 0
  #zeroBlocks = 0
  #skip = 0
  #extension: Extension = {kinds: new Set()}
  #collecting: {readonly header: TarHeader; readonly body: Buffer; bytes: number} | undefined

  constructor(filesMax: number) {
    this.#filesMax = filesMax
  }

  /** @throws {CreoError} `rejected`. */
  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const bytes = Math.min(chunk.length - at, this.#wanted())
      this.#take(chunk.subarray(at, at + bytes))
      at += bytes
    }
  }

  /** @throws {CreoError} `rejected` when the archive is cut short. */
  end(): void {
    const inside = this.#blockBytes > 0 || this.#skip > 0 || this.#collecting !== undefined || this.#extension.kinds.size > 0
    if (this.#blocks === 0 || inside) throw refused('is not a whole tar archive')
  }

  #wanted(): number {
    if (this.#collecting) return this.#collecting.body.length - this.#collecting.bytes
    return this.#skip > 0 ? this.#skip : TAR_BLOCK_BYTES - this.#blockBytes
  }

  #take(part: Uint8Array): void {
    if (this.#collecting) this.#collect(this.#collecting, part)
    else if (this.#skip > 0) this.#skip -= part.length
    else {
      this.#block.set(part, this.#blockBytes)
      this.#blockBytes += part.length
      if (this.#blockBytes === TAR_BLOCK_BYTES) this.#header()
    }
  }

  #header(): void {
    this.#blockBytes = 0
    this.#blocks += 1
    if (this.#blocks === 1 && PACKED_MAGICS.some((magic) => this.#block.subarray(0, magic.length).equals(magic)))
      throw refused('is packed twice')
    if (this.#block.every((byte) => byte === 0)) {
      this.#zeroBlocks += 1
      return
    }
    if (this.#zeroBlocks > 0) throw refused('goes on after its end')
    const header = parseTarHeader(this.#block)
    if (header.kind === 'extension') this.#beginExtension(header)
    else this.#entry(header)
  }

  #beginExtension(header: TarHeader): void {
    const {type, size} = header
    const {kinds} = this.#extension
    if (size === 0 || size > EXTENSION_BYTES_MAX) throw refused(`has an extended header of ${size} bytes`)
    if (kinds.has(type) || (kinds.size > 0 && (type === 'x' || kinds.has('x')))) throw refused('has two extended headers for one file')
    kinds.add(type)
    this.#collecting = {header, body: Buffer.alloc(size), bytes: 0}
  }

  #collect(collecting: {readonly header: TarHeader; readonly body: Buffer; bytes: number}, part: Uint8Array): void {
    const {header, body} = collecting
    body.set(part, collecting.bytes)
    collecting.bytes += part.length
    if (collecting.bytes < body.length) return
    this.#collecting = undefined
    this.#skip = paddingAfter(header.size)
    if (header.type === 'x') Object.assign(this.#extension, parsePax(body))
    else this.#extension[header.type === 'L' ? 'path' : 'linkpath'] = longName(body)
  }

  #entry(header: TarHeader): void {
    const path = this.#extension.path ?? header.path
    const target = this.#extension.linkpath ?? header.linkpath
    this.#extension = {kinds: new Set()}
    const problem = problemOf(header.kind, path, target)
    if (problem !== undefined) throw new CreoError('rejected', `The image holds "${shown(path)}", ${problem}.`)
    this.#count(path, header.kind)
    if (header.kind === 'file') this.#skip = header.size + paddingAfter(header.size)
  }

  /** Folders that no entry names are made by the runtime all the same, and one long path may ask for thousands. */
  #count(path: string, kind: TarHeader['kind']): void {
    const normal = posix.normalize(path).replace(/\/$/, '')
    let made = kind === 'folder' && this.#folders.has(normal) ? 0 : 1
    if (kind === 'folder') this.#folders.add(normal)
    for (let parent = posix.dirname(normal); !this.#folders.has(parent); parent = posix.dirname(parent)) {
      this.#folders.add(parent)
      made += 1
    }
    this.files += Math.max(1, made)
    if (this.files > this.#filesMax) throw refused(`holds more than ${this.#filesMax} files`)
  }
}

function problemOf(kind: TarHeader['kind'], path: string, target: string): string | undefined {
  if (path === '' || leavesRoot(path)) return 'a path that leaves it'
  if (kind !== 'folder' && path.endsWith('/')) return 'a file with the name of a folder'
  const isLink = kind === 'symlink' || kind === 'hardlink'
  if (isLink !== (target !== '')) return isLink ? 'a link to nothing' : 'which is no link and links'
  // An absolute symbolic link stays inside: it is resolved in the container. An absolute hard link does not.
  if (kind === 'symlink' && !posix.isAbsolute(target) && leavesRoot(posix.join(posix.dirname(path), target))) return 'a link that leaves it'
  if (kind === 'hardlink' && leavesRoot(target)) return 'a link that leaves it'
  return target.includes('\0') || Buffer.byteLength(target) > PATH_BYTES_MAX ? 'a link that leaves it' : undefined
}

function leavesRoot(path: string): boolean {
  if (path.includes('\0') || Buffer.byteLength(path) > PATH_BYTES_MAX || posix.isAbsolute(path)) return true
  const normal = posix.normalize(path)
  return normal === '..' || normal.startsWith('../')
}

function paddingAfter(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

function refused(what: string): CreoError {
  return new CreoError('rejected', `A layer of the image ${what}.`, {hint: 'Build and push the image again.'})
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 120)).slice(1, -1)
}
