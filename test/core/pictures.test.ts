import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {PICTURE_BYTES_MAX, pictureOf, withoutTelling} from '../../src/core/pictures.ts'

/** Four pixels wide, three high, of one colour: as common programs write them. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAQAAAADAQMAAACOOjyFAAAAA1BMVEULa0q7L8jZAAAAC0lEQVQI12NgAAEAAAYAAWb0yWwAAAAASUVORK5CYII='
const JPEG =
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/wAARCAADAAQDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAf/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAAb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCcACMf/9k='
const PROGRESSIVE =
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/2wBDAQMDAwQDBAgEBAgQCwkLEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBD/wgARCAADAAQDAREAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAAB//EABUBAQEAAAAAAAAAAAAAAAAAAAAG/9oADAMBAAIQAxAAAAE4Qf8A/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABBQJ//8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAwEBPwF//8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAgEBPwF//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQAGPwJ//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPyF//9oADAMBAAIAAwAAABCf/8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAwEBPxB//8QAFBEBAAAAAAAAAAAAAAAAAAAAAP/aAAgBAgEBPxB//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxB//9k='
const WEBP = 'UklGRi4AAABXRUJQVlA4ICIAAAAwAQCdASoEAAMAAgA0JaAAA3AA/vD6C//+Ur/43f7st4AA'
const LOSSLESS = 'UklGRh4AAABXRUJQVlA4TBEAAAAvA4AAAAfQtS5Uqf+BiOh/AAA='
const AVIF =
  'AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAABwAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAAAQAAAADAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgQAMAAAAABNjb2xybmNseAABAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAACRtZGF0EgAKCBgEeYICGg0IMg4WQAYYYYQAAHlM3E/D3g=='

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
const concat = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part)))))
const refused = (bytes: Uint8Array) => expect(() => pictureOf(bytes)).toThrow(expect.objectContaining({code: 'invalid_input'}))
const uint32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)

const ALL = [
  ['PNG', 'image/png', PNG],
  ['JPEG', 'image/jpeg', JPEG],
  ['progressive JPEG', 'image/jpeg', PROGRESSIVE],
  ['WebP', 'image/webp', WEBP],
  ['lossless WebP', 'image/webp', LOSSLESS],
  ['AVIF', 'image/avif', AVIF]
] as const

/** The same with a place in it, as a camera writes it. */
function withPlace(type: string, bytes: Uint8Array): Uint8Array {
  const exif = concat('Exif\0\0MM\0*', 'GPS 48.85 2.35')
  if (type === 'image/png') return concat(bytes.subarray(0, 33), uint32(exif.length), 'eXIf', exif, uint32(0), bytes.subarray(33))
  if (type === 'image/jpeg') return concat(bytes.subarray(0, 2), Uint8Array.of(0xff, 0xe1, 0, exif.length + 2), exif, bytes.subarray(2))
  const head = Uint8Array.of(0x08, 0, 0, 0, 3, 0, 0, 2, 0, 0)
  const chunks = concat('VP8X', Uint8Array.of(10, 0, 0, 0), head, bytes.subarray(12), 'EXIF', Uint8Array.of(exif.length, 0, 0, 0), exif)
  const size = chunks.length + 4
  return concat('RIFF', Uint8Array.of(size, size >>> 8, 0, 0), 'WEBP', chunks)
}

describe('a picture', () => {
  it.each(ALL)('is known by its bytes: %s', (_, type, base64) => {
    expect(pictureOf(bytesOf(base64))).toEqual({type, width: 4, height: 3})
  })

  it.each(ALL)('is nothing else as well: cut anywhere, with anything behind it or before it, it is none: %s', (_, _type, base64) => {
    const whole = bytesOf(base64)
    for (let length = 0; length < whole.length; length += 1) refused(whole.subarray(0, length))
    refused(concat(whole, '<script>'))
    refused(concat('<', whole))
    refused(concat(whole, whole))
  })

  it.each(ALL.filter(([, type]) => type !== 'image/avif'))(
    'loses what it tells beside, and nothing that is seen: %s',
    (_, type, base64) => {
      const whole = bytesOf(base64)
      const told = withPlace(type, whole)
      refused(told)
      const quiet = withoutTelling(told)
      expect(Buffer.from(quiet).includes('GPS')).toBe(false)
      expect(pictureOf(quiet)).toEqual({type, width: 4, height: 3})
      if (type !== 'image/webp') expect(quiet).toEqual(whole)
      expect(withoutTelling(whole)).toBe(whole)
    }
  )

  it('that is an AVIF with a place in it is refused, and so are pictures of other kinds, with scripts, or none at all', () => {
    const avif = Buffer.from(bytesOf(AVIF))
    avif.write('Exif', avif.indexOf('pixi'), 'latin1')
    refused(new Uint8Array(avif))
    for (const text of ['', 'GIF89a\x04\0\x03\0', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'BM', '%PDF-1.7']) refused(concat(text))
  })

  it('is not larger than 64 KiB, nor than 2048 pixels a side, nor than nothing', () => {
    refused(new Uint8Array(PICTURE_BYTES_MAX + 1))
    for (const [at, value] of [
      [16, 2049],
      [20, 0],
      [20, 0xffffffff]
    ] as const) {
      const png = bytesOf(PNG)
      png.set(uint32(value), at)
      refused(png)
    }
  })

  it('stands still: none of several frames', () => {
    const [png, webp] = [bytesOf(PNG), bytesOf(WEBP)]
    const control = concat(uint32(8), 'acTL', uint32(2), uint32(0), uint32(0))
    expect(() => pictureOf(concat(png.subarray(0, 33), control, png.subarray(33)))).toThrow('moves')
    const frames = concat(webp.subarray(12), 'ANIM', Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    expect(() => pictureOf(concat('RIFF', Uint8Array.of(frames.length + 4, 0, 0, 0), 'WEBP', frames))).toThrow('moves')
  })

  it('hides no larger one: behind a fill byte of a JPEG, nor in a second place of an AVIF', () => {
    const jpeg = bytesOf(JPEG)
    refused(concat(jpeg.subarray(0, 2), Uint8Array.of(0xff), jpeg.subarray(2)))
    const avif = bytesOf(AVIF)
    const at = Buffer.from(avif).indexOf('pixi')
    // A property as long as it is, that says another size: the first is not all that a decoder reads.
    const larger = concat(avif.subarray(0, at - 4), uint32(16), 'ispe', uint32(0), uint32(30_000), avif.subarray(at + 12))
    refused(larger)
  })

  it('of any bytes is a picture or refused, and what is left of it is a picture', () => {
    const mutated = fc.tuple(fc.constantFrom(...ALL), fc.array(fc.tuple(fc.nat(), fc.nat(255)), {maxLength: 4}), fc.boolean())
    fc.assert(
      fc.property(mutated, ([[, type, base64], changes, tells]) => {
        const bytes = tells && type !== 'image/avif' ? withPlace(type, bytesOf(base64)) : bytesOf(base64)
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        try {
          pictureOf(withoutTelling(bytes))
        } catch (error) {
          expect(error).toMatchObject({code: 'invalid_input'})
        }
      })
    )
  })
})
