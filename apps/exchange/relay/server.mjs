/** Hands signed commands to the coordinator byte for byte, and its answer back. It reads neither: what is signed can only be passed on or lost. */
import {createServer} from 'node:http'

const COMMANDS = '/v1/commands'
/** A person's commands: the ledger takes 64 KiB in one body. */
const BODY_BYTES_MAX = 256 * 2 ** 10
const ANSWER_BYTES_MAX = 2 ** 20
const ANSWER_TIMEOUT_MS = 40_000
const CLOSE_TIMEOUT_MS = 5_000
const JSON_TYPE = 'application/json'
/** Of the coordinator's answer, its signature among them, without which the page believes none; all else is the relay's own. */
const PASSED_ON = ['retry-after', 'content-digest', 'signature-input', 'signature']
/** Of the request, by which the answer is signed. */
const ASKED_FOR = ['accept-signature', 'content-digest']

const coordinator = process.env.COORDINATOR_URL ?? 'http://coordinator.internal'

const server = createServer(async (request, response) => {
  try {
    await answer(request, response)
  } catch (error) {
    refuse(response, 502, error instanceof Refusal ? error.code : 'unavailable', error instanceof Refusal ? error.message : AWAY)
  }
})
const AWAY = 'The coordinator cannot be reached just now. Whether the command arrived is not known: send the same one again.'

class Refusal extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

async function answer(request, response) {
  if (request.url.split('?', 1)[0] !== '/relay') return refuse(response, 404, 'not_found', 'There is only /relay here.')
  if (request.method !== 'POST') return refuse(response, 405, 'invalid_input', 'Commands are posted.')
  // A form of another site cannot send this type without asking first.
  if (request.headers['content-type'] !== JSON_TYPE) return refuse(response, 415, 'invalid_input', `Commands are ${JSON_TYPE}.`)
  const body = await bytesOf(request, BODY_BYTES_MAX)
  if (body === undefined) return refuse(response, 413, 'payload_too_large', `At most ${BODY_BYTES_MAX} bytes of commands come at once.`)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const told = await fetch(new URL(COMMANDS, coordinator), {
    method: 'POST',
    body,
    headers: {
      ...Object.fromEntries(ASKED_FOR.flatMap((name) => (name in request.headers ? [[name, request.headers[name]]] : []))),
      'content-type': JSON_TYPE
    },
    redirect: 'error',
    signal: AbortSignal.any([gone.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
  })
  const text = await bytesOf(told.body ?? [], ANSWER_BYTES_MAX)
  if (text === undefined) throw new Refusal('bad_gateway', 'The coordinator answered too much. The command may have been carried out.')
  const headers = PASSED_ON.flatMap((name) => (told.headers.has(name) ? [[name, told.headers.get(name)]] : []))
  response.writeHead(told.status, {...Object.fromEntries(headers), ...answerHeaders(text)})
  return response.end(text)
}

function refuse(response, status, code, message) {
  if (response.headersSent) return response.destroy()
  const text = Buffer.from(`${JSON.stringify({error: {code, message}})}\n`)
  response.writeHead(status, answerHeaders(text))
  return response.end(text)
}

function answerHeaders(text) {
  return {'content-type': JSON_TYPE, 'content-length': text.length, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff'}
}

/** All of it, or nothing where it is more than `most`. */
async function bytesOf(stream, most) {
  const chunks = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > most) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
