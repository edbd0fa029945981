import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {join} from 'node:path'
import {afterEach, describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {runFunction, stopFunction, stopFunctions} from '../support/function-server.ts'

const root = join(import.meta.dirname, '..', '..')
const LEAF = 'colibris/LEAF'
const servers: Server[] = []

afterEach(async () => {
  await stopFunctions()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})

describe('the function quotes', () => {
  test('asks the coordinator once for many readers, and never for what is not public market data', async () => {
    const world = await coordinator({[`/v1/markets/${LEAF}/book`]: {sequence: 7}})
    const {url} = await runFunction('apps/exchange/quotes', await throughProxy(world))
    const answers = await Promise.all(Array.from({length: 50}, () => json(`${url}/quotes/v1/markets/${LEAF}/book`)))
    expect(answers.every((answer) => answer.sequence === 7)).toBe(true)
    for (const path of ['/v1/journal', '/v1/tables/routes', '/metrics', '/v1/markets/..%2f..%2fv1/X/book', '/operator', '/v2/'])
      expect([path, (await json(`${url}/quotes${path}`)).error?.code]).toEqual([path, 'not_found'])
    expect(world.asked.filter((line) => line.startsWith('GET'))).toEqual([`GET /v1/markets/${LEAF}/book`])
    expect(world.asked).toContain('CONNECT coordinator.internal:80')
  })

  test('reads again for who has seen a later sequence', async () => {
    const world = await coordinator({[`/v1/markets/${LEAF}/book`]: {sequence: 7}})
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    await json(`${url}/quotes/v1/markets/${LEAF}/book`)
    await json(`${url}/quotes/v1/markets/${LEAF}/book`, {'creo-after': '9'})
    await json(`${url}/quotes/v1/markets/${LEAF}/book`, {'creo-after': '9'})
    expect(world.headers.map((headers) => headers['creo-after'])).toEqual([undefined, '9'])
  })

  test('lets nobody wait for a sequence that somebody else named, nor hear that it did not come', async () => {
    const book = `/v1/markets/${LEAF}/book`
    const held: ServerResponse[] = []
    const world = createServer((request, response) => {
      if (request.headers['creo-after'] === undefined) response.end('{"sequence":7}')
      else held.push(response)
    })
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: `http://127.0.0.1:${await listen(world)}`})
    const isHeld = once(world, 'request')
    const waits = json(`${url}/quotes${book}`, {'creo-after': '999999999999999'})
    await isHeld
    expect((await json(`${url}/quotes${book}`)).sequence).toBe(7)
    for (const response of held.splice(0)) response.writeHead(504).end('{"error":{"code":"timeout"}}')
    expect((await waits).error?.code).toBe('timeout')
    const isAskedAgain = once(world, 'request')
    const again = json(`${url}/quotes${book}`, {'creo-after': '999999999999999'})
    await isAskedAgain
    for (const response of held.splice(0)) response.end('{"sequence":8}')
    expect((await again).sequence).toBe(8)
  })

  test('shows what each incentive buys, however many offers another issuer makes', async () => {
    const offers = Array.from({length: 4}, (_none, at) => ({id: `off_${at}`, incentive: LEAF}))
    const world = await coordinator({
      '/v1/network': {sequence: 7},
      '/v1/incentives?limit=50': {incentives: [{id: LEAF}, {id: 'zoo/ANT'}]},
      ...Object.fromEntries(
        [LEAF, 'zoo/ANT'].flatMap((id) => [`/v1/markets/${id}/ticker`, `/v1/incentives/${id}/record`].map((path) => [path, {}]))
      ),
      '/v1/offers?incentive=colibris%2FLEAF&limit=1000': {offers},
      '/v1/offers?incentive=zoo%2FANT&limit=1000': {offers: [{id: 'off_9', incentive: 'zoo/ANT'}]}
    })
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const board = (await json(`${url}/quotes/board`)) as {
      readonly markets?: readonly {readonly offers: unknown[]; readonly offersInAll: number}[]
    }
    expect(board.markets?.map(({offers: shown, offersInAll}) => [shown.length, offersInAll])).toEqual([
      [3, 4],
      [1, 1]
    ])
  })

  test('says in a sentence that the coordinator is away, and goes on', async () => {
    const dead = createServer().on('connection', (socket) => socket.destroy())
    const {url, child} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: `http://127.0.0.1:${await listen(dead)}`})
    for (const path of ['/quotes/board', `/quotes/v1/markets/${LEAF}/book`])
      expect((await json(url + path)).error).toEqual({code: 'unavailable', message: expect.stringContaining('cannot be reached')})
    expect(child.exitCode).toBeNull()
  })

  test('tells many watchers from one line to the coordinator, and each goes on after the last that it got', async () => {
    const world = await coordinator({[`/v1/markets/${LEAF}/book`]: {sequence: 12, bids: [], asks: []}})
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const watchers = await Promise.all([0, 1, 2].map(() => watch(`${url}/quotes/events?incentive=${LEAF}`)))
    for (const watcher of watchers) await watcher.until('begin')
    world.tell('event: trade\nid: 11\ndata: {"seq":11,"incentive":"colibris/LEAF"}\n\n')
    world.tell('event: trade\nid: 12\ndata: {"seq":12,"incentive":"other/COIN"}\n\n')
    for (const watcher of watchers) {
      expect(await watcher.until('trade')).toContain('id: 11\ndata: {"seq":11')
      expect(await watcher.until('book')).toContain('"sequence":12')
      expect(await watcher.until('pulse')).toContain('"sequence":12')
      expect(watcher.heard()).not.toContain('other/COIN')
    }
    expect(world.lines()).toBe(1)
    const later = await watch(`${url}/quotes/events?incentive=${LEAF}&after=10`)
    expect(await later.until('trade')).toContain('id: 11')
    const lost = await watch(`${url}/quotes/events?incentive=${LEAF}&after=3`)
    expect(await lost.until('reset')).toContain('"sequence":12')
  })

  test('tells a book whole, then what changed in it, and reads it from the coordinator once for all who watch', async () => {
    const level = (price: number, lots: number) => ({priceMicroGutta: String(price), lots: String(lots)})
    const book = {incentive: LEAF, sequence: 10, bids: [level(9, 5), level(8, 1)], asks: []}
    const world = await coordinator({[`/v1/markets/${LEAF}/book`]: book})
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const [first, second] = await Promise.all([0, 1].map(() => watch(`${url}/quotes/events?incentive=${LEAF}`)))
    expect(dataOf(await first?.until('book'))).toEqual(book)
    await second?.until('book')
    const change = (sequence: number, incentive: string, bids: readonly object[]) =>
      world.tell(`id: ${sequence}\nevent: book\ndata: ${JSON.stringify({incentive, sequence, whole: false, bids, asks: []})}\n\n`)
    change(10, LEAF, [level(9, 77)])
    change(11, 'other/COIN', [level(9, 78)])
    change(12, LEAF, [level(9, 0), level(7, 2)])
    for (const watcher of [first, second])
      expect(dataOf(await watcher?.until('levels'))).toEqual({incentive: LEAF, sequence: 12, bids: [level(9, 0), level(7, 2)], asks: []})
    const later = await watch(`${url}/quotes/events?incentive=${LEAF}`)
    expect(dataOf(await later.until('book'))).toEqual({incentive: LEAF, sequence: 12, bids: [level(8, 1), level(7, 2)], asks: []})
    const auction = {kind: 'opening', endsAtMs: 7}
    world.tell(`id: 13\nevent: phase\ndata: ${JSON.stringify({incentive: LEAF, auction})}\n\n`)
    await expect.poll(() => later.heard()).toContain('"auction":{"kind":"opening","endsAtMs":7}')
    expect(world.asked.filter((line) => line.includes('/book'))).toHaveLength(1)
  })

  test('asks for orders once somebody watches an account, and who was told of other orders before reads its own anew', async () => {
    const world = await coordinator({})
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const spectator = await watch(`${url}/quotes/events`)
    await spectator.until('begin')
    world.tell('event: group\nid: 12\ndata: {}\n\n')
    await spectator.until('pulse')
    const account = `acc_${'1'.repeat(32)}`
    const [back, fresh] = await Promise.all(
      [`&after=11`, '&after=12'].map((after) => watch(`${url}/quotes/events?account=${account}${after}`))
    )
    expect(await back?.until('reset')).toContain('"sequence":12')
    await fresh?.until('begin')
    await expect.poll(() => world.asked.at(-1)).toBe('GET /v1/events?topic=trades,phases,groups,books,orders')
    expect([world.headers.at(-1)?.['last-event-id'], world.lines()]).toEqual(['12', 1])
    world.tell(`id: 13\nevent: order\ndata: ${JSON.stringify({account, incentive: LEAF})}\n\n`)
    for (const watcher of [back, fresh]) expect(await watcher?.until('order')).toContain('id: 13')
    expect(spectator.heard()).not.toMatch(/event: (?:line|order)/)
  })

  test('takes its line up where it was cut, so that no watcher misses anything', async () => {
    const world = await coordinator({})
    const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const watcher = await watch(`${url}/quotes/events`)
    await watcher.until('begin')
    world.tell('event: trade\nid: 11\ndata: {"seq":11,"incentive":"colibris/LEAF"}\n\n')
    await watcher.until('trade')
    world.cut()
    expect(await watcher.until('line')).toContain('"isUp":false')
    await expect.poll(() => world.lines()).toBe(1)
    expect(world.headers.at(-1)?.['last-event-id']).toBe('11')
  })

  test('ends at once on SIGTERM, watched or not', async () => {
    const world = await coordinator({})
    const {url, child} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: world.url})
    const watcher = await watch(`${url}/quotes/events`)
    await watcher.until('begin')
    expect(await stopFunction(child)).toBe(0)
  })
})

