import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {request} from 'node:http'
import {afterEach, describe, expect, test} from 'vitest'
import {runFunction as run, stopFunction as stop, stopFunctions} from '../support/function-server.ts'

afterEach(stopFunctions)

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

describe.each(['examples/colibris/site', 'examples/colibris/api'])('the server of %s', (folder) => {
  test('answers a target that is no URL, and goes on', async () => {
    const {url, child} = await run(folder)
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

interface Answer {
  readonly error: {readonly code: string}
  readonly prime: number
}

async function json(url: string, init?: RequestInit): Promise<Answer> {
  return (await (await fetch(url, init)).json()) as Answer
}
