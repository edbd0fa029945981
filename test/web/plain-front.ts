import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, request, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {extname, join} from 'node:path'
import {parse} from 'yaml'

const EXCHANGE = join(import.meta.dirname, '..', '..', 'apps', 'exchange')
const PUBLIC = join(EXCHANGE, 'web', 'public')
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json'
}

export interface PlainFront {
  readonly url: string
  /** While it says so, commands are carried out and their answers lost on the way back. */
  readonly lose: (isLost: boolean) => void
  /** Commands that were carried out so far. */
  readonly commands: () => number
  /** Cuts what is open, such as streams of events. */
  readonly cut: () => void
  readonly close: () => Promise<void>
}

/** The built page and the functions beside it on one origin, as a gateway shows them, with the page's own rules for the browser; and a line that breaks. */
export async function startPlainFront(of: {
  readonly networkId: string
  readonly quotes: string
  readonly relay: string
}): Promise<PlainFront> {
  const manifest = parse(await readFile(join(EXCHANGE, 'creo.yaml'), 'utf8')) as {
    readonly functions: {readonly web: {readonly assets: {readonly headers: Readonly<Record<string, string>>}}}
  }
  const state = {isLost: false, commands: 0}
  const server = createServer(async (asked, answer) => {
    const path = new URL(asked.url ?? '/', 'http://page').pathname
    if (path.startsWith('/quotes')) return handOn(asked, answer, of.quotes)
    if (path === '/relay') {
      state.commands += 1
      return handOn(asked, answer, of.relay, () => state.isLost)
    }
    if (path === '/creo-network.json')
      return answer.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify({id: of.networkId}))
    const name = path === '/' ? 'index.html' : path.slice(1)
    const body = await readFile(join(PUBLIC, name)).catch(() => undefined)
    if (body === undefined) return answer.writeHead(404).end()
    return answer
      .writeHead(200, {'content-type': TYPES[extname(name)] ?? 'application/octet-stream', ...manifest.functions.web.assets.headers})
      .end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    lose: (isLost) => {
      state.isLost = isLost
    },
    commands: () => state.commands,
    cut: () => server.closeAllConnections(),
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    }
  }
}

function handOn(asked: IncomingMessage, answer: ServerResponse, to: string, isLost: () => boolean = () => false): void {
  const far = request(new URL(asked.url ?? '/', to), {method: asked.method ?? 'GET', headers: asked.headers}, (told) => {
    if (isLost()) {
      told.resume().once('end', () => asked.socket.destroy())
      return
    }
    answer.writeHead(told.statusCode ?? 502, told.headers)
    told.pipe(answer)
  })
  far.once('error', () => asked.socket.destroy())
  answer.once('close', () => far.destroy())
  asked.pipe(far)
}
