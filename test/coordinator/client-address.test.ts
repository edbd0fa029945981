import {request} from 'node:http'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {ClientAddresses} from '../../src/coordinator/http/client-address.ts'
import {startWorld} from './coordinator-world.ts'

const PROXY = '10.0.0.7'

describe('whose requests count together', () => {
  const addresses = new ClientAddresses(['10.0.0.0/24', '2001:db8:1::/48'])
  const of = (forwardedFor?: string, forwarded?: string, peer: string | undefined = PROXY) => addresses.of({peer, forwardedFor, forwarded})

  it('is told by the connection where no proxy is trusted, on loopback too', () => {
    const nobody = new ClientAddresses([])
    for (const peer of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '203.0.113.9'])
      expect(nobody.of({peer, forwardedFor: '198.51.100.1', forwarded: 'for=198.51.100.1'})).toBe(peer)
    expect(of('198.51.100.1', undefined, '203.0.113.9')).toBe('203.0.113.9')
    expect(addresses.of({peer: undefined, forwardedFor: '198.51.100.1'})).toBeUndefined()
  })

  it.each([
    ['what the proxy added', '198.51.100.1', '198.51.100.1'],
    ['nothing that the client made up left of it', '1.1.1.1, 2.2.2.2, 198.51.100.1', '198.51.100.1'],
    ['the last that is no proxy of ours', '1.1.1.1, 198.51.100.1, 10.0.0.9, 10.0.0.8', '198.51.100.1'],
    ['an address with its port', '198.51.100.1:4711', '198.51.100.1'],
    ['an IPv6 address with brackets and port', '[2001:DB8:2::1]:4711', '2001:db8:2::1'],
    ['an IPv4 address that is written as one of IPv6', '::ffff:198.51.100.1', '198.51.100.1'],
    ['the proxy itself where it does not know', '198.51.100.1, unknown', PROXY],
    ['the proxy that was asked by something nameless', '198.51.100.1, _hidden, 10.0.0.9', '10.0.0.9'],
    ['the proxy where nothing stands', '', PROXY],
    ['the first of proxies where they ask for themselves', '10.0.0.9, 10.0.0.8', '10.0.0.9'],
    ['no more than so many hops', `198.51.100.1, ${'10.0.0.9, '.repeat(20)}10.0.0.8`, '10.0.0.9']
  ])('takes %s', (_what, forwardedFor, client) => expect(of(forwardedFor)).toBe(client))

  it.each([
    ['for=198.51.100.1', '198.51.100.1'],
    ['for=1.1.1.1;by=10.0.0.7, For="[2001:db8:2::1]:80";proto=https', '2001:db8:2::1'],
    ['proto=https;for="198.51.100.1:80";host="app.example:80"', '198.51.100.1'],
    ['for=198.51.100.1;host="x;for=1.1.1.1"', PROXY],
    ['for=198.51.100.1;host="x, for=1.1.1.1"', PROXY],
    ['a=", for=198.51.100.1;host=";for=1.1.1.1;b=""', PROXY],
    ['for=198.51.100.1;for=1.1.1.1', PROXY],
    ['for=_secret', PROXY],
    ['proto=https', PROXY]
  ])('understands Forwarded: %s', (forwarded, client) => expect(of(undefined, forwarded)).toBe(client))

  it('counts to the proxy what names two clients: it writes one of the headers, and the client may have made up the other', () => {
    expect(of('198.51.100.1', 'for=198.51.100.1')).toBe('198.51.100.1')
    expect(of('198.51.100.1', 'for=1.1.1.1')).toBe(PROXY)
    expect(of('198.51.100.1', 'proto=https')).toBe(PROXY)
  })

  it.each(['10.0.0.0/0', '10.0.0.0/33', '::/129', 'proxy.example', '10.0.0', '', '10.0.0.0/', '10.0.0.0/8/8'])(
    'refuses to trust "%s"',
    (proxy) => {
      expect(() => new ClientAddresses([proxy])).toThrow(
        expect.objectContaining({code: 'usage', hint: expect.stringContaining('10.0.0.0/24')})
      )
    }
  )
})

describe('a coordinator that trusts a proxy', () => {
  let world: Awaited<ReturnType<typeof startWorld>>
  /** Each address may make five requests, and then one in a second. */
  const operatorSettings = {requestsPerSecondMax: 1, trustedProxies: ['127.0.0.2']}
  beforeAll(async () => {
    world = await startWorld({operatorSettings})
  })
  afterAll(() => world.close())

  const ask = (localAddress: string, headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request(new URL('/v1/network', world.actors.url), {localAddress, headers, agent: false}, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.on('error', reject).end()
    })
  const many = (localAddress: string, headersOf: (index: number) => Record<string, string>) =>
    Promise.all(Array.from({length: 100}, (_, index) => ask(localAddress, headersOf(index))))

  it.each<[string, string, Record<string, string>, string]>([
    ['without a proxy', '127.0.0.3', {}, '127.0.0.3; proxy=none'],
    ['through one that it trusts', '127.0.0.2', {'x-forwarded-for': '198.51.100.9'}, '198.51.100.9; proxy=trusted'],
    ['through another one', '127.0.0.4', {'x-forwarded-for': '198.51.100.9'}, '127.0.0.4; proxy=untrusted']
  ])('tells a client that asks %s how it sees it', async (_, localAddress, headers, seen) => {
    const answered = await new Promise<unknown>((resolve, reject) => {
      const asked = request(new URL('/v1/network', world.actors.url), {localAddress, headers, agent: false}, (answer) => {
        answer.resume().on('end', () => resolve(answer.headers['creo-seen']))
      })
      asked.on('error', reject).end()
    })
    expect(answered).toBe(seen)
  })

  it('limits each of its clients, and none for what another does', async () => {
    const flood = await many('127.0.0.2', () => ({'x-forwarded-for': '198.51.100.1'}))
    expect(flood).toContain(429)
    expect(await ask('127.0.0.2', {'x-forwarded-for': '198.51.100.2'})).toBe(200)
    expect(await ask('127.0.0.2', {forwarded: 'for=198.51.100.3'})).toBe(200)
  })

  it('limits a client that makes up who asked before it', async () => {
    expect(await many('127.0.0.2', (index) => ({'x-forwarded-for': `192.0.2.${index}, 198.51.100.4`}))).toContain(429)
  })

  it('believes nobody else, on this machine neither', async () => {
    expect(await many('127.0.0.3', (index) => ({'x-forwarded-for': `192.0.2.${index}`}))).toContain(429)
  })
})
