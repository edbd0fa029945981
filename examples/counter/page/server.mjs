/** The page's files as they were built, each at its path. Types, headers and who gets which are the gateway's: it believes nothing else of a host. */
import {readdirSync, readFileSync, statSync} from 'node:fs'
import {createServer} from 'node:http'
import {join} from 'node:path'

const ROOT = join(import.meta.dirname, 'public')
const CLOSE_TIMEOUT_MS = 5_000

/** Every file by its address, so that no request can name one that is not there. */
const names = readdirSync(ROOT, {recursive: true}).filter((name) => statSync(join(ROOT, name)).isFile())
const files = new Map(names.map((name) => [`/${name}`, readFileSync(join(ROOT, name))]))

const server = createServer((request, response) => {
  if (request.method !== 'GET') return response.writeHead(405, {allow: 'GET'}).end()
  const body = files.get(request.url)
  if (body === undefined) return response.writeHead(404).end()
  return response.writeHead(200, {'content-type': 'application/octet-stream', 'content-length': body.length}).end(body)
})

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref()
})
server.listen(Number(process.env.PORT ?? 8080), () => process.stdout.write(`listening on port ${server.address().port}\n`))
