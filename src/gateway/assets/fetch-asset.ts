import {createHash} from 'node:crypto'
import {CreoError} from '../../core/errors.ts'
import type {AssetContent} from '../../core/protocol/assets.ts'
import {badGateway} from '../answer-error.ts'
import type {AnswerHead} from '../answer-reader.ts'
import type {FunctionCall, FunctionConnection} from '../function-connection.ts'
import type {Instance} from '../instance.ts'

const OK = 200
const LENGTH = 'content-length'

export interface WantedAsset {
  readonly host: string
  /** Where the function has it. */
  readonly path: string
  readonly content: AssetContent
  readonly timeoutMs: number
}

/** How one try on one instance ended. `tampered`: it answered, with other bytes. */
export type FetchedAsset = {readonly bytesOut: number; readonly headMs: number} & (
  | {readonly kind: 'whole'; readonly body: Buffer}
  | {readonly kind: 'tampered' | 'failed'; readonly error: CreoError}
)

/**
 * Asks an instance for one file and takes the bytes that were deployed, or none: what its headers say is not believed. It is told nothing of who asks.
 * Never rejects.
 */
export function fetchAsset(instance: Instance, wanted: WantedAsset): Promise<FetchedAsset> {
  return new Promise((resolve) => new AssetCall(instance, wanted, resolve).run())
}

class AssetCall implements FunctionCall {
  readonly head: string
  readonly toHead = false
  readonly mayUpgrade = false
  readonly body = 'none'
  readonly #instance: Instance
  readonly #wanted: WantedAsset
  readonly #resolve: (fetched: FetchedAsset) => void
  readonly #timer: NodeJS.Timeout
  /** As large as the list says from the beginning: of small pieces, more would be kept than they hold. */
  readonly #bytes: Buffer
  #taken = 0
  #beganMs = 0
  #headMs = 0
  #connection: FunctionConnection | undefined
  #done = false

  constructor(instance: Instance, wanted: WantedAsset, resolve: (fetched: FetchedAsset) => void) {
    this.#instance = instance
    this.#wanted = wanted
    this.#resolve = resolve
    this.#bytes = Buffer.allocUnsafe(wanted.content.bytes)
    this.head = `GET ${wanted.path} HTTP/1.1\r\nhost: ${wanted.host}\r\naccept-encoding: identity\r\nconnection: keep-alive\r\n\r\n`
    this.#timer = setTimeout(() => this.#end('failed', timeout()), wanted.timeoutMs)
  }

  run(): void {
    this.#beganMs = performance.now()
    this.#instance.send(this)
  }

  onSent(connection: FunctionConnection): void {
    this.#connection = connection
  }

  onDrain(): void {
    // There is no body to send.
  }

  onPieceEnd(): void {
    // Nothing is passed on before all of it is there.
  }

  onInterim(): void {
    // What comes before the answer is of no use.
  }

  onHead({status, headers}: AnswerHead): void {
    this.#headMs = performance.now() - this.#beganMs
    // Who is overloaded lies not; any other answer than the file does.
    if (status >= 500) this.#end('failed', badGateway(`The function answered ${status} for a file that it was deployed with.`))
    else if (status !== OK || lengthOf(headers, this.#bytes.length) !== this.#bytes.length) this.#tampered()
  }

  onData(chunk: Buffer): void {
    if (this.#done) return
    if (this.#taken + chunk.length > this.#bytes.length) {
      this.#tampered()
      return
    }
    chunk.copy(this.#bytes, this.#taken)
    this.#taken += chunk.length
  }

  onEnd(): void {
    if (this.#done) return
    const digest = `sha256:${createHash('sha256').update(this.#bytes.subarray(0, this.#taken)).digest('hex')}`
    if (this.#taken !== this.#bytes.length || digest !== this.#wanted.content.digest) this.#tampered()
    else this.#finish({kind: 'whole', body: this.#bytes, bytesOut: this.#taken, headMs: this.#headMs})
  }

  onError(error: CreoError): void {
    this.#end('failed', error)
  }

  onUpgrade(): void {
    this.#tampered()
  }

  #tampered(): void {
    const error = new CreoError('asset_tampered', 'A host sent something else than what was deployed; it was thrown away.', {
      hint: 'Try again in a moment: it is asked no more for a while.'
    })
    this.#end('tampered', error)
  }

  #end(kind: 'tampered' | 'failed', error: CreoError): void {
    if (this.#done) return
    if (this.#connection === undefined) this.#instance.connections.withdraw(this)
    else this.#connection.destroy()
    this.#finish({kind, error, bytesOut: this.#taken, headMs: this.#headMs})
  }

  #finish(fetched: FetchedAsset): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#resolve(fetched)
  }
}

function lengthOf(headers: AnswerHead['headers'], otherwise: number): number {
  const at = headers.findIndex((name, place) => place % 2 === 0 && name === LENGTH)
  return at === -1 ? otherwise : Number(headers[at + 1])
}

function timeout(): CreoError {
  return new CreoError('timeout', 'The function took longer than its timeout.', {
    hint: 'Try again; its owner can set a longer timeout in creo.yaml.'
  })
}
