import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {Agent, request} from 'undici'
import {expect, it, onTestFinished} from 'vitest'
import {z} from 'zod'
import {acceptedCallSchema, callViewSchema} from '../../src/core/protocol/async.ts'
import {type RoutesTable, routesTableSchema} from '../../src/core/protocol/tables.ts'
import {gatewayIdOf, generateKeyPair, loadOrCreateKeyFile, nodeIdOf} from '../../src/identity/keys.ts'
import {signTable} from '../../src/identity/tables.ts'
import {startFakeMiner} from '../support/fake-miner.ts'

const GATEWAY = fileURLToPath(new URL('./async-gateway.ts', import.meta.url))
const NETWORK = 'd'.repeat(64)
const ROUNDS = process.env.CREO_TEST_TIER === 'long' ? 40 : 8
const CLIENTS = 8
/** A gateway that was started is killed after so long at most: also before it has done anything. */
const LIFE_MAX_MS = 500
const DAY_MS = 86_400_000
const HOST = 'shop--acme.localhost'

const spec = {
  command: [],
  port: 8080,
  memoryBytes: 64 * 2 ** 20,
  cpuMillis: 100,
  concurrency: 50,
  timeoutMs: 5000,
  scaleMin: 0,
  scaleMax: 1,
  env: {},
  egress: [],
  rewards: []
}

class Killed {
  readonly agent = new Agent({connections: CLIENTS * 2})
  #process: ChildProcess | undefined
  #ports = ['0', '0']
  urls = {public: '', tunnel: ''}
  readonly #folder: string
  readonly #coordinatorKey: string

  constructor(folder: string, coordinatorKey: string) {
    this.#folder = folder
    this.#coordinatorKey = coordinatorKey
  }

  async start(): Promise<void> {
    const args = [GATEWAY, this.#folder, NETWORK, this.#coordinatorKey, ...this.#ports]
    const child = spawn(process.execPath, args, {stdio: ['pipe', 'pipe', 'inherit']})
    this.#process = child
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    this.urls = z.object({public: z.string(), tunnel: z.string()}).parse(JSON.parse(line))
    this.#ports = [new URL(this.urls.public).port, new URL(this.urls.tunnel).port]
  }

  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async ask(method: 'GET' | 'POST', path: string, body?: string) {
    const asked = {method, headers: {host: HOST}, ...(body !== undefined && {body}), dispatcher: this.agent}
    const {statusCode, body: answer} = await request(`${this.urls.public}${path}`, asked)
    return {status: statusCode, text: await answer.text()}
  }
}

async function world() {
  const folder = await mkdtemp(join(tmpdir(), 'creo-async-'))
  const coordinator = generateKeyPair()
  const gatewayKey = await loadOrCreateKeyFile(join(folder, 'gateway.key'))
  const minerKey = generateKeyPair()
  const node = nodeIdOf(minerKey.publicKey)
  const gateway = {id: gatewayIdOf(gatewayKey.publicKey), publicKey: gatewayKey.publicKey, name: 'gw'}
  const table: RoutesTable = {
    kind: 'routes',
    apps: [{org: 'acme', app: 'shop', routes: [{path: '/', function: 'site'}], functions: [{function: 'site', revision: 'rev_1'}]}],
    revisions: [{id: 'rev_1', org: 'acme', app: 'shop', function: 'site', imageDigest: `sha256:${'0'.repeat(64)}`, spec}],
    leases: [{id: 'lea_1', node, revision: 'rev_1', startsAtMs: 0, endsAtMs: Date.now() + DAY_MS, budgets: []}],
    nodes: [{id: node, publicKey: minerKey.publicKey, owner: `acc_${'1'.repeat(32)}`}],
    gateways: [{...gateway, tunnelUrl: 'http://127.0.0.1:1', publicUrl: 'http://localhost:1'}]
  }
  const signed = signTable({network: NETWORK, version: 1, body: z.encode(routesTableSchema, table), key: coordinator})
  await writeFile(join(folder, 'table.json'), JSON.stringify(signed))
  const killed = new Killed(folder, coordinator.publicKey)
  await killed.start()
  const served = new Map<string, {id: string; count: number}>()
  const miner = await startFakeMiner({
    gateway: {id: gateway.id, tunnelUrl: killed.urls.tunnel},
    network: NETWORK,
    key: minerKey,
    serve: (asked, answer) => {
      let text = ''
      asked.on('data', (chunk) => {
        text += String(chunk)
      })
      asked.on('end', () => {
        const id = String(asked.headers['creo-call-id'])
        const before = served.get(text)
        if (before !== undefined) expect(before.id).toBe(id)
        served.set(text, {id, count: (before?.count ?? 0) + 1})
        answer.end(text)
      })
    }
  })
  onTestFinished(async () => {
    await miner.close()
    await killed.kill()
    await killed.agent.close()
    await rm(folder, {recursive: true, force: true})
  })
  return {killed, served}
}

it(`no acknowledged call is lost by a gateway that is killed ${ROUNDS} times, and each keeps its id`, {
  timeout: 60_000 + ROUNDS * 20_000
}, async () => {
  const {killed, served} = await world()
  const acknowledged = new Map<string, string>()
  let isOver = false
  let posts = 0
  const client = async (): Promise<void> => {
    while (!isOver) {
      posts += 1
      const text = `call ${posts}`
      const answer = await killed.ask('POST', '/async/', text).catch(() => undefined)
      if (answer?.status === 202) acknowledged.set(text, acceptedCallSchema.parse(JSON.parse(answer.text)).id)
      else await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const clients = Array.from({length: CLIENTS}, client)
  for (let round = 0; round < ROUNDS; round += 1) {
    const enough = acknowledged.size + 20
    const lifeMs = Math.random() * LIFE_MAX_MS
    // Every other life ends by the clock alone, whatever it was doing; the rest have done something.
    if (round % 2 === 0) await expect.poll(() => acknowledged.size, {interval: 5}).toBeGreaterThan(enough)
    await new Promise((resolve) => setTimeout(resolve, lifeMs))
    await killed.kill()
    await killed.start()
  }
  isOver = true
  await Promise.all(clients)

  await expect.poll(() => [...acknowledged.keys()].filter((text) => !served.has(text)).length, {timeout: 60_000}).toBe(0)
  for (const [text, id] of acknowledged) expect(served.get(text)?.id).toBe(id)
  expect(acknowledged.size).toBeGreaterThan(ROUNDS * 10)
  const [last = ['', '']] = [...acknowledged].slice(-1)
  const call = async () => callViewSchema.parse(JSON.parse((await killed.ask('GET', `/async/calls/${last[1]}`)).text))
  await expect.poll(call).toMatchObject({state: 'succeeded', result: {body: last[0]}})
})