describe('the function relay', () => {
  test('hands a command on byte for byte, and the answer back', async () => {
    const world = await coordinator({'/v1/commands': {answers: [{status: 'applied', seq: 5, result: {}}]}})
    const {url} = await runFunction('apps/exchange/relay', await throughProxy(world))
    const body = '{ "commands" : [ {"body":"{\\"é\\":1}"} ] }\n'
    const answer = await fetch(`${url}/relay`, {method: 'POST', body, headers: {'content-type': 'application/json'}})
    expect([answer.status, await answer.json()]).toEqual([200, {answers: [{status: 'applied', seq: 5, result: {}}]}])
    expect(world.bodies).toEqual([body])
  })

  test('takes nothing else: no other path, method, type or size', async () => {
    const world = await coordinator({})
    const {url} = await runFunction('apps/exchange/relay', {COORDINATOR_URL: world.url})
    const post = (path: string, type: string, body = '{}') => fetch(url + path, {method: 'POST', body, headers: {'content-type': type}})
    expect((await post('/relay/v1/nodes/enroll', 'application/json')).status).toBe(404)
    expect((await post('/relay', 'text/plain')).status).toBe(415)
    expect((await post('/relay', 'application/json', 'x'.repeat(300_000))).status).toBe(413)
    expect((await fetch(`${url}/relay`)).status).toBe(405)
    expect(world.asked).toEqual([])
  })

  test('says that it is not known whether a command arrived, when nobody answered', async () => {
    const dead = createServer().on('connection', (socket) => socket.destroy())
    const {url} = await runFunction('apps/exchange/relay', {COORDINATOR_URL: `http://127.0.0.1:${await listen(dead)}`})
    const answer = await fetch(`${url}/relay`, {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}})
    expect([answer.status, (await answer.json()) as unknown]).toEqual([
      502,
      {error: {code: 'unavailable', message: expect.stringContaining('send the same one again')}}
    ])
  })
})

