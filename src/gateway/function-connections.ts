import type {Duplex} from 'node:stream'
import {CreoError, isCreoError} from '../core/errors.ts'
import {badGateway} from './answer-error.ts'
import {type FunctionCall, FunctionConnection} from './function-connection.ts'

/** Connections to one instance; requests beyond them wait for one of them. */
const CONNECTIONS_MAX = 256
/** How often idle connections are looked at. */
const SWEEP_MS = 1000

/** The connections to one instance: the one used last is used first, so that the others can be given back. */
export class FunctionConnections {
  readonly #open: (signal: AbortSignal) => Promise<Duplex>
  readonly #connectionsMax: number
  readonly #all = new Set<FunctionConnection>()
  readonly #idle: FunctionConnection[] = []
  /** Those that wait for a connection; never more than the instance's concurrency. */
  readonly #waiting = new Set<FunctionCall>()
  readonly #gone = new AbortController()
  #opening = 0
  #closing = false
  #sweeper: NodeJS.Timeout | undefined

  /** `open` gives a connection that is bound to the instance. */
  constructor(options: {readonly concurrency: number; open(signal: AbortSignal): Promise<Duplex>}) {
    this.#open = options.open
    this.#connectionsMax = Math.min(CONNECTIONS_MAX, options.concurrency)
  }

  /** Sends it now, or once there is a connection for it. */
  send(call: FunctionCall): void {
    if (this.#gone.signal.aborted) {
      call.onError(this.#gone.signal.reason as CreoError)
      return
    }
    let idle = this.#idle.pop()
    // One that broke a moment ago may still be listed.
    while (idle !== undefined && !idle.isIdle) idle = this.#idle.pop()
    if (idle === undefined) {
      this.#waiting.add(call)
      this.#openForWaiting()
    } else idle.send(call)
  }

  /** Takes back a call that waits for a connection. @returns false when it was sent already. */
  withdraw(call: FunctionCall): boolean {
    return this.#waiting.delete(call)
  }

  /** Gives back what is idle now and the rest when it is. */
  close(): void {
    this.#closing = true
    this.#closeIdle(Number.POSITIVE_INFINITY)
  }

  /** Ends everything at once. */
  destroy(reason: CreoError): void {
    this.#closing = true
    this.#gone.abort(reason)
    for (const call of [...this.#waiting]) this.#refuse(call, reason)
    for (const connection of this.#all) connection.cut(reason)
  }

  async #openOne(): Promise<void> {
    this.#opening += 1
    try {
      const socket = await this.#open(this.#gone.signal)
      this.#opening -= 1
      const connection = new FunctionConnection(socket, {free: this.#free, gone: this.#lost})
      this.#all.add(connection)
      this.#free(connection)
    } catch (error) {
      this.#opening -= 1
      const [first] = this.#waiting
      const reason = isCreoError(error) ? error : new CreoError('internal', 'The gateway failed.', {cause: error})
      if (first !== undefined) this.#refuse(first, badGateway('The function cannot be reached.', reason))
      this.#openForWaiting()
    }
  }

  #refuse(call: FunctionCall, reason: CreoError): void {
    this.#waiting.delete(call)
    call.onError(reason)
  }

  readonly #free = (connection: FunctionConnection): void => {
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      connection.send(next)
    } else if (this.#closing) connection.destroy()
    else {
      this.#idle.push(connection)
      this.#sweeper ??= setInterval(() => this.#closeIdle(performance.now()), SWEEP_MS)
    }
  }

  readonly #lost = (connection: FunctionConnection): void => {
    this.#all.delete(connection)
    if (this.#all.size === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
    }
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    this.#openForWaiting()
  }

  /** As many as there are calls that wait; also when one was lost, or nobody would serve them. */
  #openForWaiting(): void {
    if (this.#opening < this.#waiting.size && this.#all.size + this.#opening < this.#connectionsMax) void this.#openOne()
  }

  #closeIdle(untilMs: number): void {
    for (const connection of this.#idle.filter(({keptUntilMs}) => keptUntilMs <= untilMs)) connection.destroy()
  }
}
