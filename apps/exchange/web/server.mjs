/** The page's files, each from memory, as small as the browser can take it. What has a hash in its name never changes. */
import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync, statSync} from 'node:fs'
import {createServer} from 'node:http'
import {extname, join} from 'node:path'

const ROOT = join(import.meta.dirname, 'public')
const CLOSE_TIMEOUT_MS = 5_000
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json'
}
/** What the build wrote beside a file, smaller. */
const PACKED = [['br', '.br']]
const HASHED = /^assets\//
/** Scripts, styles and data of this origin alone; nobody frames it, nothing is written into it. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types creo",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()'
}

/** Every file by its address, so that no request can name one that is not there. */
const files = readFiles()
const notBuilt = Buffer.from('The page has not been built: npm run build\n')

const server = createServer((request, response) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405, {...HEADERS, allow: 'GET, HEAD'}).end()
  const file = files.get(pathOf(request.url))
  if (file === undefined) return refuse(request, response)
  const {encoding, body} = smallest(file, String(request.headers['accept-encoding'] ?? ''))
  response.setHeaders(new Map(Object.entries({...HEADERS, etag: file.tag, 'cache-control': file.cache, vary: 'accept-encoding'})))
  if (request.headers['if-none-match'] === file.tag) return response.writeHead(304).end()
  if (encoding !== undefined) response.setHeader('content-encoding', encoding)
  response.writeHead(200, {'content-type': file.type, 'content-length': body.length})
  return response.end(request.method === 'HEAD' ? undefined : body)
})

function refuse(request, response) {
  const body = files.size === 0 ? notBuilt : Buffer.from('There is no such page.\n')
  response.writeHead(files.size === 0 ? 503 : 404, {...HEADERS, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store'})
  response.end(request.method === 'HEAD' ? undefined : body)
}

function smallest(file, accepted) {
  const packed = file.packed.find(({encoding}) => accepted.includes(encoding))
  return packed ?? {encoding: undefined, body: file.body}
}

function pathOf(target) {
  const path = target.split(/[?#]/, 1)[0]
  return path.endsWith('/') ? `${path}index.html` : path
}

function readFiles() {
  if (!existsSync(ROOT)) return new Map()
  const names = readdirSync(ROOT, {recursive: true}).filter((name) => statSync(join(ROOT, name)).isFile())
  const served = names.filter((name) => !PACKED.some(([, ending]) => name.endsWith(ending)))
  return new Map(served.map((name) => [`/${name}`, readOne(name)]))
}

function readOne(name) {
  const body = readFileSync(join(ROOT, name))
  const packed = PACKED.filter(([, ending]) => existsSync(join(ROOT, name + ending)))
  return {
    body,
    tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
    type: TYPES[extname(name)] ?? 'application/octet-stream',
    cache: HASHED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
    packed: packed.map(([encoding, ending]) => ({encoding, body: readFileSync(join(ROOT, name + ending))}))
  }
}

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
