import {CreoError} from './errors.ts'

/** Pictures of offers: what they are by their bytes, and what is left out of them. */

export const PICTURE_BYTES_MAX = 64 * 1024
/** Pixels a side. */
export const PICTURE_SIDE_MAX = 2048

export type PictureType = 'image/png' | 'image/jpeg' | 'image/webp' | 'image/avif'

export interface Picture {
  readonly type: PictureType
  /** Pixels. */
  readonly width: number
  readonly height: number
}

/** A stretch of the file under its name: a chunk of PNG and WebP, a segment of JPEG. */
interface Part {
  readonly name: string
  readonly start: number
  readonly end: number
}

interface Read extends Picture {
  readonly parts: readonly Part[]
}

const PNG_HEAD = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
/** Times, places, names and texts that programs write into pictures: nobody sees them, and they say where somebody was. */
const TELLING: ReadonlySet<string> = new Set([
  ...['eXIf', 'tEXt', 'zTXt', 'iTXt', 'tIME'],
  ...['EXIF', 'XMP '],
  // JPEG: a comment, and the segments of applications but for JFIF, colour profiles and Adobe's colours.
  ...['fe', 'e1', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8', 'e9', 'ea', 'eb', 'ec', 'ed', 'ef']
])
/** Of an animated PNG or WebP. */
const MOVING: ReadonlySet<string> = new Set(['acTL', 'fcTL', 'fdAT', 'ANIM', 'ANMF'])
const PARTS_MAX = 4096
const EXIF_FLAG = 0x08
const XMP_FLAG = 0x04

/**
 * What a picture is, by its bytes alone. Nothing comes before it or after it in the file.
 * @throws {CreoError} `invalid_input` for anything else than a still PNG, JPEG, WebP or AVIF of at most 64 KiB and 2048 pixels a side, and for one that says more than it shows (`withoutTelling`).
 */
export function pictureOf(bytes: Uint8Array): Picture {
  const {parts, ...picture} = read(bytes)
  if (tells(bytes, parts, picture.type))
    throw new CreoError('invalid_input', 'The picture says more than it shows: where and when it was taken, or by whom.', {
      hint: 'Save it anew without metadata.'
    })
  return picture
}

/**
 * The same picture without what it tells beside: camera, place, time, texts.
 * @throws {CreoError} as `pictureOf`; for an AVIF that has such a thing, which is not taken out here.
 */
export function withoutTelling(bytes: Uint8Array): Uint8Array {
  const {type, parts} = read(bytes, 2 * PICTURE_BYTES_MAX)
  if (!tells(bytes, parts, type)) {
    pictureOf(bytes)
    return bytes
  }
  const kept = parts.filter(({name}) => !TELLING.has(name))
  const made = join(kept.map(({start, end}) => bytes.subarray(start, end)))
  if (type === 'image/webp') {
    new DataView(made.buffer).setUint32(4, made.length - 8, true)
    const at = text(made, 12, 4) === 'VP8X' ? 20 : undefined
    if (at !== undefined) made[at] = (made[at] ?? 0) & ~(EXIF_FLAG | XMP_FLAG)
  }
  pictureOf(made)
  return made
}

function read(bytes: Uint8Array, most = PICTURE_BYTES_MAX): Read {
  if (bytes.length > most)
    throw new CreoError('invalid_input', `The picture has ${bytes.length} bytes; the most is ${PICTURE_BYTES_MAX}.`, {
      hint: 'Make it smaller: 640 pixels wide are enough.'
    })
  const found = readPng(bytes) ?? readJpeg(bytes) ?? readWebp(bytes) ?? readAvif(bytes)
  if (found === undefined)
    throw new CreoError('invalid_input', 'That is no whole PNG, JPEG, WebP or AVIF.', {hint: 'Save it anew as one of them.'})
  const {width, height, parts} = found
  if (parts.some(({name}) => MOVING.has(name)))
    throw new CreoError('invalid_input', 'The picture moves: offers have still ones.', {hint: 'Save one of its frames.'})
  if (Math.min(width, height) < 1 || Math.max(width, height) > PICTURE_SIDE_MAX)
    throw new CreoError('invalid_input', `The picture has ${width} × ${height} pixels; the most is ${PICTURE_SIDE_MAX} a side.`, {
      hint: 'Make it smaller: 640 pixels wide are enough.'
    })
  return found
}

function tells(bytes: Uint8Array, parts: readonly Part[], type: PictureType): boolean {
  if (type !== 'image/avif') return parts.some(({name}) => TELLING.has(name))
  const all = text(bytes, 0, bytes.length)
  return all.includes('Exif') || all.includes('application/rdf+xml')
}

/** PNG, third edition, section 5. */
function readPng(bytes: Uint8Array): Read | undefined {
  if (!PNG_HEAD.every((byte, at) => bytes[at] === byte)) return undefined
  const view = viewOf(bytes)
  const parts: Part[] = [{name: 'head', start: 0, end: 8}]
  for (let at = 8; at + 12 <= bytes.length && parts.length < PARTS_MAX; ) {
    const end = at + 12 + view.getUint32(at)
    const name = text(bytes, at + 4, 4)
    if (end > bytes.length || (parts.length === 1) !== (name === 'IHDR')) return undefined
    parts.push({name, start: at, end})
    if (name === 'IEND') return end === bytes.length ? {type: 'image/png', ...pngSize(view), parts} : undefined
    at = end
  }
  return undefined
}

function pngSize(view: DataView): {width: number; height: number} {
  return {width: view.getUint32(16), height: view.getUint32(20)}
}

/** ITU-T T.81, annex B. */
function readJpeg(bytes: Uint8Array): Read | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || bytes.at(-2) !== 0xff || bytes.at(-1) !== 0xd9) return undefined
  const view = viewOf(bytes)
  const parts: Part[] = [{name: 'head', start: 0, end: 2}]
  let size: {width: number; height: number} | undefined
  for (let at = 2; at + 4 <= bytes.length && parts.length < PARTS_MAX; ) {
    const marker = bytes[at + 1] ?? 0
    // `ff ff` is a fill byte before a marker: what is skipped here as a segment, a decoder would read.
    if (bytes[at] !== 0xff || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || marker === 0xff) return undefined
    const end = at + 2 + view.getUint16(at + 2)
    if (end > bytes.length) return undefined
    const isFrame = marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame && at + 9 <= bytes.length) size ??= {height: view.getUint16(at + 5), width: view.getUint16(at + 7)}
    if (marker === 0xda) {
      // The scan goes on to the end of the file, with more of them behind in a progressive one.
      if (size === undefined || endsEarly(bytes, end)) return undefined
      parts.push({name: 'scan', start: at, end: bytes.length})
      return {type: 'image/jpeg', ...size, parts}
    }
    parts.push({name: marker.toString(16), start: at, end})
    at = end
  }
  return undefined
}

