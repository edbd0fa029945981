import {createServer, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, describe, expect, it} from 'vitest'
import {manifestSchema} from '../../src/core/manifest.ts'
import {appAddress, askApp} from '../../src/developer/addresses.ts'
import {awaitFirstAnswers} from '../../src/developer/first-answers.ts'

const signal = new AbortController().signal
let server: Server | undefined
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
  server = undefined
})

/** A gateway on loopback whose n-th answer is `answer(n)`. */
async function gateway(answer: (count: number, response: ServerResponse) => void): Promise<string> {
  let count = 0
  server = createServer((_, response) => {
    count += 1
    answer(count, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function refuse(response: ServerResponse, code: string, status: number): void {
  const error = {code, message: 'Nothing runs it.', hint: 'Wait.'}
  response.writeHead(status, {'content-type': 'application/json', 'creo-error': code}).end(JSON.stringify({error}))
}

function answerAs(response: ServerResponse, revision: string): void {
  response.writeHead(200, {'creo-revision': revision}).end('ok')
}

function both(revision: string): ReadonlyMap<string, string> {
  return new Map([
    ['site', revision],
    ['api', revision]
  ])
}

const manifest = manifestSchema.parse({
  app: 'shop',
  org: 'colibris',
  routes: [
    {path: '/api', function: 'api'},
    {path: '/', function: 'site'}
  ],
  functions: {site: {source: './site'}, api: {source: './api'}}
})

describe('an address of an app', () => {
  it.each([
    ['http://localhost:7801', 'http://localhost:7801/@shop--colibris'],
    ['http://127.0.0.1:7801/', 'http://127.0.0.1:7801/@shop--colibris'],
    ['https://apps.example', 'https://shop--colibris.apps.example'],
    ['https://apps.example:8443', 'https://shop--colibris.apps.example:8443']
  ])('at %s is %s', (publicUrl, expected) => {
    expect(appAddress(publicUrl, manifest)).toBe(expected)
  })
})

describe('asking an app', () => {
  it('tells what the gateway says from what the function says', async () => {
    const url = await gateway((count, response) => {
      if (count === 1) refuse(response, 'no_instance', 503)
      else response.writeHead(503, {'content-type': 'application/json'}).end('{"error":{"code":"no_instance","message":"mine"}}')
    })
    await expect(askApp({url, signal})).rejects.toMatchObject({code: 'no_instance', message: 'Nothing runs it.', hint: 'Wait.'})
    expect(await askApp({url, signal})).toMatchObject({status: 503})
  })

  it('says that no gateway answers', async () => {
    const url = await gateway(() => undefined)
    await new Promise((resolve) => server?.close(resolve))
    await expect(askApp({url, signal})).rejects.toMatchObject({code: 'unavailable', hint: 'creo gateway serve'})
  })
})

describe('first answers', () => {
  it('come from every routed function, asked until it speaks for itself', async () => {
    const address = await gateway((count, response) => (count < 4 ? refuse(response, 'not_found', 404) : answerAs(response, 'rev_64')))
    const answers = await awaitFirstAnswers({manifest, revisions: both('rev_64'), addressOf: () => address, waitMs: 20_000, signal})
    expect(answers).toMatchObject([
      {function: 'site', url: `${address}/`, status: 200},
      {function: 'api', url: `${address}/api`, status: 200}
    ])
  })

  it('are those of the new revision, not of the one that it replaces', async () => {
    const address = await gateway((count, response) => answerAs(response, count < 4 ? 'rev_64' : 'rev_128'))
    const answers = await awaitFirstAnswers({manifest, revisions: both('rev_128'), addressOf: () => address, waitMs: 20_000, signal})
    expect(answers).toMatchObject([{status: 200}, {status: 200}])
    await expect(
      awaitFirstAnswers({manifest, revisions: both('rev_192'), addressOf: () => address, waitMs: 1, signal})
    ).rejects.toMatchObject({
      code: 'still_running',
      message: expect.stringContaining('rev_128')
    })
  })

  it('that do not come in time say what the gateway said last', async () => {
    const address = await gateway((_, response) => refuse(response, 'reward_pool_empty', 503))
    await expect(
      awaitFirstAnswers({manifest, revisions: both('rev_64'), addressOf: () => address, waitMs: 1, signal})
    ).rejects.toMatchObject({
      code: 'still_running',
      message: expect.stringContaining('reward_pool_empty')
    })
  })
})
