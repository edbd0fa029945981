/** The exchange's pages: the markets as HTML at `/` and `/market/<org>/<code>`, and as JSON at `/book/<org>/<code>`. */
import {readFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import {createMarkets, MarketError} from './markets.mjs'
import {renderError, renderHome, renderMarket} from './page.mjs'

const CLOSE_TIMEOUT_MS = 5_000
const HOME_MARKETS_MAX = 10
const MARKET_PATH = /^\/(book|market)\/([^/]{1,64})\/([^/]{1,64})$/
const HEADERS = {
  'content-security-policy': "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}

const style = await readFile(new URL('./style.css', import.meta.url))
const markets = createMarkets({url: process.env.COORDINATOR_URL ?? 'http://coordinator.internal', nowMs: () => performance.now()})

const server = createServer(async (request, response) => {
  const [pathname] = request.url.split('?', 1)
  const asJson = pathname.startsWith('/book/')
  try {
    send(
      request,
      response,
      request.method === 'GET' || request.method === 'HEAD'
        ? await answer(pathname)
        : refused(pathname, 405, 'Only GET and HEAD work here.')
    )
  } catch (error) {
    const known = error instanceof MarketError ? error : new MarketError(502, 'unavailable', 'The markets cannot be shown just now.')
    send(
      request,
      response,
      asJson ? json(known.status, {error: {code: known.code, message: known.message}}) : refused(pathname, known.status, known.message)
    )
  }
})

async function answer(pathname) {
  if (pathname === '/style.css') return {status: 200, type: 'text/css; charset=utf-8', body: style, cache: 'public, max-age=60'}
  if (pathname === '/') {
    const incentives = await markets.incentives()
    const shown = incentives.slice(0, HOME_MARKETS_MAX)
    const books = await Promise.all(shown.map((incentive) => markets.book(incentive.id)))
    return html(200, renderHome('./', incentives, books))
  }
  const [, kind, org, code] = MARKET_PATH.exec(pathname) ?? []
  if (kind === undefined) return refused(pathname, 404, 'There is no such page.')
  const id = `${org}/${code}`
  if (kind === 'book') {
    const [book, trades] = await Promise.all([markets.book(id), markets.trades(id)])
    return json(200, {...book, trades})
  }
  const incentive = (await markets.incentives()).find((known) => known.id === id)
  if (!incentive) return refused(pathname, 404, 'There is no such market.')
  const [book, trades, offers] = await Promise.all([markets.book(id), markets.trades(id), markets.offers(id)])
  return html(200, renderMarket('../../', {incentive, book, trades, offers}))
}

function html(status, body) {
  return {status, type: 'text/html; charset=utf-8', body: Buffer.from(body), cache: 'no-store'}
}

function json(status, body) {
  return {status, type: 'application/json', body: Buffer.from(`${JSON.stringify(body)}\n`), cache: 'no-store'}
}

function refused(pathname, status, message) {
  const root = '../'.repeat(Math.max(0, pathname.split('/').length - 2)) || './'
  return html(status, renderError(root, message))
}

function send(request, response, {status, type, body, cache}) {
  response.writeHead(status, {...HEADERS, 'content-type': type, 'content-length': body.length, 'cache-control': cache})
  response.end(request.method === 'HEAD' ? undefined : body)
}

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
