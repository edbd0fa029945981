import type {IncomingMessage, ServerResponse} from 'node:http'
import type {Duplex} from 'node:stream'
import {CreoError, ERROR_CODES} from '../../core/errors.ts'

const PLAIN_HINT = 'Send one plain HTTP/1.1 request.'

/** Believes only requests that mean the same to every parser. On a connection with any other, nothing that follows is looked at. */
export class PlainRequests {
  readonly #faults = new WeakMap<Duplex, CreoError>()
  /** To the last request that could be parsed. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>()

  /** @returns why a request that two parsers could read in two ways is refused. That answer closes the connection. */
  faultIn(request: IncomingMessage, response: ServerResponse): CreoError | undefined {
    const {socket} = request
    const fault = this.#faults.get(socket) ?? faultOf(request)
    if (fault === undefined) {
      this.#answers.set(socket, response)
      return undefined
    }
    this.#faults.set(socket, fault)
    response.shouldKeepAlive = false
    return fault
  }

  /** Answers what could not even be parsed, once, and closes. Nothing is written into the middle of another answer. */
  refuseUnparsed(error: Error & {readonly code?: string}, socket: Duplex): void {
    if (this.#faults.has(socket)) return
    const answer = this.#answers.get(socket)
    const isAnswering = answer?.headersSent === true && !answer.writableFinished
    if (isAnswering || socket.destroyed || !socket.writable || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const {refusal, status} = refusalOf(error.code)
    this.#faults.set(socket, refusal)
    refuseRaw(socket, refusal, status)
  }

  /** Closes the connection: nobody knows whether the body follows. */
  refuseExpectation({socket}: IncomingMessage, answer: ServerResponse): void {
    const error = refused('Only 100-continue can be expected.')
    const body = JSON.stringify({error})
    this.#faults.set(socket, error)
    answer.shouldKeepAlive = false
    answer
      .writeHead(ERROR_CODES[error.code].http, {'content-type': 'application/json', 'content-length': Buffer.byteLength(body)})
      .end(body)
  }
}

/** Answers on a connection that node gives no response for, and closes it. */
function refuseRaw(socket: Duplex, error: CreoError, status: number): void {
  const body = JSON.stringify({error})
  const head = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close']
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} Refused\r\n${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

export function refuseConnect(_request: IncomingMessage, socket: Duplex): void {
  const error = refused('CONNECT is not taken.')
  refuseRaw(socket, error, ERROR_CODES[error.code].http)
}

function faultOf({httpVersion, url = '', rawHeaders}: IncomingMessage): CreoError | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return refused(`HTTP/${httpVersion} is not spoken here.`)
  if (!url.startsWith('/')) return refused('The request target must be a path.')
  const hosts = valuesOf(rawHeaders, 'host')
  if (hosts.length > 1) return refused('There is more than one Host header.')
  if (hosts[0] === undefined || hosts[0] === '') return refused('There is no Host header.')
  const encodings = valuesOf(rawHeaders, 'transfer-encoding')
  if (valuesOf(rawHeaders, 'content-length').length + encodings.length > 1) return refused('The length of the body is given twice.')
  if (encodings.some((encoding) => encoding.toLowerCase() !== 'chunked'))
    return refused('The transfer encoding of a body can only be chunked.')
  return undefined
}

/** Name, value, name, value, … as received: node joins or drops what is there twice. */
function valuesOf(rawHeaders: readonly string[], wanted: string): string[] {
  return rawHeaders.filter((_value, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted)
}

function refusalOf(code: string | undefined): {readonly refusal: CreoError; readonly status: number} {
  if (code === 'HPE_HEADER_OVERFLOW')
    return {refusal: new CreoError('invalid_input', 'The headers are too large.', {hint: 'Send fewer or shorter ones.'}), status: 431}
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {refusal: new CreoError('timeout', 'The request did not arrive in time.', {hint: 'Send it again.'}), status: 408}
  return {refusal: refused('This is not an HTTP/1.1 request.'), status: 400}
}

function refused(message: string): CreoError {
  return new CreoError('invalid_input', message, {hint: PLAIN_HINT})
}
