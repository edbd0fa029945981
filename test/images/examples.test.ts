import {type ChildProcess, spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {readFile} from 'node:fs/promises'
import {createServer, request, type Server} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {afterEach, describe, expect, test} from 'vitest'
import {parse} from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const children: ChildProcess[] = []
const servers: Server[] = []

afterEach(async () => {
  for (const child of children.splice(0)) await stop(child)
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})

describe('the colibris example', () => {
  test('serves its pages with a strict policy, and says where the shop is when there is no page', async () => {
    const {url} = await run('examples/colibris/site')
    const page = await fetch(url)
    expect([page.status, page.headers.get('content-security-policy')]).toEqual([200, expect.stringContaining("default-src 'none'")])
    expect(await page.text()).toContain('<html lang="en">')
    for (const asset of ['style.css', 'shop.js', 'colibri.svg']) expect((await fetch(`${url}/${asset}`)).status).toBe(200)
    expect((await fetch(`${url}/../server.mjs`)).status).toBe(404)
    expect((await fetch(url, {method: 'POST'})).status).toBe(405)
  })

  test('computes its answers, with and without the route’s /api in front', async () => {
    const {url} = await run('examples/colibris/api')
    expect(await json(`${url}/api/hello?name=Ana`)).toMatchObject({greeting: 'Hello, Ana!', instance: {id: expect.any(String)}})
    const prime = {n: 100_000, prime: 1_299_709, sha256: createHash('sha256').update('1299709').digest('hex')}
    expect(await json(`${url}/prime?n=100000`)).toMatchObject(prime)
    expect(await Promise.all([1, 5, 6, 1000].map(async (n) => (await json(`${url}/api/prime?n=${n}`)).prime))).toEqual([2, 11, 13, 7919])
    expect(await json(`${url}/api/echo`, {method: 'POST', body: 'héllo'})).toMatchObject({echo: 'héllo', bytes: 6})
  })

  test('refuses what it cannot compute with a code', async () => {
    const {url} = await run('examples/colibris/api')
    for (const n of ['0', '100001', '1.5', 'x']) expect((await json(`${url}/api/prime?n=${n}`)).error.code).toBe('invalid_input')
    expect((await json(`${url}/api/nothing`)).error.code).toBe('not_found')
    expect((await json(`${url}/api/echo`, {method: 'POST', body: 'x'.repeat(65 * 1024)})).error.code).toBe('payload_too_large')
  })

  test('ends at once on SIGTERM', async () => {
    const {child} = await run('examples/colibris/api')
    expect(await stop(child)).toBe(0)
  })
})

describe('the exchange', () => {
  const incentive = {
    id: 'colibris/LEAF',
    name: '<b>Leaf</b>',
    decimals: 2,
    lotMinor: '10',
    tradeVolumeLimitMicroGutta: '50000000',
    tradeVolumeUsedMicroGutta: '1250000'
  }
  const answers: Readonly<Record<string, unknown>> = {
    '/v1/incentives': {incentives: [incentive]},
    '/v1/markets/colibris/LEAF/book': {
      incentive: 'colibris/LEAF',
      sequence: 7,
      bids: [{priceMicroGutta: '150000', lots: '25'}],
      asks: []
    },
    '/v1/offers?incentive=colibris/LEAF': {
      offers: [
        {id: 'off_12', item: 'Delivery <in town>', priceMinor: '200', stock: 5},
        {id: 'off_13', item: 'Bread', priceMinor: '450', stock: 0}
      ]
    },
    '/v1/markets/colibris/LEAF/trades': {
      trades: [{seq: 6, index: 0, incentive: 'colibris/LEAF', priceMicroGutta: '100000', lots: '3', takerSide: 'buy', atMs: 0}]
    }
  }

  test('shows the book as a page and as JSON, reached through a CONNECT proxy alone', async () => {
    const asked: string[] = []
    const {url} = await run('apps/exchange/web', await exchangeEnv(answers, asked))
    const home = await (await fetch(url)).text()
    expect(home).toContain('<td>1.5</td><td>2.5</td>')
    expect(home).toContain('&lt;b&gt;Leaf&lt;/b&gt;')
    expect(home).not.toContain('<b>Leaf')
    const market = await fetch(`${url}/market/colibris/LEAF`)
    expect(market.headers.get('content-security-policy')).toContain("default-src 'none'")
    const page = await market.text()
    for (const shown of ['Time (UTC)', '1970-01-01 00:00:00', 'Nobody offers to sell.', '1.25 of at most 50 Gutta']) {
      expect(page).toContain(shown)
    }
    expect(page).toContain('Delivery &lt;in town&gt; for 2 LEAF: <code>creo redeem off_12</code>')
    expect(page).toContain('Bread for 4.5 LEAF: none left')
    expect(await json(`${url}/book/colibris/LEAF`)).toMatchObject({sequence: 7, bids: [{lots: '25'}], trades: [{lots: '3'}]})
    expect(asked.every((line) => line === 'CONNECT coordinator.internal:80' || line.startsWith('GET /v1/'))).toBe(true)
    expect(asked).toContain('CONNECT coordinator.internal:80')
  })

  test('asks the coordinator once for many watchers', async () => {
    const asked: string[] = []
    const {url} = await run('apps/exchange/web', await exchangeEnv(answers, asked))
    await Promise.all(Array.from({length: 50}, () => json(`${url}/book/colibris/LEAF`)))
    expect(asked.filter((line) => line.endsWith('/book')).length).toBeLessThan(10)
  })

  test('says in a sentence that a market is unknown or the coordinator away', async () => {
    const {url} = await run('apps/exchange/web', await exchangeEnv({'/v1/incentives': {incentives: []}}, []))
    expect((await json(`${url}/book/colibris/NONE`)).error.code).toBe('not_found')
    expect((await json(`${url}/book/..%2f..%2fv1/X`)).error.code).toBe('not_found')
    const dead = createServer().on('connection', (socket) => socket.destroy())
    const alone = await run('apps/exchange/web', {COORDINATOR_URL: `http://127.0.0.1:${await listen(dead)}`})
    expect((await json(`${alone.url}/book/colibris/LEAF`)).error.code).toBe('unavailable')
    const page = await fetch(alone.url)
    expect([page.status, await page.text()]).toEqual([502, expect.stringContaining('cannot be reached')])
  })
})

describe.each(['examples/colibris/site', 'examples/colibris/api', 'apps/exchange/web'])('the server of %s', (folder) => {
  test('answers a target that is no URL, and goes on', async () => {
    const {url, child} = await run(folder, {COORDINATOR_URL: 'http://127.0.0.1:1'})
    for (const target of ['//', '//:99999', '/\\', '//[', '/%', '/?a=%', '///?//']) {
      expect([target, [200, 404, 502].includes(await statusOf(url, 'GET', target))]).toEqual([target, true])
    }
    expect([404, 405]).toContain(await statusOf(url, 'OPTIONS', '*'))
    expect(await statusOf(url, 'GET', '/nothing')).toBe(404)
    expect([child.exitCode, child.signalCode]).toEqual([null, null])
  })
})

/** Sends the target as it is; `fetch` would mend it first. */
async function statusOf(url: string, method: string, target: string): Promise<number> {
  const asked = request({host: '127.0.0.1', port: new URL(url).port, method, path: target, agent: false})
  asked.end()
  const [answer] = await once(asked, 'response')
  answer.resume()
  return answer.statusCode
}

/** Starts a function's server as its container would, with `$PORT`, and waits for it to say where it listens. */
async function run(folder: string, env: Readonly<Record<string, string>> = {}): Promise<{url: string; child: ChildProcess}> {
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: join(root, folder),
    env: {PORT: '0', ...env},
    stdio: ['ignore', 'pipe', 'inherit']
  })
  children.push(child)
  const lines = createInterface({input: child.stdout!})
  const [line] = (await once(lines, 'line')) as [string]
  return {url: `http://127.0.0.1:${line.split(' ').at(-1)}`, child}
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  return (await exited)[0] as number | null
}

interface Answer {
  readonly error: {readonly code: string}
  readonly prime: number
}

async function json(url: string, init?: RequestInit): Promise<Answer> {
  return (await (await fetch(url, init)).json()) as Answer
}

/** The manifest's own environment and a proxy that, as the miner's, knows CONNECT and the coordinator alone. */
async function exchangeEnv(answers: Readonly<Record<string, unknown>>, asked: string[]): Promise<Record<string, string>> {
  const coordinator = await listen(
    createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      const answer = answers[request.url ?? '']
      response.writeHead(answer === undefined ? 404 : 200, {'content-type': 'application/json'}).end(JSON.stringify(answer ?? {}))
    })
  )
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(405).end()
  })
  proxy.on('connect', (request, near) => {
    asked.push(`CONNECT ${request.url}`)
    const far = connect(coordinator, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      near.pipe(far).pipe(near)
    })
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.on('close', () => far.destroy())
  })
  const manifest = parse(await readFile(join(root, 'apps/exchange/creo.yaml'), 'utf8')) as {functions: {web: {env: Record<string, string>}}}
  return {...manifest.functions.web.env, HTTP_PROXY: `http://127.0.0.1:${await listen(proxy)}`}
}

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
