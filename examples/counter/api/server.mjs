/** The counter's server. What it says of offers and redemptions it has from the network, signed; what it is told by webhook it verifies; it keeps nothing. */
import {createHmac, timingSafeEqual} from 'node:crypto'
import {createServer} from 'node:http'
import {Network, RememberedEvents, SignIn, verifyWebhook} from './client.js'

const BODY_BYTES_MAX = 64 * 1024
const CLOSE_TIMEOUT_MS = 5_000
const SESSION_MS = 12 * 3600_000
/** What everybody is shown is read once in so long, and anew when a webhook says that it changed. */
const READ_EVERY_MS = 2_000
const TOLD_MAX = 20

const {INCENTIVE = '', NETWORK: networkId, ORIGIN: origin, EXCHANGE: exchange, SESSION_SECRET: secret = ''} = process.env
const org = INCENTIVE.split('/')[0]
const handled = new RememberedEvents()
let told = []
let parts
let lists

/** The network is looked for when it is first asked: a function starts also while the coordinator is away. */
async function network() {
  parts ??= Network.connect({url: process.env.COORDINATOR_URL ?? 'http://coordinator.internal', networkId})
    .then((found) => ({found, signIn: new SignIn(found, {origin, secret})}))
    .catch((error) => {
      parts = undefined
      throw error
    })
  return await parts
}

async function shown() {
  if (lists === undefined || lists.readAtMs < Date.now() - READ_EVERY_MS) lists = {readAtMs: Date.now(), read: readAll()}
  return await lists.read
}

async function readAll() {
  const {found} = await network()
  const [incentive, offers, waiting] = await Promise.all([
    found.incentive(INCENTIVE),
    found.offers(INCENTIVE),
    found.redemptions({incentive: INCENTIVE, status: 'held'})
  ])
  return {incentive, offers: offers.filter(({stopped}) => !stopped), waiting}
}

const ROUTES = {
  'GET /': async () => {
    const {incentive, offers} = await shown()
    return {network: networkId, exchange, org, code: INCENTIVE.split('/')[1], decimals: incentive.decimals, incentive: INCENTIVE, offers}
  },
  'GET /challenge': async () => (await network()).signIn.challenge(),
  'POST /session': async ({body}) => {
    const {account, name, roles} = await (await network()).signIn.verify(JSON.parse(body))
    const isKeeper = name === org && roles.some((role) => role === 'owner' || role === 'treasurer')
    const session = {account, name, isKeeper, untilMs: Date.now() + SESSION_MS}
    return {...session, token: sealed(session)}
  },
  'GET /mine': async ({session}) => {
    const {found} = await network()
    const [available, {redemptions}] = await Promise.all([
      found.available(session.account, INCENTIVE),
      found.read(`/v1/accounts/${session.account}/redemptions?limit=50`)
    ])
    return {availableMinor: String(available), redemptions: redemptions.filter(({incentive}) => incentive === INCENTIVE)}
  },
  'GET /waiting': async ({session}) => {
    if (!session.isKeeper) throw refusal(403, 'forbidden', `This is for ${org}.`)
    return {waiting: (await shown()).waiting, told}
  },
  'POST /webhook': async ({request, body}) => {
    const {found} = await network()
    const terms = {network: found.id, coordinatorKey: found.coordinatorKey, org, handled}
    const {event, repeated} = await verifyWebhook({method: 'POST', headers: request.headers, text: body}, terms)
    if (!repeated) {
      told = [{type: event.type, atMs: event.atMs, redemption: event.redemption ?? null}, ...told].slice(0, TOLD_MAX)
      lists = undefined
      handled.add(event.id)
    }
    return {taken: true}
  }
}
const SIGNED_IN = new Set(['GET /mine', 'GET /waiting'])
const STATUS = {
  forbidden: 403,
  not_found: 404,
  unauthorized: 401,
  verification_failed: 401,
  bad_signature: 401,
  expired: 401,
  replayed: 401
}

const server = createServer(async (request, response) => {
  const path = request.url.split('?', 1)[0].replace(/^\/api(?=\/|$)/, '') || '/'
  try {
    const name = `${request.method} ${path}`
    const route = ROUTES[name] ?? refuseUnknown(name)
    const session = SIGNED_IN.has(name) ? sessionOf(request.headers.authorization) : undefined
    send(response, 200, await route({request, session, body: request.method === 'POST' ? await bodyOf(request) : ''}))
  } catch (error) {
    const {code = 'internal', message, hint} = error
    if (code === 'internal') process.stderr.write(`${error.stack}\n`)
    const said = code === 'internal' ? {code, message: 'The counter failed.'} : {code, message, hint}
    send(response, error.status ?? STATUS[code] ?? (code === 'internal' ? 500 : 502), {error: said})
  }
})

/** A token says who signed in, and anybody can read that; only this app's instances, which share the secret, can make one. */
function sealed(session) {
  const text = Buffer.from(JSON.stringify(session)).toString('base64url')
  return `${text}.${macOf(text).toString('base64url')}`
}

function sessionOf(header = '') {
  const [text = '', mac = ''] = header.replace(/^Bearer /, '').split('.')
  const given = Buffer.from(mac, 'base64url')
  const own = macOf(text)
  if (given.length !== own.length || !timingSafeEqual(given, own)) throw refusal(401, 'unauthorized', 'Sign in first.')
  const session = JSON.parse(Buffer.from(text, 'base64url').toString())
  if (session.untilMs < Date.now()) throw refusal(401, 'expired', 'Sign in again.')
  return session
}

function macOf(text) {
  return createHmac('sha256', secret).update(`counter-session\n${text}`).digest()
}

async function bodyOf(request) {
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw refusal(413, 'payload_too_large', `A body has at most ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function refuseUnknown(name) {
  throw refusal(404, 'not_found', `There is no ${name}.`)
}

function refusal(status, code, message) {
  return Object.assign(new Error(message), {status, code})
}

function send(response, status, body) {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  const headers = {'content-type': 'application/json', 'content-length': bytes.length, 'cache-control': 'no-store'}
  response.writeHead(status, {...headers, 'x-content-type-options': 'nosniff'}).end(bytes)
}

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
