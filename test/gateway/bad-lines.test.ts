import {once} from 'node:events'
import {type IncomingMessage, type RequestListener, request} from 'node:http'
import type {Duplex} from 'node:stream'
import {afterEach, describe, expect, it} from 'vitest'
import type {FakeMiner} from '../support/fake-miner.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'
import {type LineOptions, openRelay} from '../support/relay.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const RTTS_MS = IS_LONG ? [50, 100, 300, 800] : [50, 300]
/** What the machine itself may take, beside the line. */
const SLACK_TRIPS = 0.9
const BURST = 20
const BITS_PER_SECOND = IS_LONG ? 1_000_000 : 8_000_000
const BODY_BYTES = 2 ** 20
const TIMEOUT_MS = 120_000

let world: GatewayWorld
afterEach(() => world.close())

/** A miner whose line to the gateway is bad; clients are near the gateway. */
async function openWorld(line: LineOptions, serve: RequestListener = answer): Promise<FakeMiner> {
  world = await openGatewayWorld({spec: {timeoutMs: 60_000}})
  const relay = await openRelay(world.gateway.tunnelUrl, line)
  const onUpgrade = (socket: Duplex): void => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n')
    socket.pipe(socket)
  }
  return await world.addMiner({serve, onUpgrade, gateway: relay.to(world.gateway)})
}

const answer: RequestListener = (asked, response) => {
  if (asked.url === '/large') response.end(Buffer.alloc(BODY_BYTES, 'x'))
  else if (asked.url === '/events') {
    response.writeHead(200, {'content-type': 'text/event-stream'}).write('data: 1\n\n')
    setTimeout(() => response.end('data: 2\n\n'), 1000)
  } else asked.on('data', () => undefined).on('end', () => response.end('ok'))
}

function open(path: string, init: {method?: string; headers?: Record<string, string>} = {}) {
  return request(`${world.gateway.publicUrl}${path}`, {...init, headers: {host: 'shop--acme.localhost', ...init.headers}, agent: false})
}

async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

const ok = async (): Promise<void> => expect((await world.ask('/')).status).toBe(200)

it(
  'a start costs one round trip, each request one, and a burst beyond the idle connections two for a handshake, once',
  async () => {
    const rttMs = 800
    await openWorld({rttMs})
    await expect.poll(() => world.gateway.status().miners[0]?.dataConnections).toBe(4)
    const trips = async (work: () => Promise<unknown>): Promise<number> => (await tookMs(work)) / rttMs
    expect(await trips(ok)).toBeLessThan(2 + SLACK_TRIPS)
    await ok()
    expect(await trips(ok)).toBeLessThan(1 + SLACK_TRIPS)
    const burst = (): Promise<unknown> => Promise.all(Array.from({length: BURST}, ok))
    expect(await trips(burst)).toBeLessThan(3 + SLACK_TRIPS)
    expect(await trips(burst)).toBeLessThan(1 + SLACK_TRIPS)
  },
  TIMEOUT_MS
)

describe.each(RTTS_MS)('over a line of %i ms', (rttMs) => {
  it(
    'events come one by one as they are sent, and a WebSocket echoes',
    async () => {
      await openWorld({rttMs})
      await ok()
      const events = open('/events')
      events.end()
      const [response] = (await once(events, 'response')) as [IncomingMessage]
      const [first] = (await once(response, 'data')) as [Buffer]
      expect(first.toString()).toBe('data: 1\n\n')
      const [second] = (await once(response, 'data')) as [Buffer]
      expect(second.toString()).toBe('data: 2\n\n')

      const asked = open('/', {headers: {connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'k'}})
      asked.end()
      const [, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, Duplex]
      const echoed = await tookMs(async () => {
        socket.write('over and back')
        await once(socket, 'data')
      })
      expect(echoed).toBeGreaterThanOrEqual(rttMs - 1)
      socket.destroy()
    },
    TIMEOUT_MS
  )
})

it(
  'over a narrow line a large body takes the time that its bytes take, either way, and a small request passes beside it',
  async () => {
    await openWorld({rttMs: 100, bitsPerSecond: BITS_PER_SECOND})
    await ok()
    const leastMs = (BODY_BYTES * 8000) / BITS_PER_SECOND
    const down = tookMs(async () => expect((await world.ask('/large')).body.length).toBe(BODY_BYTES))
    await ok()
    expect(await down).toBeGreaterThan(leastMs)
    const up = await tookMs(async () => {
      const body = Buffer.alloc(BODY_BYTES, 'x').toString()
      expect(await world.ask('/', {method: 'POST', body})).toMatchObject({status: 200, body: 'ok'})
    })
    expect(up).toBeLessThan(2 * leastMs + 5000)
  },
  TIMEOUT_MS
)

it(
  'over a line that is reset again and again, idempotent requests are answered or refused in words, and all of them once it holds',
  async () => {
    let resets = true
    let seed = 1
    const resetAfterBytes = (): number => {
      seed = (seed * 48271) % 2147483647
      return resets ? 1500 + (seed % 20_000) : Number.POSITIVE_INFINITY
    }
    await openWorld({rttMs: 20, resetAfterBytes})
    const statuses: number[] = []
    for (let count = 0; count < (IS_LONG ? 1000 : 100); count += 1) statuses.push((await world.ask('/')).status)
    expect(statuses.filter((status) => status !== 200 && status !== 502 && status !== 503)).toEqual([])
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(statuses.length * 0.9)
    resets = false
    await expect.poll(async () => (await world.ask('/')).status).toBe(200)
  },
  TIMEOUT_MS
)
