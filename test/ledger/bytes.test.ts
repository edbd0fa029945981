import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {ByteReader, ByteWriter} from '../../src/ledger/bytes.ts'
import {decodeLines, LineWriter} from '../../src/ledger/statement-lines.ts'

const natural = fc.oneof(fc.maxSafeNat(), fc.nat({max: 300}), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER))
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({min: -70, max: 70}),
  fc.constantFrom(Number.MIN_SAFE_INTEGER, -(2 ** 31), 2 ** 31)
)

describe('numbers in bytes', () => {
  it('come back exactly, up to the largest amount on both sides of zero', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(natural, integer)), (pairs) => {
        const writer = new ByteWriter(1)
        for (const [whole, signed] of pairs) {
          writer.varint(whole)
          writer.signed(signed)
        }
        const reader = new ByteReader(writer.copy())
        const read = pairs.map(() => [reader.varint(), reader.signed()])
        expect(read).toEqual(pairs)
        expect(reader.isAtEnd).toBe(true)
      })
    )
  })

  it('are not written when they could not be read back', () => {
    for (const value of [0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => new ByteWriter().varint(value)).toThrow(RangeError)
      expect(() => new ByteWriter().signed(-value)).toThrow(RangeError)
    }
    expect(() => new ByteWriter().varint(-1)).toThrow(RangeError)
  })

  it('are refused where the bytes end too early or go on too long', () => {
    expect(() => new ByteReader(Uint8Array.of(0x80)).varint()).toThrow(RangeError)
    expect(() => new ByteReader(Uint8Array.of(0x81)).signed()).toThrow(RangeError)
    expect(() => new ByteReader(new Uint8Array(20).fill(0xff)).varint()).toThrow(RangeError)
  })
})

describe('the lines of a statement', () => {
  const line = fc.record({
    steps: fc.tuple(fc.nat(5000), fc.nat(10 ** 9)),
    command: fc.nat(60),
    entries: fc.array(fc.record({slot: fc.nat(10 ** 6), deltaMinor: integer, balanceMinor: integer}), {minLength: 1, maxLength: 5})
  })

  it('are read as they were written, also when the writer was made anew in between', () => {
    fc.assert(
      fc.property(fc.array(line), fc.nat(20), (all, cut) => {
        let [seq, atMs] = [0, 0]
        let writer = new LineWriter()
        const lines = all.map(({steps, command, entries}, index) => {
          seq += steps[0]
          atMs += steps[1]
          if (index === cut) writer = LineWriter.after(writer.written, decodeLines(writer.written).at(-1))
          writer.write({seq, atMs, command, entries})
          return {seq, atMs, command, entries}
        })
        expect(decodeLines(writer.written)).toEqual(lines)
      })
    )
  })
})
