/** Market data for the page: reads under `/quotes/v1/…`, all markets at `/quotes/board`, what happens at `/quotes/events`. */
import {createServer} from 'node:http'
import {readBoard} from './board.mjs'
import {Live} from './live.mjs'
import {createReads, ReadError} from './reads.mjs'

const CLOSE_TIMEOUT_MS = 5_000
const RETRY_AFTER_SECONDS = 5
const ROOT = '/quotes'
const INCENTIVE = /^[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9}$/
const ACCOUNT = /^acc_[0-9a-f]{32}$/
const CURSOR = /^[A-Za-z0-9_=-]{1,200}$/
const SEQUENCE = /^\d{1,15}$/
const JSON_HEADERS = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  vary: 'accept-encoding, accept-signature'
}

const url = process.env.COORDINATOR_URL ?? 'http://coordinator.internal'
const reads = createReads({url, nowMs: () => performance.now()})
const live = new Live({reads, url})

const server = createServer(async (request, response) => {
  try {
    await answer(request, response)
  } catch (error) {
    const known = error instanceof ReadError ? error : new ReadError(502, 'unavailable', 'The markets cannot be shown just now.')
    send(request, response, {status: known.status, body: Buffer.from(JSON.stringify({error: {code: known.code, message: known.message}}))})
  }
})

async function answer(request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new ReadError(405, 'invalid_input', 'Only GET and HEAD work here.')
  const [path, query = ''] = request.url.split('?', 2)
  const asked = new URLSearchParams(query)
  const after = sequenceOf(request.headers['creo-after'])
  if (path === `${ROOT}/events`) return watch(request, response, asked)
  if (path === `${ROOT}/board`) {
    const cursor = matching(asked.get('cursor') ?? undefined, CURSOR)
    return send(request, response, {status: 200, body: Buffer.from(JSON.stringify(await readBoard(reads, {cursor, after})))})
  }
  if (!path.startsWith(`${ROOT}/v1/`)) throw new ReadError(404, 'not_found', 'That is not read here.')
  return send(request, response, await reads.read(request.url.slice(ROOT.length), after, 'accept-signature' in request.headers))
}

function watch(request, response, asked) {
  const incentive = matching(asked.get('incentive') ?? undefined, INCENTIVE)
  const account = matching(asked.get('account') ?? undefined, ACCOUNT)
  const after = sequenceOf(request.headers['last-event-id']) || sequenceOf(asked.get('after') ?? undefined)
  const client = clientOf(request)
  if (!live.hasRoomFor(client)) throw new ReadError(503, 'overloaded', 'As many people watch as can; ask again in a moment.')
  response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff'})
  if (request.method === 'HEAD') return response.end()
  return live.watch(response, {client, incentive, account, after: after === 0 ? undefined : after})
}

/** Whose request it is, by what the gateway says; of IPv6 the network, since one line has more addresses than there are seats. Forgotten with the watcher. */
function clientOf(request) {
  const address = String(request.headers['x-forwarded-for'] ?? '')
  return address.includes(':') && !address.includes('.') ? networkOf(address) : address
}

/** The first 64 bits. */
function networkOf(address) {
  const [head = '', tail] = address.split('::', 2)
  const first = head.split(':').filter((group) => group !== '')
  const last = tail === undefined ? [] : tail.split(':').filter((group) => group !== '')
  return [...first, ...Array(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last].slice(0, 4).join(':')
}

function matching(text, shape) {
  if (text === undefined || shape.test(text)) return text
  throw new ReadError(400, 'invalid_input', 'That is not how this is asked for.')
}

function sequenceOf(text) {
  return text !== undefined && SEQUENCE.test(text) ? Number(text) : 0
}

function send(request, response, {status, body, packed, proof}) {
  if (response.headersSent) return response.destroy()
  const takesPacked = packed !== undefined && String(request.headers['accept-encoding'] ?? '').includes('gzip')
  const sent = takesPacked ? packed : body
  const retry = status === 503 ? {'retry-after': String(RETRY_AFTER_SECONDS)} : {}
  response.writeHead(status, {
    ...JSON_HEADERS,
    ...retry,
    ...proof,
    ...(takesPacked ? {'content-encoding': 'gzip'} : {}),
    'content-length': sent.length
  })
  return response.end(request.method === 'HEAD' ? undefined : sent)
}

process.once('SIGTERM', () => {
  live.close()
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
