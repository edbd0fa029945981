import {CreoError} from '../../core/errors.ts'
import {ASYNC_BODY_BYTES_MAX} from '../../core/protocol/async.ts'
import type {ClientCall} from '../http/client-call.ts'

/** A client gets this long to send the body of a call. */
const BODY_MAX_MS = 60_000
/** Bodies that are being received or wait for the disk, together. */
const HELD_BYTES_MAX = 64 * 2 ** 20

/** Reads whole bodies of calls, of all clients together only as much as there is memory for. */
export class BodyRoom {
  #heldBytes = 0

  /**
   * Reads the body, and has `use` do something with it while it takes room.
   * @throws {CreoError} `payload_too_large`, `overloaded`, `timeout`, `interrupted` when the client leaves.
   */
  async with<T>(call: ClientCall, use: (body: Buffer) => Promise<T>): Promise<T> {
    let bytes = 0
    const take = (more: number): void => {
      bytes += more
      this.#heldBytes += more
      if (bytes > ASYNC_BODY_BYTES_MAX) {
        throw new CreoError('payload_too_large', `The body of a call has at most ${ASYNC_BODY_BYTES_MAX} bytes.`, {
          hint: 'Put it where the function can get it, and send its place.'
        })
      }
      if (this.#heldBytes > HELD_BYTES_MAX) {
        throw new CreoError('overloaded', 'Too many calls are being received.', {hint: 'Try again in a moment.'})
      }
    }
    try {
      return await use(await read(call, take))
    } finally {
      this.#heldBytes -= bytes
    }
  }
}

function read(call: ClientCall, take: (bytes: number) => void): Promise<Buffer> {
  if (call.head.body === 'none') return Promise.resolve(Buffer.alloc(0))
  const {promise, resolve, reject} = Promise.withResolvers<Buffer>()
  const pieces: Buffer[] = []
  const late = setTimeout(() => {
    reject(new CreoError('timeout', 'The body did not arrive in time.', {hint: 'Send it again.'}))
  }, BODY_MAX_MS)
  call.owner = {
    onBody: (chunk) => {
      try {
        take(chunk.length)
        // A copy: the piece that it came in may go back to the kernel, or be much larger.
        pieces.push(Buffer.from(chunk))
      } catch (error) {
        call.holdBody()
        reject(error)
      }
    },
    onBodyEnd: () => resolve(Buffer.concat(pieces)),
    onClientDrain: () => undefined,
    onClientGone: () => reject(new CreoError('interrupted', 'The client has gone.'))
  }
  if (call.isGone) reject(new CreoError('interrupted', 'The client has gone.'))
  call.interim(100, [])
  call.takeBody()
  return promise.finally(() => {
    clearTimeout(late)
    call.owner = undefined
  })
}
