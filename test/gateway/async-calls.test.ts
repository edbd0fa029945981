import type {IncomingMessage, RequestListener} from 'node:http'
import {expect, it, onTestFinished} from 'vitest'
import {acceptedCallSchema, type CallView, callViewSchema} from '../../src/core/protocol/async.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

/** What a function was asked. */
interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Keeps what the function was asked, and answers as the test says. */
function recorder(answer: (asked: Asked, count: number) => {status?: number; body?: string; headers?: Record<string, string>} | undefined) {
  const asked: Asked[] = []
  const serve: RequestListener = (request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      const one = {method: request.method ?? '', url: request.url ?? '', headers: request.headers, body}
      asked.push(one)
      const said = answer(one, asked.length)
      if (said !== undefined) response.writeHead(said.status ?? 200, said.headers ?? {}).end(said.body ?? '')
    })
  }
  return {asked, serve}
}

async function openWorld(options: Parameters<typeof openGatewayWorld>[0] = {}): Promise<GatewayWorld> {
  const world = await openGatewayWorld({...options, async: {backoffFirstMs: 5, ...options.async}})
  onTestFinished(() => world.close())
  return world
}

async function post(world: GatewayWorld, path: string, options: Parameters<GatewayWorld['ask']>[1] = {}) {
  const answer = await world.ask(`/async${path}`, {method: 'POST', ...options})
  if (answer.status !== 202) throw new Error(`${answer.status}: ${answer.body}`)
  return {...answer, ...acceptedCallSchema.parse(JSON.parse(answer.body))}
}

async function show(world: GatewayWorld, id: string): Promise<CallView> {
  return callViewSchema.parse(JSON.parse((await world.ask(`/async/calls/${id}`)).body))
}

async function ended(world: GatewayWorld, id: string): Promise<CallView> {
  await expect.poll(async () => (await show(world, id)).state).not.toMatch(/queued|running/)
  return show(world, id)
}

it('a call is answered at once with an id, and its result is there later', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({status: 201, body: 'made', headers: {'x-made': 'yes'}}))
  await world.addMiner({serve})
  const headers = {'content-type': 'text/plain', authorization: 'Bearer x', 'creo-call-id': 'forged', connection: 'x-mine', 'x-mine': '1'}
  const {id, location, state, ...accepted} = await post(world, '/api/orders?of=ana', {body: 'two trees', headers})
  expect([state, location, accepted.headers.location]).toEqual(['queued', `/async/calls/${id}`, `/async/calls/${id}`])
  const call = await ended(world, id)
  expect(call).toMatchObject({state: 'succeeded', function: 'acme/shop/api', method: 'POST', target: '/api/orders?of=ana', attempts: 1})
  expect(call.result).toMatchObject({status: 201, body: 'made', encoding: 'utf8', truncated: false, headers: {'x-made': 'yes'}})
  expect(asked).toHaveLength(1)
  expect(asked[0]).toMatchObject({method: 'POST', url: '/api/orders?of=ana', body: 'two trees'})
  expect(asked[0]?.headers).toMatchObject({
    'content-type': 'text/plain',
    authorization: 'Bearer x',
    'creo-call-id': id,
    'creo-attempt': '1',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'shop--acme.localhost'
  })
  expect(asked[0]?.headers).not.toHaveProperty('x-mine')
})

it('a call can be posted to one function and by path on loopback, and is looked at where it was posted', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({body: 'ok'}))
  await world.addMiner({serve})
  const byFunction = await post(world, '/x', {host: 'api--shop--acme.localhost'})
  const byPath = await world.ask('/@shop--acme/async/api/y', {method: 'POST', host: '127.0.0.1'})
  const {id, location} = acceptedCallSchema.parse(JSON.parse(byPath.body))
  expect(location).toBe(`/@shop--acme/async/calls/${id}`)
  expect(await ended(world, byFunction.id)).toMatchObject({state: 'succeeded', function: 'acme/shop/api'})
  await expect.poll(async () => JSON.parse((await world.ask(location, {host: '127.0.0.1'})).body).state).toBe('succeeded')
  expect(asked.map(({url}) => url).sort()).toEqual(['/api/y', '/x'])
})

it('a client cannot pass itself off as a delivery, and what only begins like a call is an ordinary request', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({body: 'ok'}))
  await world.addMiner({serve})
  await world.ask('/page', {headers: {'creo-call-id': 'x', 'creo-attempt': '9', 'creo-scheduled-at': 'now'}})
  await world.ask('/async/page')
  await world.ask('/asynchronous', {method: 'POST'})
  expect(asked.map(({method, url}) => `${method} ${url}`)).toEqual(['GET /page', 'GET /async/page', 'POST /asynchronous'])
  for (const name of ['creo-call-id', 'creo-attempt', 'creo-scheduled-at']) expect(asked[0]?.headers).not.toHaveProperty(name)
})

