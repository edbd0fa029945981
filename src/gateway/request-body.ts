import type {IncomingMessage} from 'node:http'
import {Readable} from 'node:stream'
import {CreoError} from '../core/errors.ts'

/**
 * A request's body on its way to one instance. Destroying it leaves the client's connection alone, so that the client still gets
 * an answer that came before its body's end, and the body can go to another instance as long as nothing of it was read.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage
  readonly #onFirstRead: () => void
  readonly #onBytes: (bytes: number) => void
  #listening = false

  constructor(request: IncomingMessage, on: {readonly firstRead: () => void; readonly bytes: (bytes: number) => void}) {
    super()
    this.#request = request
    this.#onFirstRead = on.firstRead
    this.#onBytes = on.bytes
  }

  override _read(): void {
    if (!this.#listening) this.#listen()
    this.#request.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#request.off('data', this.#take).off('end', this.#end).off('close', this.#close)
    if (this.#listening) this.#request.pause()
    callback(error)
  }

  #listen(): void {
    this.#listening = true
    this.#onFirstRead()
    this.#request.on('data', this.#take).on('end', this.#end).on('close', this.#close)
  }

  readonly #take = (chunk: Buffer): void => {
    this.#onBytes(chunk.length)
    if (!this.push(chunk)) this.#request.pause()
  }

  readonly #end = (): void => {
    this.push(null)
  }

  readonly #close = (): void => {
    if (!this.#request.complete) this.destroy(new CreoError('interrupted', 'The client has gone.'))
  }
}
