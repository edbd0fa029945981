import {Transform} from 'node:stream'

/** podman puts eight bytes before each piece of a log: stream number, three zeros, length. */
const HEADER_BYTES = 8
const LENGTH_OFFSET = 4

/** Takes the frames of podman's log API apart and passes on what the function wrote, as bytes. */
export function unframe(): Transform {
  let header = Buffer.alloc(0)
  let left = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let at = 0
      while (at < chunk.length) {
        if (left > 0) {
          const piece = chunk.subarray(at, at + left)
          left -= piece.length
          at += piece.length
          this.push(piece)
          continue
        }
        const missing = chunk.subarray(at, at + HEADER_BYTES - header.length)
        header = Buffer.concat([header, missing])
        at += missing.length
        if (header.length < HEADER_BYTES) break
        left = header.readUInt32BE(LENGTH_OFFSET)
        header = Buffer.alloc(0)
      }
      done()
    }
  })
}
