import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

const TIMEOUT_MS = 60_000
const HEAD_END = '\r\n\r\n'

/** A request as the bytes that go out: who measures a server on the same cores has little of them to spare. */
export function postRequest({host}: URL, path: string, json: string): Buffer {
  const head = [`POST ${path} HTTP/1.1`, `host: ${host}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(json)}`]
  return Buffer.from(head.join('\r\n') + HEAD_END + json)
}

interface Asked {
  readonly resolve: (body: string) => void
  readonly reject: (error: Error) => void
}

/** One connection that is kept, a request at a time, to a server that tells the length of each answer: a load needs no more of HTTP, and this takes a third of what a whole client does. */
export class PlainConnection {
  readonly #socket: Socket
  #asked: Asked | undefined
  #failure: Error | undefined
  #chunks: Buffer[] = []
  #bytes = 0
  /** Where the answer under way ends; undefined until its head is there. */
  #end: {readonly bodyAt: number; readonly bytes: number} | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#hear(chunk))
    socket.on('timeout', () => socket.destroy(new Error(`Nothing came for ${TIMEOUT_MS} ms.`)))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('The server closed the connection.')))
  }

  static async open({hostname, port}: URL, signal: AbortSignal): Promise<PlainConnection> {
    const socket = connect({host: hostname, port: Number(port), noDelay: true, signal, timeout: TIMEOUT_MS})
    await once(socket, 'connect', {signal})
    return new PlainConnection(socket)
  }

  /** The body of the answer. @throws {Error} when it is another than 200, and when the connection ends. */
  ask(request: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure
      this.#asked = {resolve, reject}
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #hear(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    this.#end ??= endOf(Buffer.concat(this.#chunks))
    if (this.#end === undefined || this.#bytes < this.#end.bytes) return
    const {bodyAt, bytes} = this.#end
    const answer = Buffer.concat(this.#chunks)
    const asked = this.#asked
    this.#asked = undefined
    this.#chunks = []
    this.#bytes = 0
    this.#end = undefined
    const isGood = answer.length === bytes && answer.toString('latin1', 0, 13) === 'HTTP/1.1 200 '
    if (isGood) asked?.resolve(answer.toString('utf8', bodyAt))
    else asked?.reject(new Error(`An answer was refused: ${answer.toString('utf8', 0, 500)}`))
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#asked?.reject(error)
    this.#asked = undefined
  }
}

function endOf(bytes: Buffer): {readonly bodyAt: number; readonly bytes: number} | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const length = /\r\ncontent-length: (\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1]
  const bodyAt = headEnd + HEAD_END.length
  return {bodyAt, bytes: bodyAt + Number(length ?? 0)}
}
