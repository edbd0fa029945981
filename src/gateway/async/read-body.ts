import {CreoError} from '../../core/errors.ts'
import {ASYNC_BODY_BYTES_MAX} from '../../core/protocol/async.ts'
import type {Client, ClientCall} from '../http/client-call.ts'
import {callerName, clientName} from '../request-limits.ts'

/** A client gets this long to send the body of a call. */
const BODY_MAX_MS = 60_000
/** How much a room takes of one body, and of all those that are being received or wait for the disk. */
export interface BodyLimits {
  readonly bodyBytesMax: number
  readonly heldBytesMax: number
  /** Of one client's; loopback, where many may stand behind one, is none. */
  readonly clientHeldBytesMax: number
}

const HELD_BYTES_MAX = 64 * 2 ** 20
export const BODY_LIMITS: BodyLimits = {
  bodyBytesMax: ASYNC_BODY_BYTES_MAX,
  heldBytesMax: HELD_BYTES_MAX,
  clientHeldBytesMax: HELD_BYTES_MAX / 8
}

/** Reads whole bodies of calls, of all clients together only as much as there is memory for, and of one client a part of that. */
export class BodyRoom {
  readonly #limits: BodyLimits
  readonly #clients = new Map<string, number>()
  #heldBytes = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /**
   * Reads the body, and has `use` do something with it while it takes room.
   * @throws {CreoError} `payload_too_large`, `overloaded`, `rate_limited` when the client has its part, `timeout`, `interrupted` when the client leaves.
   */
  async with<T>(call: ClientCall, use: (body: Buffer) => Promise<T>): Promise<T> {
    const {bodyBytesMax, heldBytesMax, clientHeldBytesMax} = this.#limits
    const client = roomOf(call.client)
    let bytes = 0
    const take = (more: number): void => {
      bytes += more
      const held = this.#count(client, more)
      if (bytes > bodyBytesMax) {
        throw new CreoError('payload_too_large', `The body of a call has at most ${bodyBytesMax} bytes.`, {
          hint: 'Put it where the function can get it, and send its place.'
        })
      }
      if (this.#heldBytes > heldBytesMax) {
        throw new CreoError('overloaded', 'Too many calls are being received.', {hint: 'Try again in a moment.'})
      }
      if (held > clientHeldBytesMax) {
        throw new CreoError('rate_limited', 'Too many calls of this client are being received.', {hint: 'Post fewer at a time.'})
      }
    }
    try {
      return await use(await read(call, take))
    } finally {
      this.#count(client, -bytes)
    }
  }

  /** @returns what the client has now; 0 for one that has no part of its own. */
  #count(client: string | undefined, bytes: number): number {
    this.#heldBytes += bytes
    if (client === undefined) return 0
    const held = (this.#clients.get(client) ?? 0) + bytes
    if (held > 0) this.#clients.set(client, held)
    else this.#clients.delete(client)
    return held
  }
}

/** An instance that calls counts with the others of its lease. */
function roomOf({caller, address}: Client): string | undefined {
  return caller === undefined ? clientName(address) : callerName(caller)
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
