import type {IncomingMessage, Server, ServerResponse} from 'node:http'
import type {Duplex} from 'node:stream'
import {CreoError, ERROR_CODES} from '../core/errors.ts'
import {answerError, rawError} from './answer-error.ts'
import {type CheckedHead, checkHead, PLAIN_HINT} from './headers.ts'

/** Connections on which a request could be read in two ways. Whatever follows it may be a part of it, and is not looked at. */
const DISBELIEVED = new WeakSet<Duplex>()

/** True when a request came on it that could be read in two ways: it is being answered and closed. */
export function isDisbelieved(socket: Duplex): boolean {
  return DISBELIEVED.has(socket)
}

/** @throws {CreoError} what `checkHead` says; the answer then closes the connection. */
export function believedHead({request, response}: {readonly request: IncomingMessage; readonly response: ServerResponse}): CheckedHead {
  const {method = '', url = '', httpVersion, rawHeaders} = request
  try {
    return checkHead({method, target: url, httpVersion, rawHeaders})
  } catch (error) {
    DISBELIEVED.add(request.socket)
    response.shouldKeepAlive = false
    throw error
  }
}

/** Answers for a server, once and in the one form of an error, what never becomes one of its requests. */
export function refuseUnbelieved(server: Server): void {
  const answers = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (request, response) => answers.set(request.socket, response))
  server.on('checkExpectation', (request, response) => {
    DISBELIEVED.add(request.socket)
    response.shouldKeepAlive = false
    answerError(response, new CreoError('invalid_input', 'Only 100-continue can be expected.', {hint: PLAIN_HINT}))
  })
  server.on('connect', (_request, socket) => {
    const error = new CreoError('invalid_input', 'CONNECT is not taken.', {hint: PLAIN_HINT})
    end(socket, error, ERROR_CODES[error.code].http)
  })
  server.on('clientError', (error, socket) => refuseUnparsed(error, socket, answers.get(socket)))
}

/** `answer` is the one to the last request that could be parsed: nothing is written into its middle. */
function refuseUnparsed(error: Error & {code?: string}, socket: Duplex, answer: ServerResponse | undefined): void {
  if (isDisbelieved(socket)) return
  const isAnswering = answer?.headersSent === true && !answer.writableFinished
  // There is no HTTP yet on a line whose TLS failed.
  if (isAnswering || socket.destroyed || !socket.writable || error.code?.startsWith('ERR_SSL') === true) {
    socket.destroy()
    return
  }
  DISBELIEVED.add(socket)
  if (error.code === 'HPE_HEADER_OVERFLOW')
    end(socket, new CreoError('invalid_input', 'The headers are too large.', {hint: 'Send fewer or shorter ones.'}), 431)
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    end(socket, new CreoError('timeout', 'The request did not arrive in time.', {hint: 'Send it again.'}), 408)
  else end(socket, new CreoError('invalid_input', 'This is not an HTTP/1.1 request.', {hint: PLAIN_HINT}), 400)
}

function end(socket: Duplex, error: CreoError, status: number): void {
  socket.on('error', () => socket.destroy())
  socket.end(rawError(error, status), () => socket.destroy())
}
