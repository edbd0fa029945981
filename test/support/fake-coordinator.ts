import {join} from 'node:path'
import fastify, {type FastifyRequest} from 'fastify'
import {pino} from 'pino'
import {z} from 'zod'
import {openRegistry} from '../../src/coordinator/registry/registry.ts'
import {registryRoutes} from '../../src/coordinator/registry/registry-routes.ts'
import {CreoError, ERROR_CODES, isCreoError} from '../../src/core/errors.ts'
import {type Heartbeat, heartbeatSchema} from '../../src/core/protocol/api.ts'
import {commandBodySchema} from '../../src/core/protocol/commands.ts'
import {type Receipt, receiptId} from '../../src/core/protocol/receipts.ts'
import {type NodeTable, nodeTableSchema, type SignedTable} from '../../src/core/protocol/tables.ts'
import {verifyRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair, type KeyPair, keyIdOf, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {createNonceMemory} from '../../src/identity/nonces.ts'
import {openReceipt} from '../../src/identity/receipts.ts'
import {signTable} from '../../src/identity/tables.ts'
import {signTime} from '../../src/identity/time.ts'

export interface FakeCoordinator {
  readonly url: string
  readonly key: KeyPair
  readonly network: string
  /** The genesis text that `/v1/network` shows. */
  readonly genesis: string
  readonly heartbeats: readonly Heartbeat[]
  /** Each receipt once, by id. */
  readonly receipts: ReadonlyMap<string, Receipt>
  readonly enrolled: ReadonlySet<string>
  noWorkReason: string | null
  /** Makes a node known without a token. */
  admit(publicKey: string): void
  allowToken(token: string): void
  setTable(table: NodeTable): void
  /** Ends the server as a crash would. */
  stop(): Promise<void>
  /** Starts it again at the same address. */
  start(): Promise<void>
}

/** The real protocol of a coordinator without a ledger behind it: what a miner or a gateway meets on the wire. */
export async function startFakeCoordinator(directory: string): Promise<FakeCoordinator> {
  const coordinator = new Coordinator(directory)
  await coordinator.start()
  return coordinator
}

class Coordinator implements FakeCoordinator {
  url = ''
  readonly key = generateKeyPair()
  readonly genesis: string
  readonly network: string
  readonly heartbeats: Heartbeat[] = []
  readonly receipts = new Map<string, Receipt>()
  readonly enrolled = new Set<string>()
  noWorkReason: string | null = null
  readonly #directory: string
  readonly #tokens = new Set<string>()
  readonly #keys = new Map<string, string>()
  readonly #nonces = createNonceMemory()
  #table: SignedTable | undefined
  #waiting: (() => void)[] = []
  #close: () => Promise<void> = async () => undefined
  #port = 0

  constructor(directory: string) {
    this.#directory = directory
    this.genesis = JSON.stringify(genesisOf(this.key.publicKey))
    this.network = sha256Hex(this.genesis)
  }

  admit(publicKey: string): void {
    this.enrolled.add(nodeIdOf(publicKey))
    this.#keys.set(keyIdOf(publicKey), publicKey)
  }

  allowToken(token: string): void {
    this.#tokens.add(sha256Hex(token))
  }

  setTable(table: NodeTable): void {
    const version = (this.#table?.version ?? 0) + 1
    this.#table = signTable({network: this.network, version, body: z.encode(nodeTableSchema, table), key: this.key})
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async stop(): Promise<void> {
    for (const wake of this.#waiting.splice(0)) wake()
    await this.#close()
  }

  async start(): Promise<void> {
    const app = fastify({forceCloseConnections: true, bodyLimit: 4 * 2 ** 20})
    app.setErrorHandler((error, _request, reply) => {
      const said = isCreoError(error) ? error : new CreoError('invalid_input', String(error))
      return reply.status(ERROR_CODES[said.code].http).send({error: said})
    })
    const registry = await openRegistry({directory: join(this.#directory, 'store'), nowMs: Date.now, liveImages: () => new Set()})
    const authorize = async (request: FastifyRequest): Promise<void> => void (await this.#signer(request, undefined))
    const access = {authorize, authenticate: authorize, grant: async () => ({})}
    await app.register(registryRoutes, {registry, access, log: pino({level: 'silent'})})
    app.removeContentTypeParser('application/json')
    app.addContentTypeParser('application/json', {parseAs: 'string'}, (_request, body, done) => done(null, body))
    const view = {id: this.network, name: 'test', network: 'development', coordinatorKey: this.key.publicKey, genesis: this.genesis}
    app.get('/v1/network', () => ({...view, version: '0', sequence: 1, registryPath: '/v2/'}))
    app.get('/v1/time', (request) => {
      const {nonce} = request.query as {nonce: string}
      return signTime({nonce, atMs: Date.now(), key: this.key})
    })
    app.get('/v1/nodes/:node', (request) => this.#node(String((request.params as {node: string}).node)))
    app.get('/v1/tables/nodes/:node', async (request, reply) => {
      const {after, waitMs} = request.query as {after: string; waitMs: string}
      const {node} = request.params as {node: string}
      if (this.#table === undefined) this.setTable({kind: 'node', node, leases: [], revisions: [], gateways: []})
      const table = await this.#newer(Number(after), Number(waitMs))
      return table ?? reply.status(204).send()
    })
    app.post('/v1/nodes/enroll', (request) => this.#enroll(JSON.parse(String(request.body))))
    app.post('/v1/heartbeats', async (request) => {
      const keyId = await this.#signer(request, String(request.body))
      const beat = heartbeatSchema.parse(JSON.parse(String(request.body)))
      if (beat.node !== `node_${keyId}`) throw new CreoError('forbidden', 'That is another node.')
      this.heartbeats.push(beat)
      return {ok: true, noWorkReason: this.noWorkReason}
    })
    app.post('/v1/receipts', (request) => this.#take(JSON.parse(String(request.body))))
    await app.listen({host: '127.0.0.1', port: this.#port})
    this.#port = (app.server.address() as {port: number}).port
    this.url = `http://127.0.0.1:${this.#port}`
    this.#close = () => app.close()
  }

  async #signer(request: FastifyRequest, body: string | undefined): Promise<string> {
    const url = `http://${request.headers.host}${request.url}`
    const keyOf = (keyId: string): string | undefined => this.#keys.get(keyId)
    const read = body === undefined ? {} : {body}
    return (
      await verifyRequest({method: request.method, url, headers: request.headers, ...read, keyOf, nonces: this.#nonces, nowMs: Date.now()})
    ).keyId
  }

  #node(id: string): object {
    if (!this.enrolled.has(id)) throw new CreoError('not_found', 'No such node.')
    const publicKey = [...this.#keys.values()].find((key) => nodeIdOf(key) === id)
    return {id, name: 'n', owner: `acc_${'0'.repeat(32)}`, architecture: 'amd64', publicKey, enrolledAtMs: 1, presence: null}
  }

  #enroll(asked: {readonly token: string; readonly command: {readonly body: string}}): object {
    const body = commandBodySchema.parse(JSON.parse(asked.command.body))
    if (body.type !== 'node.enroll' || sha256Hex(asked.token) !== body.tokenHash) throw new CreoError('invalid_input', 'no enrolment')
    if (!this.#tokens.delete(body.tokenHash))
      return {answer: {status: 'rejected', seq: 1, code: 'forbidden', message: 'The token is unknown.'}}
    this.admit(body.publicKey)
    return {answer: {status: 'applied', seq: 1, result: {node: nodeIdOf(body.publicKey)}}}
  }

  #take(asked: {readonly receipts: readonly Receipt[]}): object {
    const answers = asked.receipts.map((receipt) => {
      const id = receiptId(openReceipt(receipt).proposal)
      const status = this.receipts.has(id) ? 'already_paid' : 'paid'
      this.receipts.set(id, receipt)
      return {id, status}
    })
    return {answers}
  }

  async #newer(after: number, waitMs: number): Promise<SignedTable | undefined> {
    if (this.#table !== undefined && this.#table.version > after) return this.#table
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    const timer = setTimeout(resolve, waitMs)
    await promise
    clearTimeout(timer)
    return this.#table !== undefined && this.#table.version > after ? this.#table : undefined
  }
}

function genesisOf(coordinatorKey: string): object {
  const emission = {
    epochMs: 5000,
    perEpochMicroGutta: '1000000',
    halvingEpochs: 0,
    totalMicroGutta: '1000000000',
    ownerShareMaxPermille: 1000,
    workPerRequest: 1,
    workPerMillionMibMs: 1
  }
  return {
    format: 'creo-genesis-v1',
    network: 'development',
    name: 'test',
    createdAtMs: 1,
    coordinatorKey,
    operatorKey: coordinatorKey,
    exchangeOrg: 'creometry',
    ruleset: '1',
    emission,
    fees: {makerPpm: 0, takerPpm: 0},
    redemptionTimeoutMs: 60_000,
    receiptGraceMs: 60_000,
    volumeBucketMs: 3_600_000,
    volumeBuckets: 24
  }
}