it('a call that fails for a while is tried again under the same id until it succeeds', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder((_, count) => (count < 4 ? {status: 503} : {body: 'at last'}))
  await world.addMiner({serve})
  const {id} = await post(world, '/', {body: 'x'})
  expect(await ended(world, id)).toMatchObject({state: 'succeeded', attempts: 4})
  expect(asked.map(({headers, body}) => [headers['creo-call-id'], headers['creo-attempt'], body])).toEqual(
    ['1', '2', '3', '4'].map((attempt) => [id, attempt, 'x'])
  )
})

it('an answer that will not change ends a call, which waits to be tried again by hand', async () => {
  const world = await openWorld()
  let status = 422
  const {asked, serve} = recorder(() => ({status, body: 'no'}))
  await world.addMiner({serve})
  const {id} = await post(world, '/', {body: 'x'})
  expect(await ended(world, id)).toMatchObject({state: 'failed', attempts: 1, error: {code: 'failed'}, result: {status: 422, body: 'no'}})
  status = 200
  const again = await world.ask(`/async/calls/${id}/retry`, {method: 'POST'})
  expect(again.status).toBe(200)
  expect(await ended(world, id)).toMatchObject({state: 'succeeded', attempts: 1})
  expect(asked.map(({body}) => body)).toEqual(['x', 'x'])
  const late = await world.ask(`/async/calls/${id}/retry`, {method: 'POST'})
  expect([late.status, late.headers['creo-error']]).toEqual([409, 'conflict'])
})

it('a waiting call and one under way can be cancelled, once and for all', async () => {
  const world = await openWorld({spec: {concurrency: 1, scaleMax: 1}})
  const gone = Promise.withResolvers<void>()
  const {asked, serve} = recorder(() => undefined)
  await world.addMiner({
    serve: (request, response) => {
      serve(request, response)
      response.on('close', () => gone.resolve())
    }
  })
  const first = await post(world, '/first')
  const second = await post(world, '/second')
  await expect.poll(async () => (await show(world, first.id)).state).toBe('running')
  expect((await show(world, second.id)).state).toBe('queued')
  for (const {id} of [second, first, first]) {
    const cancelled = await world.ask(`/async/calls/${id}`, {method: 'DELETE'})
    expect([cancelled.status, JSON.parse(cancelled.body).state]).toEqual([200, 'cancelled'])
  }
  await gone.promise
  expect(asked.map(({url}) => url)).toEqual(['/first'])
})

it('the same idempotency key is the same call, and with another content refused', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({body: 'ok'}))
  await world.addMiner({serve})
  const headers = {'idempotency-key': 'order-17', authorization: 'Bearer ana'}
  const first = await post(world, '/', {body: 'x', headers})
  await ended(world, first.id)
  const second = await post(world, '/', {body: 'x', headers})
  expect([second.id, second.state]).toEqual([first.id, 'succeeded'])
  const refused = await world.ask('/async/', {method: 'POST', body: 'y', headers})
  expect([refused.status, refused.headers['creo-error']]).toEqual([409, 'idempotency_conflict'])
  expect(asked).toHaveLength(1)
})

it('an idempotency key is of one client at one address: no other one learns of its call, takes its key, or loses a call by it', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({body: 'ok'}))
  await world.addMiner({serve})
  const headers = {'idempotency-key': 'order-17'}
  const other = {...headers, authorization: 'Bearer eve'}
  const posted = [
    await post(world, '/x', {host: 'api--shop--acme.localhost', body: 'x', headers}),
    await post(world, '/x', {host: 'site--shop--acme.localhost', body: 'x', headers}),
    await post(world, '/x', {host: 'site--shop--acme.localhost', body: 'x', headers: other}),
    await post(world, '/x', {host: 'site--shop--acme.localhost', body: 'x', headers: {...headers, cookie: 'a=b'}})
  ]
  for (const prefix of ['/@api--shop--acme', '/@site--shop--acme']) {
    const answer = await world.ask(`${prefix}/async/x`, {method: 'POST', host: '127.0.0.1', body: 'x', headers})
    posted.push({...answer, ...acceptedCallSchema.parse(JSON.parse(answer.body))})
  }
  expect(new Set(posted.map(({id}) => id)).size).toBe(6)
  await expect.poll(() => asked.length).toBe(6)
})

it('the result is told to a path of the same app, as often as it takes', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(({url}, count) => {
    if (url === '/work') return {status: 200, body: 'done'}
    return count < 3 ? {status: 500} : {status: 204}
  })
  await world.addMiner({serve})
  const {id} = await post(world, '/work', {headers: {'creo-callback': '/told'}})
  await expect.poll(() => asked.map(({url}) => url)).toEqual(['/work', '/told', '/told'])
  const told = callViewSchema.parse(JSON.parse(asked[2]?.body ?? ''))
  expect(told).toMatchObject({id, state: 'succeeded', result: {status: 200, body: 'done'}})
  expect(asked[1]?.headers['creo-call-id']).toBe(asked[2]?.headers['creo-call-id'])
})

