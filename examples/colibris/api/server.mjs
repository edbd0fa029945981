/** The shop's API: every answer is computed here, in the container, and says which instance computed it. */
import {createHash, randomUUID} from 'node:crypto'
import {createServer} from 'node:http'
import {hostname} from 'node:os'
import {nthPrime, PRIME_INDEX_MAX} from './prime.mjs'

const CLOSE_TIMEOUT_MS = 5_000
const BODY_BYTES_MAX = 64 * 1024
const NAME_LENGTH_MAX = 60
const instance = {id: randomUUID(), hostname: hostname(), startedAt: new Date().toISOString()}

const ROUTES = {
  'GET /': () => ({status: 200, body: {app: 'colibris/shop', routes: Object.keys(ROUTES), instance}}),
  'GET /hello': ({query}) => {
    const name = (query.get('name') ?? '').trim().slice(0, NAME_LENGTH_MAX) || 'neighbour'
    return {status: 200, body: {greeting: `Hello, ${name}!`, instance}}
  },
  'GET /prime': ({query}) => {
    const n = Number(query.get('n') ?? '1')
    if (!Number.isInteger(n) || n < 1 || n > PRIME_INDEX_MAX) {
      return refusal(400, 'invalid_input', `n is a whole number from 1 to ${PRIME_INDEX_MAX}.`)
    }
    const prime = nthPrime(n)
    return {status: 200, body: {n, prime, sha256: sha256(String(prime)), instance}}
  },
  'POST /echo': async ({request}) => {
    const bytes = await readBody(request)
    if (bytes === undefined) return refusal(413, 'payload_too_large', `A body has at most ${BODY_BYTES_MAX} bytes.`)
    return {status: 200, body: {echo: bytes.toString('utf8'), bytes: bytes.length, sha256: sha256(bytes), instance}}
  }
}

const server = createServer(async (request, response) => {
  const [pathname] = request.url.split('?', 1)
  const path = pathname.replace(/^\/api(?=\/|$)/, '').replace(/\/$/, '') || '/'
  const route = ROUTES[`${request.method === 'HEAD' ? 'GET' : request.method} ${path}`]
  try {
    const answer = route
      ? await route({query: new URLSearchParams(request.url.slice(pathname.length)), request})
      : refusal(404, 'not_found', `There is no ${request.method} ${path}.`)
    send(request, response, answer)
  } catch {
    request.destroy()
  }
})

function send(request, response, {status, body}) {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  const headers = {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff'
  }
  response.writeHead(status, status === 413 ? {...headers, connection: 'close'} : headers)
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

async function readBody(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function refusal(status, code, message) {
  return {status, body: {error: {code, message}}}
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
