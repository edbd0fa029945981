import {randomUUID} from 'node:crypto'
import type {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {type Heartbeat, networkViewSchema} from '../core/protocol/api.ts'
import type {CommandBody} from '../core/protocol/commands.ts'
import type {ConductReport} from '../core/protocol/conduct.ts'
import type {Receipt} from '../core/protocol/receipts.ts'
import {type NodeSecrets, nodeSecretsSchema, type SealingKeyStatement} from '../core/protocol/secrets.ts'
import {type TableNews, tableNewsSchema} from '../core/protocol/tables.ts'
import {signRequest} from '../identity/http-signatures.ts'
import {type KeyPair, nodeIdOf} from '../identity/keys.ts'
import {type CommandOutcome, heartbeatAnswerSchema, okSchema, type ReceiptAnswer, receiptAnswersSchema} from './answers.ts'
import {type AppliedAnswer, type Enrolment, enrolNode, type Signer, type SubmitOptions, submitAll, submitOne} from './commands.ts'
import {Connection, type ConnectionOptions} from './connection.ts'
import {OrgWebhook} from './org-webhook.ts'
import {Reads} from './reads.ts'

export interface ClientOptions extends Omit<ConnectionOptions, 'signal'> {
  /** Signs commands and requests. Reads need none. */
  readonly key?: KeyPair
  /** Id of the account in whose name commands are signed. */
  readonly account?: string
  /** Ends everything under way. */
  readonly signal?: AbortSignal
}

/** A table, or what changed in it, as it came: whoever keeps it opens it, and checks by whom it is signed (`KeptTable`). */
export interface ReceivedTable {
  readonly signed: TableNews
}

export interface TableOptions {
  /** What changed since `after` will do: for who has that version. */
  readonly deltas?: boolean
}

/** Talks to the coordinator of one pinned network. Everything read is parsed, everything under way ends with the signal. */
export function createClient({key, account, signal = new AbortController().signal, ...network}: ClientOptions): Client {
  return new Client(new Connection({...network, signal}), key, account)
}

export class Client extends Reads {
  readonly #connection: Connection
  readonly #key: KeyPair | undefined
  readonly #account: string | undefined

  constructor(connection: Connection, key: KeyPair | undefined, account: string | undefined) {
    super(connection, key)
    this.#connection = connection
    this.#key = key
    this.#account = account
  }

  /** Where an org is told of its redemptions. Signed by a key of the org, as all that is asked there. */
  webhook(org: string, signal?: AbortSignal): OrgWebhook {
    return new OrgWebhook(this.#connection, this.#key, org, signal)
  }

  /** The same connection in another's name: an account id, `new`, or `operator`. */
  as(account: string, key: KeyPair): Client {
    return new Client(this.#connection, key, account)
  }

  /** Our clock as the coordinator's, once it had to be mended. */
  nowMs(): number {
    return this.#connection.nowMs()
  }

  /** The coordinator's time, compared once: for a time that goes into a command, which is refused when our clock is wrong. */
  async networkNowMs(): Promise<number> {
    await this.#connection.compareClock()
    return this.nowMs()
  }

  /** Compares our clock with the coordinator's again, and answers by how many ms it moved. @throws {CreoError} `bad_signature` */
  mendClock(signal?: AbortSignal): Promise<number> {
    return this.#connection.mendClock(signal)
  }

  network(signal?: AbortSignal): Promise<z.output<typeof networkViewSchema>> {
    return this.#connection.ask(networkViewSchema, {path: '/v1/network', signal})
  }

  /** Signs one command and has it done. @throws {CreoError} the code with which it was refused. */
  async submit(body: CommandBody, options: SubmitOptions = {}): Promise<AppliedAnswer> {
    return submitOne(this.#connection, this.#signer(), body, options)
  }

  /** Signs and posts up to 1,000 commands; each is answered on its own, in order. */
  async submitMany(bodies: readonly CommandBody[], signal?: AbortSignal): Promise<CommandOutcome[]> {
    const signer = this.#signer()
    const named = bodies.map((body) => ({body, idempotencyKey: randomUUID()}))
    return submitAll(this.#connection, signer, named, signal)
  }

  /** Enrols the node of this client's key under the owner of a one-use token. Safe to repeat. */
  async enroll(enrolment: Enrolment, signal?: AbortSignal): Promise<AppliedAnswer> {
    return enrolNode(this.#connection, this.#signer('new').key, enrolment, signal)
  }

  /** Signed by the node's key. Never repeated: its log lines would appear twice. */
  async heartbeat(heartbeat: Heartbeat, signal?: AbortSignal): Promise<z.output<typeof heartbeatAnswerSchema>> {
    const {key} = this.#signer('new')
    return this.#connection.ask(heartbeatAnswerSchema, {
      method: 'POST',
      path: '/v1/heartbeats',
      body: heartbeat,
      key,
      idempotent: false,
      signal
    })
  }

  /** What a revision names that this client's node holds a lease of, sealed to the node. */
  nodeSecrets(revision: string, sealingKey: SealingKeyStatement, signal?: AbortSignal): Promise<NodeSecrets> {
    const {key} = this.#signer('new')
    const path = `/v1/nodes/${nodeIdOf(key.publicKey)}/secrets`
    return this.#connection.ask(nodeSecretsSchema, {method: 'POST', path, body: {revision, sealingKey}, key, signal})
  }

  /** What a gateway saw of nodes, signed by its key; the same report may be posted again. */
  async reportConduct(report: ConductReport, signal?: AbortSignal): Promise<void> {
    const {key} = this.#signer('new')
    await this.#connection.ask(okSchema, {method: 'POST', path: '/v1/conduct', body: report, key, signal})
  }

  /** Up to 100 receipts; each is paid once however often it is posted. */
  async postReceipts(receipts: readonly Receipt[], signal?: AbortSignal): Promise<ReceiptAnswer[]> {
    const {answers} = await this.#connection.ask(receiptAnswersSchema, {method: 'POST', path: '/v1/receipts', body: {receipts}, signal})
    return answers
  }

  /** The routes table when it is newer than `after`, waiting up to `waitMs` for one; else undefined. */
  routesTable(after: number, waitMs: number, signal?: AbortSignal, {deltas}: TableOptions = {}): Promise<ReceivedTable | undefined> {
    return this.#table('/v1/tables/routes', {after, waitMs, deltas, signal})
  }

  /** The table of this client's node, likewise. Who waits for one asks again by itself, and learns so that the coordinator was away. */
  async nodeTable(after: number, waitMs: number, signal?: AbortSignal, {deltas}: TableOptions = {}): Promise<ReceivedTable | undefined> {
    const id = nodeIdOf(this.#signer('new').key.publicKey)
    return this.#table(`/v1/tables/nodes/${id}`, {after, waitMs, deltas, signal})
  }

  /** Signs a request to the registry, whose refusal of a wrong clock would end the transfer: so the clock is compared before the first. */
  readonly authorizeRegistry = async (asked: {
    readonly method: string
    readonly url: string
    readonly body?: Uint8Array | undefined
  }): Promise<Record<string, string>> => {
    const {method, url, body} = asked
    await this.#connection.compareClock()
    return signRequest({
      method,
      url,
      ...(body === undefined ? {} : {body}),
      key: this.#signer('new').key,
      nowMs: this.nowMs()
    })
  }

  /** Closes the connections, also those of every `as`. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  async #table(
    path: string,
    {after, waitMs, deltas, signal}: {after: number; waitMs: number; deltas: boolean | undefined; signal: AbortSignal | undefined}
  ): Promise<ReceivedTable | undefined> {
    const query = {after, waitMs, ...(deltas && {deltas: 'true'})}
    const answer = await this.#connection.askRaw({path, query, waitMs, idempotent: waitMs === 0, signal})
    return answer.status === 204 ? undefined : {signed: this.#connection.parse(tableNewsSchema, answer)}
  }

  #signer(account: string | undefined = this.#account): Signer {
    if (this.#key !== undefined && account !== undefined) return {account, key: this.#key}
    throw new CreoError('unauthorized', 'This needs an account to sign with.', {
      hint: 'Choose one with --as, or make one: creo account create NAME'
    })
  }
}