/** Whether the picture ends before the file does: in a scan, `ff` is followed by `00` or a marker. */
function endsEarly(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length - 2; at += 1) if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true
  return false
}

/** RFC 9649. */
function readWebp(bytes: Uint8Array): Read | undefined {
  const view = viewOf(bytes)
  if (bytes.length < 30 || text(bytes, 0, 4) !== 'RIFF' || text(bytes, 8, 4) !== 'WEBP' || view.getUint32(4, true) !== bytes.length - 8)
    return undefined
  const parts: Part[] = [{name: 'head', start: 0, end: 12}]
  let at = 12
  while (at + 8 <= bytes.length && parts.length < PARTS_MAX) {
    const length = view.getUint32(at + 4, true)
    const end = at + 8 + length + (length % 2)
    if (end > bytes.length) return undefined
    parts.push({name: text(bytes, at, 4), start: at, end})
    at = end
  }
  const size = at === bytes.length ? webpSize(view, text(bytes, 12, 4)) : undefined
  return size && {type: 'image/webp', ...size, parts}
}

function webpSize(view: DataView, first: string): {width: number; height: number} | undefined {
  if (first === 'VP8X') return {width: (view.getUint32(24, true) & 0xffffff) + 1, height: (view.getUint32(26, true) >>> 8) + 1}
  if (first === 'VP8 ') return {width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff}
  if (first !== 'VP8L') return undefined
  const bits = view.getUint32(21, true)
  return {width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1}
}

/** ISO/IEC 23000-22: boxes of ISO/IEC 14496-12, the size in the property `ispe`. */
function readAvif(bytes: Uint8Array): Read | undefined {
  const view = viewOf(bytes)
  if (bytes.length < 32 || text(bytes, 4, 4) !== 'ftyp' || text(bytes, 8, 4) !== 'avif') return undefined
  const parts: Part[] = []
  let at = 0
  while (at + 8 <= bytes.length && parts.length < PARTS_MAX) {
    const end = at + view.getUint32(at)
    if (end < at + 8 || end > bytes.length) return undefined
    parts.push({name: text(bytes, at + 4, 4), start: at, end})
    at = end
  }
  const named = (name: string): readonly Part[] => parts.filter((part) => part.name === name)
  const [meta] = named('meta')
  const isWhole = named('ftyp').length === 1 && named('meta').length === 1 && named('mdat').length > 0
  const isPlain = parts.every(({name}) => ['ftyp', 'meta', 'mdat', 'free'].includes(name))
  if (at !== bytes.length || meta === undefined || !isWhole || !isPlain) return undefined
  const places = [...text(bytes, meta.start, meta.end - meta.start).matchAll(/ispe/g)].map(({index}) => meta.start + index)
  if (places.length === 0 || places.some((from) => from + 16 > meta.end)) return undefined
  // Which of them a decoder goes by is not read here: none may be too large.
  const side = (offset: number): number => Math.max(...places.map((from) => view.getUint32(from + offset)))
  return {type: 'image/avif', width: side(8), height: side(12), parts}
}

function viewOf({buffer, byteOffset, byteLength}: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** One character a byte. */
function text(bytes: Uint8Array, start: number, length: number): string {
  let made = ''
  for (const byte of bytes.subarray(start, start + length)) made += String.fromCharCode(byte)
  return made
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(parts.reduce((sum, {length}) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    made.set(part, at)
    at += part.length
  }
  return made
}
