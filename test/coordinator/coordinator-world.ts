import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pino} from 'pino'
import {initializeNetwork} from '../../src/coordinator/init-network.ts'
import {type Coordinator, startCoordinator} from '../../src/coordinator/server.ts'
import type {OperatorSettings} from '../../src/coordinator/settings.ts'
import {joinToken, ownerOfJoinToken} from '../../src/core/join-token.ts'
import {AFTER_SEQUENCE_HEADER, type Heartbeat} from '../../src/core/protocol/api.ts'
import type {CommandAnswer, CommandBody, SignedCommand} from '../../src/core/protocol/commands.ts'
import type {Receipt} from '../../src/core/protocol/receipts.ts'
import type {CronLine} from '../../src/core/protocol/revisions.ts'
import {nodeTableSchema} from '../../src/core/protocol/tables.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair, loadKeyFile, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {attest, signProposal} from '../../src/identity/receipts.ts'
import {openTable} from '../../src/identity/tables.ts'

export interface Person {
  readonly id: string
  readonly name: string
  readonly key: KeyPair
}
export interface Node {
  readonly id: string
  readonly key: KeyPair
}
export interface ReceiptParts {
  readonly gateway: KeyPair
  readonly node: Node
  readonly lease: {readonly id: string; readonly revision: string}
  readonly window: number
  readonly requests: number
  readonly windowStartMs?: number
}
export interface Answer {
  readonly status: number
  /** Whatever JSON came; a test says what it expects of it. */
  readonly json: Record<string, never> & {readonly error?: {readonly code: string; readonly message: string; readonly hint?: string}}
  readonly headers: Headers
}

/** What a node itself counts of a window. */
export const COUNTS = {mibMs: 64_000, bytesIn: 10, bytesOut: 10}

export async function temporaryFolder(): Promise<{path: string; remove(): Promise<void>}> {
  const path = await mkdtemp(join(tmpdir(), 'creo-coordinator-'))
  return {path, remove: () => rm(path, {recursive: true, force: true})}
}

export async function makeNetwork(
  directory: string,
  epochMs = 3_600_000,
  hasProtection: boolean | {readonly openingMs: number} = false
): Promise<{networkId: string; coordinatorKey: string}> {
  const choices = {
    network: 'development',
    name: 'test',
    exchangeOrg: 'creometry',
    emission: {epochMs},
    protection: hasProtection === true ? {} : hasProtection || null
  } as const
  return initializeNetwork(directory, choices, {nowMs: Date.now(), ifMissing: false})
}

/** People, nodes and gateways that talk to a coordinator at a URL, and sign as real ones do. */
export class Actors {
  readonly url: string
  readonly networkId: string
  readonly coordinatorKey: string
  #count = 0

  /** Of the last command that was answered. */
  #sequence = 0

  constructor(at: {readonly url: string; readonly networkId: string; readonly coordinatorKey: string}) {
    this.url = at.url
    this.networkId = at.networkId
    this.coordinatorKey = at.coordinatorKey
  }

  async ask(method: 'GET' | 'POST', path: string, options: {body?: unknown; headers?: Record<string, string>} = {}): Promise<Answer> {
    const body = typeof options.body === 'string' || options.body === undefined ? options.body : JSON.stringify(options.body)
    // As creo's own client: what is read shows what was done before.
    const after = method === 'GET' && this.#sequence > 0 ? {[AFTER_SEQUENCE_HEADER]: String(this.#sequence)} : {}
    const headers = {...(body === undefined ? {} : {'content-type': 'application/json'}), ...after, ...options.headers}
    const response = await fetch(new URL(path, this.url), {method, headers, ...(body === undefined ? {} : {body})})
    const text = await response.text()
    return {status: response.status, json: text === '' ? {} : JSON.parse(text), headers: response.headers}
  }

