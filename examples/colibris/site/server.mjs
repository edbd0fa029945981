/** The shop's pages: three files, read once, served from memory. */
import {readFile} from 'node:fs/promises'
import {createServer} from 'node:http'

const CLOSE_TIMEOUT_MS = 5_000
const HEADERS = {
  'cache-control': 'public, max-age=60',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}
const FILES = new Map([
  ['/', {name: 'index.html', type: 'text/html; charset=utf-8'}],
  ['/style.css', {name: 'style.css', type: 'text/css; charset=utf-8'}],
  ['/shop.js', {name: 'shop.js', type: 'text/javascript; charset=utf-8'}],
  ['/colibri.svg', {name: 'colibri.svg', type: 'image/svg+xml'}]
])

const pages = new Map()
for (const [path, {name, type}] of FILES) {
  pages.set(path, {type, bytes: await readFile(new URL(`./public/${name}`, import.meta.url))})
}

const server = createServer((request, response) => {
  const [pathname] = request.url.split('?', 1)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response
      .writeHead(405, {...HEADERS, allow: 'GET, HEAD', 'content-type': 'text/plain; charset=utf-8'})
      .end('Only GET and HEAD work here.\n')
    return
  }
  const page = pages.get(pathname)
  if (!page) {
    response.writeHead(404, {...HEADERS, 'content-type': 'text/plain; charset=utf-8'}).end('There is no such page. The shop is at /\n')
    return
  }
  response.writeHead(200, {...HEADERS, 'content-type': page.type, 'content-length': page.bytes.length})
  response.end(request.method === 'HEAD' ? undefined : page.bytes)
})

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
