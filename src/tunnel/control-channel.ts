import type {Duplex} from 'node:stream'
import type {z} from 'zod'
import {CreoError, isCreoError} from '../core/errors.ts'
import {TUNNEL_LINE_MAX, TUNNEL_PING_MS} from '../core/protocol/tunnel.ts'
import {LineReader} from './line-reader.ts'

/** Bytes that may wait for a slow peer before it is given up. */
const UNSENT_BYTES_MAX = 4 * 2 ** 20
/** A peer that was silent for this many ping intervals is gone. */
const SILENT_PINGS_MAX = 3
/** How often the two clocks are looked at, in parts of a ping interval. */
const CHECKS_PER_PING = 4

export interface ControlChannel<Out> {
  /** Queues one message. Does nothing once the channel is closed. @throws {CreoError} `payload_too_large` for what no line can hold. */
  send(message: Out): void
  close(): void
  /** Asks the other end for an answer now, whatever else passes. */
  ping(): void
  /** How long the last answer to a ping took; undefined before the first. */
  readonly roundTripMs: number | undefined
  /** Resolves with why the channel ended, when it has; never rejects. */
  readonly closed: Promise<CreoError>
}

interface ControlChannelOptions<In, Out> {
  readonly socket: Duplex
  /** Bytes that came with the handshake. */
  readonly head: Buffer
  readonly schema: z.ZodType<In>
  readonly outgoing: z.ZodType<Out>
  /** Not told about `ping` and `pong`. */
  onMessage(message: In): void
  readonly pingMs?: number
}

type Typed = {readonly type: string}

/** One JSON object a line in both directions, with pings, over a connection whose handshake is done. */
export function openControlChannel<In extends Typed, Out extends Typed>(options: ControlChannelOptions<In, Out>): ControlChannel<Out> {
  const {socket, pingMs = TUNNEL_PING_MS} = options
  const lines = new LineReader(TUNNEL_LINE_MAX)
  let heardAt = performance.now()
  let sentAt = heardAt
  let reason: CreoError | undefined
  const trip = new RoundTrip()

  const write = (message: object): void => {
    if (socket.destroyed || socket.writableEnded) return
    const line = JSON.stringify(message)
    // The other end would break the session off, and the next one would send the same again.
    if (Buffer.byteLength(line) > TUNNEL_LINE_MAX) {
      throw new CreoError('payload_too_large', `A message of the tunnel has at most ${TUNNEL_LINE_MAX} bytes.`)
    }
    sentAt = performance.now()
    socket.write(`${line}\n`)
    if (socket.writableLength > UNSENT_BYTES_MAX) end(new CreoError('overloaded', 'The other end of the tunnel reads too slowly.'))
  }
  const end = (why: CreoError): void => {
    reason ??= why
    socket.destroy()
  }
  const ping = (): void => {
    trip.begin()
    write({type: 'ping'})
  }
  const read = (chunk: Buffer): void => {
    heardAt = performance.now()
    try {
      for (const line of lines.push(chunk)) {
        const message = parseMessage(options.schema, line)
        if (message.type === 'ping') write({type: 'pong'})
        else if (message.type === 'pong') trip.end()
        else options.onMessage(message)
      }
    } catch (error) {
      end(isCreoError(error) ? error : new CreoError('internal', 'A message of the tunnel could not be handled.', {cause: error}))
    }
  }

  const timer = setInterval(() => {
    const now = performance.now()
    if (now - heardAt >= SILENT_PINGS_MAX * pingMs) end(new CreoError('timeout', 'The other end of the tunnel is silent.'))
    else if (now - sentAt >= pingMs) ping()
  }, pingMs / CHECKS_PER_PING)

  const closed = new Promise<CreoError>((resolve) => {
    socket.on('close', () => {
      clearInterval(timer)
      resolve(reason ?? new CreoError('unavailable', 'The tunnel was closed by the other end.'))
    })
  })
  socket.on('error', (cause) => end(new CreoError('unavailable', 'The tunnel broke.', {cause})))
  socket.on('end', () => socket.destroy())
  if (options.head.length > 0) socket.unshift(options.head)
  socket.on('data', read)
  // A socket from the dialling end was paused when its handshake was done.
  socket.resume()
  return {
    send: (message) => write(options.outgoing.parse(message) as object),
    close: () => end(new CreoError('interrupted', 'The tunnel was closed at this end.')),
    ping,
    get roundTripMs() {
      return trip.ms
    },
    closed
  }
}

/** Time from a ping to the next answer. */
class RoundTrip {
  ms: number | undefined
  #beganAt: number | undefined

  begin(): void {
    this.#beganAt ??= performance.now()
  }

  end(): void {
    if (this.#beganAt !== undefined) this.ms = performance.now() - this.#beganAt
    this.#beganAt = undefined
  }
}

function parseMessage<In>(schema: z.ZodType<In>, line: string): In {
  try {
    return schema.parse(JSON.parse(line))
  } catch (cause) {
    throw new CreoError('invalid_input', 'The other end of the tunnel sent a message that cannot be read.', {
      hint: 'Upgrade the miner or the gateway.',
      cause
    })
  }
}