it('a full queue refuses with a time to come back, and no app takes more than its share', async () => {
  const world = await openWorld({spec: {concurrency: 1, scaleMax: 1}, async: {limits: {entriesMax: 8, bytesMax: 1e6, appShare: 0.5}}})
  const released = Promise.withResolvers<void>()
  await world.addMiner({serve: (_, response) => void released.promise.then(() => response.end())})
  const taken = [await post(world, '/'), await post(world, '/'), await post(world, '/'), await post(world, '/')]
  const refused = await world.ask('/async/', {method: 'POST'})
  expect([refused.status, refused.headers['creo-error'], refused.headers['retry-after']]).toEqual([429, 'rate_limited', '2'])
  for (const {id} of taken) await world.ask(`/async/calls/${id}`, {method: 'DELETE'})
  released.resolve()
  expect((await ended(world, (await post(world, '/')).id)).state).toBe('succeeded')
})

it('an answer is told whole as long as there is room for it, and of any answer at least what has become of the call', async () => {
  const limits = {entriesMax: 10, bytesMax: 900_000, appShare: 1}
  const world = await openWorld({async: {limits}})
  const body = '\u0001'.repeat(256 * 1024)
  const told: CallView[] = []
  const {serve} = recorder(({url, body: said}) => {
    if (url === '/work') return {status: 200, body}
    told.push(callViewSchema.parse(JSON.parse(said)))
    return {status: 503, headers: {'retry-after': '3000'}}
  })
  await world.addMiner({serve})
  const ids: string[] = []
  for (let count = 1; count <= 3; count += 1) {
    ids.push((await post(world, '/work', {headers: {'creo-callback': '/told'}})).id)
    await expect.poll(() => told.length).toBe(count)
  }
  expect(told.map(({id}) => id)).toEqual(ids)
  expect(told.map(({state, result}) => [state, result?.status, result?.encoding, result?.truncated, result?.body.length])).toEqual([
    ['succeeded', 200, 'base64', false, 349_528],
    ['succeeded', 200, 'base64', false, 349_528],
    ['succeeded', 200, 'utf8', true, 0]
  ])
  expect((await show(world, ids[2] ?? '')).result).toMatchObject({truncated: false, encoding: 'base64'})
})

it('no call is taken where the disk would be nearly full, and what was taken goes on', async () => {
  let free = 2 ** 30
  const world = await openWorld({async: {disk: {freeBytesMin: 2 ** 29, freeBytes: async () => free}}})
  const {serve} = recorder(({url}) => (url === '/work' ? {body: 'done'} : {status: 204}))
  const {id} = await post(world, '/work', {headers: {'creo-callback': '/told'}})
  free = 2 ** 29
  await expect
    .poll(async () => {
      const {status, headers} = await world.ask('/async/work', {method: 'POST'})
      return [status, headers['creo-error']]
    })
    .toEqual([503, 'unavailable'])
  await world.addMiner({serve})
  expect((await ended(world, id)).state).toBe('succeeded')
})

it('what cannot be a call is refused with a reason', async () => {
  const world = await openWorld()
  const refusals: readonly (readonly [string, Parameters<GatewayWorld['ask']>[1], number, string])[] = [
    ['/async/x', {host: 'nobody--acme.localhost'}, 404, 'not_found'],
    ['/async/x', {headers: {'creo-callback': 'http://example.org/'}}, 400, 'invalid_input'],
    ['/async/x', {headers: {'creo-callback': 'https://127.0.0.1/'}}, 403, 'forbidden'],
    ['/async/x', {headers: {'creo-callback': 'https://[::ffff:10.0.0.1]/'}}, 403, 'forbidden'],
    ['/async/x', {headers: {'creo-callback': 'https://2130706433/'}}, 403, 'forbidden'],
    ['/async/x', {headers: {'creo-callback': 'https://example.org:25/'}}, 403, 'forbidden'],
    ['/async/x', {headers: {'idempotency-key': 'k'.repeat(256)}}, 400, 'invalid_input'],
    ['/async/x', {body: 'x'.repeat(2 ** 20 + 1)}, 413, 'payload_too_large'],
    ['/async/calls/call_unknown/retry', {}, 404, 'not_found']
  ]
  for (const [path, options, status, code] of refusals) {
    const answer = await world.ask(path, {method: 'POST', ...options})
    expect([answer.status, answer.headers['creo-error']], JSON.stringify(options)).toEqual([status, code])
  }
})

it('calls that wait are delivered after a restart, and their results are still known', async () => {
  const world = await openWorld()
  const {asked, serve} = recorder(() => ({body: 'ok'}))
  const done = await world.addMiner({serve, refuseStart: () => undefined})
  const first = await post(world, '/first')
  await ended(world, first.id)
  await done.close()
  const second = await post(world, '/second', {body: 'kept'})
  await world.restart()
  await world.addMiner({serve})
  expect(await ended(world, second.id)).toMatchObject({state: 'succeeded'})
  expect(await show(world, first.id)).toMatchObject({state: 'succeeded', result: {body: 'ok'}})
  expect(asked.map(({url, body}) => url + body)).toEqual(['/first', '/secondkept'])
})