  signed(method: 'GET' | 'POST', path: string, key: KeyPair, options: {body?: unknown; nowMs?: number} = {}): Promise<Answer> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body)
    const url = new URL(path, this.url).href
    const headers = signRequest({method, url, key, nowMs: options.nowMs ?? Date.now(), ...(body === undefined ? {} : {body})})
    return this.ask(method, path, {headers, ...(body === undefined ? {} : {body})})
  }

  command(account: string, key: KeyPair, body: CommandBody, idempotencyKey = this.#next()): SignedCommand {
    return signCommand({network: this.networkId, account, key, idempotencyKey, notAfterMs: Date.now() + 60_000, body})
  }

  async send(command: SignedCommand): Promise<CommandAnswer | {status: 'error'; error: {code: string; message: string}}> {
    const {json} = await this.ask('POST', '/v1/commands', {body: {commands: [command]}})
    const [answer] = (json as unknown as {answers: [CommandAnswer]}).answers
    this.#sequence = Math.max(this.#sequence, answer.seq ?? 0)
    return answer
  }

  async apply(account: string, key: KeyPair, body: CommandBody): Promise<{seq: number; result: Record<string, unknown>}> {
    const answer = await this.send(this.command(account, key, body))
    if (answer.status !== 'applied') throw new Error(`${body.type}: ${JSON.stringify(answer)}`)
    return answer
  }

  /** The operator signs for the exchange's org. */
  async person(name: string, operator?: KeyPair): Promise<Person> {
    const key = generateKeyPair()
    const {result} = await this.apply(operator === undefined ? 'new' : 'operator', operator ?? key, {
      type: 'account.create',
      name,
      keys: [{publicKey: key.publicKey, roles: ['owner'], proof: proveKey(key, {network: this.networkId, account: name})}]
    })
    return {id: String(result.account), name, key}
  }

  async node(owner: Person): Promise<Node> {
    const key = generateKeyPair()
    const token = joinToken(owner.id, this.#next())
    await this.apply(owner.id, owner.key, {type: 'node.token', tokenHash: sha256Hex(token), expiresAtMs: Date.now() + 60_000})
    const {status, json} = await this.ask('POST', '/v1/nodes/enroll', {body: {token, command: this.enrollment(key, token)}})
    if (status !== 200) throw new Error(JSON.stringify(json))
    return {id: nodeIdOf(key.publicKey), key}
  }

  enrollment(key: KeyPair, token: string): SignedCommand {
    const body = {
      type: 'node.enroll',
      publicKey: key.publicKey,
      tokenHash: sha256Hex(token),
      owner: ownerOfJoinToken(token),
      name: 'a node',
      architecture: 'amd64'
    } as const
    return this.command('new', key, body)
  }

  heartbeat(node: Node, changes: Partial<Heartbeat> = {}, nowMs = Date.now()): Promise<Answer> {
    const body: Heartbeat = {
      node: node.id,
      earn: ['colibris/LEAF'],
      architecture: 'amd64',
      runtime: 'memory',
      enforcesLimits: true,
      memoryBytes: 2 ** 30,
      cpuMillis: 2000,
      draining: false,
      instances: 0,
      logs: [],
      ...changes
    }
    return this.signed('POST', '/v1/heartbeats', node.key, {body, nowMs})
  }

  /** The node's table once it has a lease. */
  async leased(node: Node) {
    for (let after = -1; ; ) {
      const {status, json} = await this.ask('GET', `/v1/tables/nodes/${node.id}?after=${after}&waitMs=10000`)
      if (status !== 200) throw new Error(`no lease came: ${status}`)
      const table = openTable(json, nodeTableSchema, {network: this.networkId, coordinatorKey: this.coordinatorKey})
      const [lease] = table.leases
      if (lease) return {table, lease, version: Number(json.version)}
      after = Number(json.version)
    }
  }

  async gateway(operator: KeyPair): Promise<KeyPair> {
    const key = generateKeyPair()
    const urls = {tunnelUrl: 'http://127.0.0.1:7800', publicUrl: 'http://localhost:7801'}
    await this.apply('operator', operator, {type: 'gateway.admit', publicKey: key.publicKey, name: 'gateway', ...urls})
    return key
  }

  receipt(by: ReceiptParts): Receipt {
    return attest(signProposal(this.proposal(by), by.gateway), COUNTS, by.node.key)
  }

  proposal(by: ReceiptParts): Parameters<typeof signProposal>[0] {
    return {
      v: 'creo-receipt-v1',
      network: this.networkId,
      gateway: gatewayIdOf(by.gateway.publicKey),
      node: by.node.id,
      revision: by.lease.revision,
      lease: by.lease.id,
      window: by.window,
      windowStartMs: by.windowStartMs ?? Date.now() - 1000,
      windowMs: 1000,
      requests: by.requests,
      requestsFailed: 0,
      ...COUNTS
    }
  }

  /** An org with an incentive, a funded pool and one deployed function that pays 1 LEAF (2 decimals) for each request. */
  async colibris(): Promise<Person> {
    const org = await this.person('colibris')
    const offer = {item: 'A tree', priceMinor: 500, stock: 10, where: 'in-app'} as const
    await this.apply(org.id, org.key, {
      type: 'incentive.issue',
      code: 'LEAF',
      name: 'Leaf',
      decimals: 2,
      lotMinor: 100,
      supplyMinor: 1_000_000,
      tradeVolumeLimitMicroGutta: 1_000_000_000,
      captured: 'return',
      transferable: false,
      firstOffer: offer
    })
    await this.apply(org.id, org.key, {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: 100_000})
    await this.deploy(org)
    return org
  }

  /** One function of the org's; with `paid`, for 1 LEAF a request. */
  deploy(
    org: Person,
    paid = true,
    imageDigest = `sha256:${'a'.repeat(64)}`,
    cron: CronLine[] = []
  ): Promise<{seq: number; result: Record<string, unknown>}> {
    const line = {incentive: 'colibris/LEAF', requestsPerMillionMinor: 100_000_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 20_000}
    const spec = {
      command: [],
      port: 8080,
      memoryBytes: 64 * 2 ** 20,
      cpuMillis: 100,
      concurrency: 10,
      timeoutMs: 1000,
      scaleMin: 0,
      scaleMax: 2,
      env: {},
      egress: [],
      rewards: paid ? [line] : [],
      ...(cron.length > 0 && {cron})
    }
    return this.apply(org.id, org.key, {
      type: 'revision.deploy',
      app: 'garden',
      revisions: [{function: 'api', imageDigest, spec}],
      routes: [{path: '/', function: 'api'}]
    })
  }

  async available(account: string, asset: string, after = 0): Promise<number> {
    const {json} = await this.ask('GET', `/v1/accounts/${account}/balances`, {headers: {'creo-after': String(after)}})
    const {balances} = json as unknown as {balances: {asset: string; kind: string; amountMinor: string}[]}
    return Number(balances.find((balance) => balance.asset === asset && balance.kind === 'available')?.amountMinor ?? 0)
  }

  #next(): string {
    this.#count += 1
    return `${process.pid}-${Date.now()}-${this.#count}`
  }
}

/** A coordinator of this process on a new network, with its operator's key. */
export async function startWorld(
  options: {
    epochMs?: number
    hasProtection?: boolean | {readonly openingMs: number}
    nowMs?: () => number
    monotonicMs?: () => number
    operatorSettings?: OperatorSettings
  } = {}
) {
  const folder = await temporaryFolder()
  const made = await makeNetwork(folder.path, options.epochMs, options.hasProtection)
  const start = (): Promise<Coordinator> =>
    startCoordinator(
      {
        directory: folder.path,
        host: '127.0.0.1',
        port: 0,
        version: '0.0.0-test',
        ...(options.operatorSettings && {operatorSettings: options.operatorSettings}),
        ...(options.monotonicMs && {monotonicMs: options.monotonicMs}),
        nowMs: options.nowMs ?? Date.now,
        log: pino({level: 'silent'})
      },
      new AbortController().signal
    )
  const coordinator = await start()
  return {
    folder,
    start,
    coordinator,
    actors: new Actors({...made, url: coordinator.url}),
    operator: await loadKeyFile(join(folder.path, 'operator.key')),
    close: async () => {
      await coordinator.close()
      await folder.remove()
    }
  }
}
