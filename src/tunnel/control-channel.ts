import type {Duplex} from 'node:stream'
import type {z} from 'zod'
import {CreoError, isCreoError} from '../core/errors.ts'
import {TUNNEL_BUSY_MS, TUNNEL_LINE_MAX, TUNNEL_PING_MS, TUNNEL_SILENCE_MAX_MS} from '../core/protocol/tunnel.ts'
import {LineReader} from './line-reader.ts'

/** Bytes that may wait for a slow peer before it is given up. */
const UNSENT_BYTES_MAX = 4 * 2 ** 20
/** How often it is looked at whether a ping is due, in parts of a ping interval. */
const CHECKS_PER_PING = 4

export interface ControlChannel<Out> {
  /** Queues one message. Does nothing once the channel is closed. @throws {CreoError} `payload_too_large` for what no line can hold. */
  send(message: Out): void
  close(): void
  /** Asks the other end for an answer now, unless one is awaited: it is given up when nothing is heard of it in time. */
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
  /** Bytes that were heard on other connections of the same peer, ever: it is there, and something goes on. */
  readonly bytesElsewhere: () => number
  readonly pingMs?: number
  /** The ping interval while something goes on; the same as otherwise when left out. */
  readonly busyPingMs?: number
  readonly silenceMaxMs?: number
}

type Typed = {readonly type: string}

/** One JSON object a line in both directions, with pings, over a connection whose handshake is done. */
export function openControlChannel<In extends Typed, Out extends Typed>(options: ControlChannelOptions<In, Out>): ControlChannel<Out> {
  const {socket} = options
  const lines = new LineReader(TUNNEL_LINE_MAX)
  let reason: CreoError | undefined
  const liveness = new Liveness(options, {
    ask: () => write({type: 'ping'}),
    onSilent: () => end(new CreoError('timeout', 'The other end of the tunnel is silent.'))
  })

  const write = (message: object): void => {
    if (socket.destroyed || socket.writableEnded) return
    const line = JSON.stringify(message)
    // The other end would break the session off, and the next one would send the same again.
    if (Buffer.byteLength(line) > TUNNEL_LINE_MAX) {
      throw new CreoError('payload_too_large', `A message of the tunnel has at most ${TUNNEL_LINE_MAX} bytes.`)
    }
    socket.write(`${line}\n`)
    if (socket.writableLength > UNSENT_BYTES_MAX) end(new CreoError('overloaded', 'The other end of the tunnel reads too slowly.'))
  }
  const end = (why: CreoError): void => {
    reason ??= why
    socket.destroy()
  }
  const read = (chunk: Buffer): void => {
    liveness.heard()
    try {
      for (const line of lines.push(chunk)) {
        const message = parseMessage(options.schema, line)
        if (message.type === 'ping') write({type: 'pong'})
        else if (message.type === 'pong') liveness.answered()
        else options.onMessage(message)
      }
    } catch (error) {
      end(isCreoError(error) ? error : new CreoError('internal', 'A message of the tunnel could not be handled.', {cause: error}))
    }
  }

  const closed = new Promise<CreoError>((resolve) => {
    socket.on('close', () => {
      liveness.stop()
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
    ping: () => liveness.ping(),
    get roundTripMs() {
      return liveness.roundTripMs
    },
    closed
  }
}

interface LivenessOptions {
  readonly bytesElsewhere: () => number
  readonly pingMs?: number
  readonly busyPingMs?: number
  readonly silenceMaxMs?: number
}

/** Asks a peer that was silent for a while whether it is there, and gives it up when nothing is heard of it after that. */
class Liveness {
  roundTripMs: number | undefined
  readonly #bytesElsewhere: () => number
  readonly #silenceMaxMs: number
  readonly #pingMs: number
  readonly #busyPingMs: number
  readonly #ask: () => void
  readonly #onSilent: () => void
  readonly #timer: NodeJS.Timeout
  #deadline: NodeJS.Timeout | undefined
  #askedAt: number | undefined
  #heardAt = performance.now()
  #busyUntil = 0
  #bytesSeen = 0

  constructor(options: LivenessOptions, on: {readonly ask: () => void; readonly onSilent: () => void}) {
    this.#bytesElsewhere = options.bytesElsewhere
    this.#silenceMaxMs = options.silenceMaxMs ?? TUNNEL_SILENCE_MAX_MS
    this.#pingMs = options.pingMs ?? TUNNEL_PING_MS
    this.#busyPingMs = options.busyPingMs ?? this.#pingMs
    this.#ask = on.ask
    this.#onSilent = on.onSilent
    this.#timer = setInterval(() => this.#look(), this.#busyPingMs / CHECKS_PER_PING)
  }

  ping(): void {
    this.#askedAt ??= performance.now()
    if (this.#deadline !== undefined) return
    // Only what comes from now on is an answer.
    this.#hearElsewhere()
    // What came while this process slept is read before the peer is judged.
    this.#deadline = setTimeout(() => setImmediate(() => this.#judge()), this.#silenceMaxMs)
    this.#ask()
  }

  heard(): void {
    this.#heardAt = performance.now()
    clearTimeout(this.#deadline)
    this.#deadline = undefined
  }

  answered(): void {
    if (this.#askedAt !== undefined) this.roundTripMs = performance.now() - this.#askedAt
    this.#askedAt = undefined
  }

  stop(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#deadline)
    this.#deadline = undefined
  }

  #look(): void {
    this.#hearElsewhere()
    const now = performance.now()
    if (now - this.#heardAt >= (now < this.#busyUntil ? this.#busyPingMs : this.#pingMs)) this.ping()
  }

  #judge(): void {
    this.#hearElsewhere()
    if (this.#deadline !== undefined) this.#onSilent()
  }

  #hearElsewhere(): void {
    const bytes = this.#bytesElsewhere()
    if (bytes === this.#bytesSeen) return
    this.#bytesSeen = bytes
    this.#busyUntil = performance.now() + TUNNEL_BUSY_MS
    this.heard()
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
