import {createHash} from 'node:crypto'
import {createReadStream, readdirSync, readFileSync, statSync} from 'node:fs'
import {createServer} from 'node:http'
import {extname, join} from 'node:path'

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2'
}
const ROOT = join(import.meta.dirname, 'public')

/** Every file by its address, so that no request can name one that is not there. */
const pages = new Map()
for (const name of readdirSync(ROOT, {recursive: true})) {
  const path = join(ROOT, name)
  if (!statSync(path).isFile()) continue
  const tag = `"${createHash('sha256').update(readFileSync(path)).digest('base64url').slice(0, 22)}"`
  const page = {path, tag, type: TYPES[extname(name)] ?? 'application/octet-stream', size: statSync(path).size}
  pages.set(`/${name}`, page)
  if (name === 'index.html' || name.endsWith('/index.html')) pages.set(`/${name.slice(0, -'index.html'.length)}`, page)
}

const server = createServer((request, response) => {
  if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405, {allow: 'GET, HEAD'}).end()
  const page = pages.get(decoded(request.url))
  if (page === undefined) return response.writeHead(404, {'content-type': 'text/plain'}).end('There is no such page.\n')
  response.setHeader('etag', page.tag).setHeader('cache-control', 'no-cache').setHeader('x-content-type-options', 'nosniff')
  if (request.headers['if-none-match'] === page.tag) return response.writeHead(304).end()
  response.writeHead(200, {'content-type': page.type, 'content-length': page.size})
  if (request.method === 'HEAD') return response.end()
  return createReadStream(page.path).pipe(response)
})

function decoded(target) {
  try {
    return decodeURIComponent(target.split('?', 1)[0])
  } catch {
    return ''
  }
}

server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close())
