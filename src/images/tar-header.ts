import {CreoError} from '../core/errors.ts'

export const TAR_BLOCK_BYTES = 512

export interface TarHeader {
  readonly kind: 'file' | 'folder' | 'symlink' | 'hardlink' | 'extension'
  /** `x` speaks of the next entry in records, `L` is its long path, `K` its long link. */
  readonly type: string
  readonly path: string
  readonly linkpath: string
  readonly size: number
}

type Kind = TarHeader['kind']

/** No devices, pipes or sparse files, and no `g`: a header for all entries to come, which runtimes ignore and other readers obey. */
const KINDS: Readonly<Record<string, Kind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'folder',
  x: 'extension',
  L: 'extension',
  K: 'extension'
}
const REFUSED_TYPES: Readonly<Record<string, string>> = {
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a pipe',
  S: 'a sparse file',
  g: 'a header for all files'
}
const NAME = [0, 100] as const
const SIZE = [124, 136] as const
const CHECKSUM = [148, 156] as const
const TYPE_OFFSET = 156
const LINK_NAME = [157, 257] as const
const MAGIC = [257, 265] as const
const PREFIX = [345, 500] as const
/** Where GNU's tar keeps times in place of a path's prefix; what follows them is for sparse files and for many volumes. */
const GNU_TIMES = [345, 369] as const
const GNU_REST = [369, 512] as const
const STAR_TRAILER = [508, 512] as const
const SPACE = 32

/** @throws {CreoError} `rejected` for what is no header of a ustar, PAX or GNU archive, or one that readers understand differently. */
export function parseTarHeader(block: Buffer): TarHeader {
  const magic = block.toString('latin1', ...MAGIC)
  const isGnu = magic === 'ustar  \0'
  if (magic !== 'ustar\x0000' && !isGnu) throw damaged()
  if (octal(block, CHECKSUM) !== checksum(block)) throw damaged()
  const type = String.fromCharCode(block[TYPE_OFFSET] ?? 0)
  const name = text(block, NAME)
  const kind = KINDS[type]
  if (kind === undefined) {
    const what = REFUSED_TYPES[type] ?? `of the unknown kind ${JSON.stringify(type)}`
    throw new CreoError('rejected', `The image holds "${JSON.stringify(name).slice(1, -1)}", ${what}, which no function needs.`)
  }
  const size = octal(block, SIZE)
  if (size > 0 && kind !== 'file' && kind !== 'extension') throw damaged()
  if (isGnu && !plainGnu(block)) throw damaged()
  if (!isGnu && block.toString('latin1', ...STAR_TRAILER) === 'tar\0') throw damaged()
  const prefix = isGnu ? '' : text(block, PREFIX)
  return {kind, type, path: prefix === '' ? name : `${prefix}/${name}`, linkpath: text(block, LINK_NAME), size}
}

/** Digits to the base of eight, with spaces before and spaces or NULs after: nothing else has one meaning. Empty is zero. */
function octal(block: Buffer, [from, to]: readonly [number, number]): number {
  const field = /^ *([0-7]*)[ \0]*$/.exec(block.toString('latin1', from, to))
  if (field === null) throw damaged()
  return Number.parseInt(field[1] || '0', 8)
}

function checksum(block: Buffer): number {
  let sum = 0
  for (let at = 0; at < block.length; at++) sum += at >= CHECKSUM[0] && at < CHECKSUM[1] ? SPACE : (block[at] ?? 0)
  return sum
}

function plainGnu(block: Buffer): boolean {
  return /^[0-7 \0]*$/.test(block.toString('latin1', ...GNU_TIMES)) && block.subarray(...GNU_REST).every((byte) => byte === 0)
}

function text(block: Buffer, [from, to]: readonly [number, number]): string {
  const field = block.subarray(from, to)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end === -1 ? field.length : end)
}

function damaged(): CreoError {
  return new CreoError('rejected', 'A layer of the image is not a tar archive that all programs read alike.', {
    hint: 'Build and push the image again.'
  })
}
