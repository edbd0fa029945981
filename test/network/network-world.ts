import {cp, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {Agent, request} from 'undici'
import {stringify} from 'yaml'
import {z} from 'zod'
import {type RoleProcess, startRole} from '../../src/compose/role-process.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {writeFileDurably} from '../../src/config/durable-file.ts'
import {balanceViewSchema, leaseViewSchema} from '../../src/core/protocol/api.ts'
import {checkJson} from '../support/json-shapes/json-shapes.ts'
import {appsSchema, type GatewayStatus, gatewayReady, gatewayStatus} from './answers.ts'
import type {Namespaces} from './namespaces.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const MEMORY_MINER = fileURLToPath(new URL('./memory-miner.ts', import.meta.url))
const SET_CLOCK = fileURLToPath(new URL('./set-clock.ts', import.meta.url))
const FUNCTION = fileURLToPath(new URL('./function', import.meta.url))
const ORG = 'acme'
const APP = 'shop'
export const LEAF = 'acme/LEAF'
/** One minor unit a request, and nothing for time: what was paid is the number of requests that were paid. */
const ONE_A_REQUEST = '1000000'
const REQUEST_TIMEOUT_MS = 90_000
export const AT_HOME = 'miner-home'

export interface FunctionShape {
  /** Minor units a day; each leased node gets an equal share of it. */
  readonly dailyBudget?: number
  readonly scale?: {readonly min: number; readonly max: number}
  readonly timeout?: string
}

export interface Answer {
  readonly status: number
  /** What the gateway itself answers has a code. */
  readonly code: string | undefined
  readonly text: string
}

export interface NetworkOptions {
  /** Hosts that the roles run on; the miner named `AT_HOME` alone is at home. Without it everything is on this machine's loopback. */
  readonly namespaces?: Namespaces
  readonly runtime: 'memory' | 'podman'
  /** What each miner lends; a function takes 64. */
  readonly memoryMib?: number
  readonly gateways: readonly string[]
  readonly miners: readonly string[]
  readonly functions: Readonly<Record<string, FunctionShape>>
  /** Each role has a wall's clock of its own, which `setClock` sets. */
  readonly clocks?: boolean
}

/**
 * A network of real processes: a coordinator, gateways, and miners of different owners, each with a folder of its own, that can be
 * killed one by one and started again at the same addresses. Every function is `function/handle.mjs` and pays one LEAF a request.
 */
export class NetworkWorld {
  readonly folder: string
  readonly agent: Agent
  readonly #options: NetworkOptions
  readonly #end = new AbortController()
  readonly #roles = new Map<string, RoleProcess>()
  #networkId = ''
  #coordinatorUrl = ''
  readonly #gateways = new Map<string, z.output<typeof gatewayReady>>()

  private constructor(options: NetworkOptions, folder: string) {
    this.#options = options
    this.folder = folder
    const timeouts = {headersTimeout: REQUEST_TIMEOUT_MS, bodyTimeout: REQUEST_TIMEOUT_MS}
    this.agent = options.namespaces?.agent ?? new Agent({connections: 64, ...timeouts})
  }

  /** With the app deployed, and each of its functions leased to every miner. */
  static async make(options: NetworkOptions): Promise<NetworkWorld> {
    const world = new NetworkWorld(options, await mkdtemp(join(tmpdir(), 'creo-net-')))
    try {
      await world.#found()
      await Promise.all([
        ...options.gateways.map((name) => world.startGateway(name)),
        ...options.miners.map((name) => world.startMiner(name))
      ])
      await world.#deployAll()
      return world
    } catch (error) {
      await world.close()
      throw error
    }
  }

  get signal(): AbortSignal {
    return this.#end.signal
  }

  role(name: string): RoleProcess {
    const role = this.#roles.get(name)
    if (role === undefined) throw new Error(`No ${name} runs.`)
    return role
  }

  /** Sets the wall's clock of a role, ahead of this machine's by so much. */
  async setClock(role: string, aheadMs: number): Promise<void> {
    await writeFileDurably(this.#clock(role), String(aheadMs))
  }

  async creo(...args: readonly string[]): Promise<unknown> {
    const [program = '', ...first] = this.#node('coordinator')
    const {exitCode, stdout, stderr} = await execa(program, [...first, CREO, ...args, '--json'], {env: this.#env(), reject: false})
    if (exitCode !== 0) throw new Error(`creo ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`)
    checkJson(args, stdout)
    return JSON.parse(stdout)
  }

  async read<T>(path: string, answer: z.ZodType<T>): Promise<T> {
    const {body} = await request(`${this.#coordinatorUrl}${path}`, {
      dispatcher: this.agent,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    })
    return answer.parse(await body.json())
  }

  async startCoordinator(): Promise<void> {
    const listen = this.#coordinatorUrl === '' ? `${this.#address}:0` : new URL(this.#coordinatorUrl).host
    const ready = await this.#start('coordinator', [CREO, 'coordinator', 'serve', '--data', this.#data('coordinator'), '--listen', listen])
    this.#coordinatorUrl = z.looseObject({urls: z.record(z.string(), z.string())}).parse(ready).urls.api ?? ''
  }

  /** Starts a gateway, the first time also admitted, at addresses that stay. */
  async startGateway(name: string): Promise<void> {
    const before = this.#gateways.get(name)
    const listen = before === undefined ? '127.0.0.1:0' : new URL(before.urls.public).host
    const tunnel = before === undefined ? `${this.#address}:0` : new URL(before.urls.tunnel).host
    const args = ['gateway', 'serve', '--data', this.#data(name), ...this.#where(), '--listen', listen, '--tunnel', tunnel]
    this.#gateways.set(name, gatewayReady.parse(await this.#start(name, [CREO, ...args])))
    if (before === undefined) await this.admit(name)
  }

  async admit(name: string, tunnelUrl = this.gateway(name).urls.tunnel): Promise<void> {
    const {publicKey, urls} = this.gateway(name)
    const key = join(this.#data('coordinator'), 'operator.key')
    await this.creo('gateway', 'admit', publicKey, '--tunnel', tunnelUrl, '--public', urls.public, '--key', key)
  }

  async revoke(name: string): Promise<void> {
    await this.creo('gateway', 'revoke', this.gateway(name).publicKey, '--key', join(this.#data('coordinator'), 'operator.key'))
  }

  /** Starts a miner; the first time it joins under an owner of its own, who is named after it. */
  async startMiner(name: string): Promise<void> {
    const isNew = !this.#roles.has(name)
    let token: readonly string[] = []
    if (isNew) {
      await this.creo('account', 'create', ownerOf(name))
      token = ['--token', z.looseObject({token: z.string()}).parse(await this.creo('node', 'token', '--as', ownerOf(name))).token]
    }
    const args = [
      '--data',
      this.#data(name),
      ...this.#where(),
      '--name',
      name,
      '--earn',
      LEAF,
      '--memory',
      `${this.#options.memoryMib ?? 2048}MiB`,
      ...token
    ]
    const program = this.#options.runtime === 'memory' ? [MEMORY_MINER] : [CREO, 'mine', 'start', '--on-battery=yes']
    await this.#start(name, [...program, ...args])
  }

  gateway(name: string): z.output<typeof gatewayReady> {
    const gateway = this.#gateways.get(name)
    if (gateway === undefined) throw new Error(`No ${name} was started.`)
    return gateway
  }

  node(miner: string): string {
    return z.looseObject({node: z.string()}).parse(this.role(miner).ready).node
  }

  async status(gateway: string): Promise<GatewayStatus> {
    const {body} = await request(`${this.gateway(gateway).urls.tunnel}/.creo/status`, {dispatcher: this.agent})
    return gatewayStatus.parse(await body.json())
  }

  /** One request to a function by its own address. */
  async ask(
    gateway: string,
    name: string,
    path = '/',
    init: {readonly method?: 'GET' | 'POST'; readonly body?: Buffer; readonly signal?: AbortSignal} = {}
  ): Promise<Answer> {
    const {statusCode, headers, body} = await request(`${this.gateway(gateway).urls.public}/@${name}--${APP}--${ORG}${path}`, {
      ...init,
      dispatcher: this.agent
    })
    const text = await body.text()
    return {status: statusCode, code: headers['creo-error'] as string | undefined, text}
  }

  /** Until the function answers. */
  async answers(gateway: string, name: string): Promise<void> {
    await eventually(`${name} answers`, this.signal, async () => {
      const answer = await this.ask(gateway, name).catch(() => undefined)
      return answer?.status === 200 ? true : undefined
    })
  }

  /** Requests that gateways have answered from functions, since ever. */
  async served(name?: string): Promise<number> {
    const all = await Promise.all([...this.#gateways.keys()].map((gateway) => this.status(gateway)))
    const revisions = all.flatMap(({revisions: list}) => list).filter((entry) => name === undefined || entry.function === name)
    return revisions.reduce((sum, {requests}) => sum + requests, 0)
  }

  /** Requests that owners of miners were paid for: at one LEAF each that is what they have. */
  async paid(): Promise<number> {
    const all = await Promise.all(
      this.#options.miners.map((miner) =>
        this.read(`/v1/accounts/${ownerOf(miner)}/balances`, z.object({balances: z.array(balanceViewSchema)}))
      )
    )
    return all.flatMap(({balances}) => balances).reduce((sum, {amountMinor}) => sum + amountMinor, 0)
  }

  /** Waits until just as much is paid as was served, but for what is known to be unpaid. Answers what was served. */
  async everythingPaid(unpaid = 0): Promise<number> {
    let last = ''
    const settled = async (): Promise<number | undefined> => {
      const [served, paid] = [await this.served(), await this.paid()]
      if (paid > served) throw new Error(`${paid} requests were paid of ${served} that were served`)
      last = `${paid} paid and ${unpaid} unpaid of ${served}`
      return paid + unpaid === served ? served : undefined
    }
    return await eventually('everything that was served is paid', this.signal, settled).catch((error: unknown) => {
      throw new Error(last, {cause: error})
    })
  }

  /** What the nodes may earn of this function in all, in minor units. */
  async leased(name: string): Promise<{readonly leases: number; readonly minor: number}> {
    const {apps} = await this.read(`/v1/apps?org=${ORG}`, appsSchema)
    const revision = apps.flatMap((app) => app.revisions).find((entry) => entry.current && entry.function === name)?.id
    const {leases} = await this.read('/v1/leases?status=active', z.object({leases: z.array(leaseViewSchema)}))
    const budgets = leases.filter((lease) => lease.revision === revision).flatMap((lease) => lease.budgets)
    return {leases: budgets.length, minor: budgets.reduce((sum, {reservedMinor}) => sum + reservedMinor, 0)}
  }

  /** Before the app another one, by which gateways get to know every miner: one that knew the first alone would start everything there. */
  async #deployAll(): Promise<void> {
    await this.#deploy('first', {first: {}})
    for (const gateway of this.#gateways.keys()) {
      const all = async (): Promise<true | undefined> =>
        (await this.status(gateway)).miners.length === this.#options.miners.length ? true : undefined
      await eventually(`${gateway} has every miner`, this.signal, all)
    }
    await this.#deploy(APP, this.#options.functions)
  }

  async #deploy(app: string, shapes: NetworkOptions['functions']): Promise<void> {
    const folder = join(this.folder, app)
    await cp(FUNCTION, join(folder, 'function'), {recursive: true})
    const functions = Object.entries(shapes).map(([name, shape]) => [name, this.#manifestOf(shape)] as const)
    const manifest = {app, org: ORG, routes: [{path: '/', function: functions[0]?.[0]}], functions: Object.fromEntries(functions)}
    await writeFile(join(folder, 'creo.yaml'), stringify(manifest))
    await this.creo('deploy', folder, '--as', ORG)
    for (const [name] of functions) {
      const leased = async (): Promise<true | undefined> =>
        (await this.leased(name)).leases >= this.#options.miners.length ? true : undefined
      await eventually(`${name} is leased`, this.signal, leased)
    }
  }

  #manifestOf({dailyBudget = 2_000_000, scale = {min: 0, max: 4}, timeout = '30s'}: FunctionShape): object {
    const rewards = [{incentive: LEAF, perMillion: {requests: ONE_A_REQUEST, mibMs: '0'}, dailyBudget: String(dailyBudget)}]
    const start = {source: './function', base: this.#options.runtime === 'memory' ? 'scratch' : 'node', command: ['node', 'server.mjs']}
    return {...start, memory: '64MiB', cpu: 0.25, concurrency: 50, timeout, scale, rewards}
  }

  async close(): Promise<void> {
    const names = [...this.#roles.keys()]
    const rank = (name: string): number => (name === 'coordinator' ? 2 : this.#gateways.has(name) ? 1 : 0)
    for (const each of [0, 1, 2]) await Promise.all(names.filter((name) => rank(name) === each).map((name) => this.role(name).stop()))
    this.#end.abort()
    if (this.#options.namespaces === undefined) await this.agent.destroy()
    await rm(this.folder, {recursive: true, force: true})
  }

  async #found(): Promise<void> {
    await mkdir(join(this.folder, 'logs'))
    const data = this.#data('coordinator')
    const flags = ['--development', '--epoch', '1h', '--emission', '10', '--exchange-org', 'creometry']
    const init = z.looseObject({networkId: z.string()}).parse(await this.creo('coordinator', 'init', '--data', data, ...flags))
    this.#networkId = init.networkId
    await this.startCoordinator()
    await this.creo('network', 'join', this.#coordinatorUrl, '--id', this.#networkId)
    await this.creo('account', 'create', ORG)
    const supply = '--name Leaf --supply 1000000000 --decimals 0 --lot 1 --limit 3 --offer Tea --offer-price 1 --offer-stock 5'.split(' ')
    await this.creo('incentive', 'issue', 'LEAF', ...supply, '--as', ORG)
    await this.creo('incentive', 'fund', LEAF, '100000000', '--as', ORG)
  }

  async #start(name: string, args: readonly string[]): Promise<unknown> {
    const {clocks = false} = this.#options
    if (clocks && !this.#roles.has(name)) await this.setClock(name, 0)
    const [program, env] = clocks ? [['--import', SET_CLOCK], {CREO_TEST_CLOCK: this.#clock(name)}] : [[], {}]
    const argv = [...this.#node(name), ...program, ...args, ...(args.includes(MEMORY_MINER) ? [] : ['--json'])]
    const logPath = join(this.folder, 'logs', `${name}.log`)
    const role = await startRole({name, argv, env: {...this.#env(), ...env}, logPath}, this.signal)
    this.#roles.set(name, role)
    return role.ready
  }

  get #address(): string {
    return this.#options.namespaces?.address ?? '127.0.0.1'
  }

  /** Node, on the host that this role is on. */
  #node(role: string): readonly string[] {
    const {namespaces} = this.#options
    const place = role === AT_HOME ? namespaces?.home : namespaces?.cloud
    return [...(place ?? []), process.execPath]
  }

  #clock(role: string): string {
    return join(this.folder, `${role}.clock`)
  }

  #data(name: string): string {
    return join(this.folder, name)
  }

  #where(): readonly string[] {
    return ['--coordinator', this.#coordinatorUrl, '--network-id', this.#networkId]
  }

  #env(): Readonly<Record<string, string>> {
    return {CREO_CONFIG_DIR: join(this.folder, 'config')}
  }
}

function ownerOf(miner: string): string {
  return `owner-of-${miner}`
}