interface World {
  readonly url: string
  readonly port: number
  readonly asked: string[]
  readonly bodies: string[]
  readonly headers: IncomingMessage['headers'][]
  /** Lines of events that are open. */
  readonly lines: () => number
  readonly tell: (text: string) => void
  readonly cut: () => void
}

/** A coordinator that knows these answers, and tells events that the test makes; it has come to sequence 10. */
async function coordinator(answers: Readonly<Record<string, unknown>>): Promise<World> {
  const open = new Set<ServerResponse>()
  const seen = {asked: [] as string[], bodies: [] as string[], headers: [] as IncomingMessage['headers'][]}
  const server = createServer(async (request, response) => {
    seen.asked.push(`${request.method} ${request.url}`)
    seen.headers.push(request.headers)
    if (request.url?.startsWith('/v1/events')) {
      open.add(response)
      response.once('close', () => open.delete(response))
      const since = request.headers['last-event-id'] ?? '10'
      return response
        .writeHead(200, {'content-type': 'text/event-stream'})
        .write(`id: ${since}\nevent: open\ndata: {"sequence":${since}}\n\n`)
    }
    if (request.method === 'POST') seen.bodies.push(Buffer.concat(await request.toArray()).toString())
    const answer = answers[request.url ?? '']
    return response.writeHead(answer === undefined ? 404 : 200, {'content-type': 'application/json'}).end(JSON.stringify(answer ?? {}))
  })
  const port = await listen(server)
  return {
    ...seen,
    url: `http://127.0.0.1:${port}`,
    port,
    lines: () => open.size,
    tell: (text) => {
      for (const response of open) response.write(text)
    },
    cut: () => {
      for (const response of open) response.destroy()
    }
  }
}

/** The manifest's own environment and a proxy that, as the miner's, knows CONNECT and the coordinator alone. */
async function throughProxy({asked, port}: World): Promise<Record<string, string>> {
  const proxy = createServer((_request, response) => response.writeHead(405).end())
  proxy.on('connect', (request, near) => {
    asked.push(`CONNECT ${request.url}`)
    const far = connect(port, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      near.pipe(far).pipe(near)
    })
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.on('close', () => far.destroy())
  })
  const manifest = parse(await readFile(join(root, 'apps/exchange/creo.yaml'), 'utf8'))
  return {...manifest.functions.quotes.env, HTTP_PROXY: `http://127.0.0.1:${await listen(proxy)}`}
}

function dataOf(event = ''): unknown {
  return JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? 'null')
}

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

interface Answer {
  readonly sequence?: number
  readonly error?: {readonly code: string; readonly message: string}
}

async function json(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return (await (await fetch(url, {headers})).json()) as Answer
}

/** Reads a stream of events; `until` answers the first event of a name, and all that came before stays heard. */
async function watch(url: string): Promise<{until: (name: string) => Promise<string>; heard: () => string}> {
  const answer = await fetch(url)
  let heard = ''
  void (async () => {
    for await (const piece of answer.body ?? []) heard += Buffer.from(piece).toString()
  })().catch(() => undefined)
  const find = (name: string) =>
    heard.split('\n\n').find((block, place, blocks) => place < blocks.length - 1 && block.includes(`event: ${name}\n`))
  return {
    heard: () => heard,
    until: async (name) => {
      await expect.poll(() => find(name), {message: `event ${name}`}).toBeDefined()
      return find(name) ?? ''
    }
  }
}
