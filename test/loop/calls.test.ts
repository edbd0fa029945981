import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {beforeAll, expect, test} from 'vitest'
import {stringify} from 'yaml'
import {z} from 'zod'
import {ask} from '../../src/compose/ask.ts'
import {everythingPaid} from '../../src/compose/tour/receipts-paid.ts'
import {appUrl} from '../../src/compose/tour/steps-apps.ts'
import {LEAF, MINERS, ORGS} from '../../src/compose/tour/steps-network.ts'
import {LoopWorld} from './loop-world.ts'

const SET_UP_TIMEOUT_MS = 180_000

/** Says who it is and how far away it was asked from, or asks another one: by node:http or fetch, under its own name or with a forged host. */
const SERVER = `import {randomUUID} from 'node:crypto'
import {createServer, get} from 'node:http'
const instance = randomUUID()
const got = (options) => new Promise((resolve) => {
  get(options, async (answer) => {
    const text = (await Array.fromAsync(answer)).join('')
    resolve({status: answer.statusCode, error: answer.headers['creo-error'], text})
  }).on('error', ({code}) => resolve({failed: code}))
})
const fetched = async (url) => {
  try {
    const answer = await fetch(url)
    return {status: answer.status, error: answer.headers.get('creo-error') ?? undefined, text: await answer.text()}
  } catch ({cause}) {
    return {failed: cause.code}
  }
}
const ways = {
  '/http': ({to}) => got(to),
  '/fetch': ({to}) => fetched(to),
  '/forge': ({host, path}) => got({host: '127.0.0.1', port: 80, path, headers: {host}}),
  '/loop': () => got('http://front.internal/loop'),
  '/out': () => {
    const {hostname, port} = new URL(process.env.HTTP_PROXY)
    return got({hostname, port, path: 'http://coordinator.internal/v1/network'})
  }
}
createServer(async (request, response) => {
  const {pathname, searchParams} = new URL(request.url, 'http://function')
  const way = ways[pathname]
  const said = way === undefined ? undefined : await way(Object.fromEntries(searchParams))
  const {'creo-hops': hops, host} = request.headers
  // Told on, so that the first in the circle hears of it.
  if (said?.status === 508) return void response.writeHead(508).end(said.text)
  response.end(JSON.stringify(said ?? {name: process.env.NAME, hops, host, instance}))
}).listen(process.env.PORT)
`

const answerSchema = z.object({
  status: z.int().optional(),
  error: z.string().optional(),
  failed: z.string().optional(),
  text: z.string().optional()
})

let world: LoopWorld
beforeAll(async () => {
  world = await LoopWorld.make()
  await deployTalk()
  return () => world.close()
}, SET_UP_TIMEOUT_MS)

/** The app \`talk\` with a function that calls another one and itself, and reaches the coordinator as well. */
async function deployTalk(): Promise<void> {
  const folder = join(world.folder, 'talk')
  const rewards = [{incentive: LEAF, perMillion: {requests: '2000'}, dailyBudget: '100'}]
  const fn = (name: string, more: object) => ({source: './fn', command: ['node', 'server.mjs'], env: {NAME: name}, rewards, ...more})
  const functions = {front: fn('front', {calls: ['back', 'front'], egress: ['coordinator.internal']}), back: fn('back', {})}
  const manifest = {app: 'talk', org: ORGS.shop, routes: [{path: '/', function: 'front'}], functions}
  await mkdir(join(folder, 'fn'), {recursive: true})
  await writeFile(join(folder, 'fn', 'server.mjs'), SERVER)
  await writeFile(join(folder, 'creo.yaml'), stringify(manifest))
  await world.creo(['deploy', folder, '--as', ORGS.shop], z.unknown())
}

async function front(path: string): Promise<{status: number; text: string}> {
  return await ask(`${appUrl(world, 'talk', ORGS.shop)}${path}`, {signal: world.signal})
}

async function asked(path: string): Promise<z.output<typeof answerSchema>> {
  return answerSchema.parse(JSON.parse((await front(path)).text))
}

test('a function asks another one by its name, with node:http and with fetch, and is paid for like any', async () => {
  for (const way of ['http', 'fetch']) {
    const {status, text = ''} = await asked(`/${way}?to=http://back.internal/who`)
    expect([status, JSON.parse(text)]).toEqual([200, {name: 'back', hops: '1', host: 'back.internal', instance: expect.any(String)}])
  }
  const self = await asked('/http?to=http://front.internal/who')
  expect(JSON.parse(self.text ?? '')).toMatchObject({name: 'front', hops: '1'})
  const {paid, served} = await everythingPaid(world, ORGS.shop)
  expect(paid).toBe(served)
})

test('a function reaches what its manifest names beside its calls', async () => {
  const {status, text = ''} = await asked('/out')
  expect([status, JSON.parse(text)]).toEqual([200, expect.objectContaining({id: expect.any(String)})])
})

test('a function finds no other name, and gets nowhere by forging one', async () => {
  for (const host of ['site.internal', 'api.internal', 'nobody.internal', 'shop--colibris.localhost']) {
    const {failed} = await asked(`/http?to=http://${host}/`)
    expect(failed, host).toMatch(/^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED)$/)
  }
  const {port} = new URL(world.network.gatewayUrl)
  for (const host of ['api.internal', 'api--shop--colibris.localhost', `127.0.0.1:${port}`, 'coordinator.internal', 'x.internal']) {
    for (const path of ['/', '/.creo/metrics', '/@shop--colibris/']) {
      expect(await asked(`/forge?host=${host}&path=${path}`), host).toMatchObject({status: 403, error: 'forbidden'})
    }
  }
  expect(await asked('/forge?host=back.internal&path=/who')).toMatchObject({status: 200})
})

test('a function that calls itself without end is told so', async () => {
  const {status, text} = await front('/loop')
  expect([status, JSON.parse(text).error.code]).toEqual([508, 'loop_detected'])
})

test('containers that a killed miner left call each other again under the next one', async () => {
  const before = await Promise.all(['front', 'back'].map((name) => asked(`/http?to=http://${name}.internal/who`)))
  await world.network.role(MINERS.leaf).kill()
  await world.network.startMiner({name: MINERS.leaf, earn: [LEAF]})
  await world.servesAgain()
  const after = await Promise.all(['front', 'back'].map((name) => asked(`/http?to=http://${name}.internal/who`)))
  expect(after).toEqual(before)
})
