import type {FastifyRequest} from 'fastify'
import {CreoError, isCreoError} from '../../core/errors.ts'
import type {KeyRole} from '../../core/protocol/account-keys.ts'
import {AFTER_SEQUENCE_WAIT_MAX_MS} from '../../core/protocol/api.ts'
import {verifyRequest} from '../../identity/http-signatures.ts'
import type {NonceMemory} from '../../identity/nonces.ts'
import type {SignaturePool} from '../../identity/signature-pool.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {LastingReads} from '../lasting-reads.ts'
import type {ClientLimits} from './client-limits.ts'

/** Methods of the registry by which bytes come. */
const CARRYING: ReadonlySet<string> = new Set(['PATCH', 'PUT'])

/** Says which key of the network signed a request (RFC 9421), how often it may, and what that key may do. */
export class RequestSigner {
  readonly #ledger: Pick<Ledger, 'reads' | 'sequence' | 'projected'>
  readonly #lasting: LastingReads
  readonly #nowMs: () => number
  readonly #limits: ClientLimits
  readonly #signatures: SignaturePool
  readonly #nonces: NonceMemory

  constructor(tools: {
    readonly ledger: Pick<Ledger, 'reads' | 'sequence' | 'projected'>
    readonly lasting: LastingReads
    readonly nowMs: () => number
    readonly limits: ClientLimits
    readonly signatures: SignaturePool
    readonly nonces: NonceMemory
  }) {
    this.#ledger = tools.ledger
    this.#lasting = tools.lasting
    this.#nowMs = tools.nowMs
    this.#limits = tools.limits
    this.#signatures = tools.signatures
    this.#nonces = tools.nonces
  }

  /** @throws {CreoError} what `verifyRequest` says; `rate_limited`. */
  async keyOf(request: FastifyRequest, body?: Uint8Array): Promise<string> {
    const keyId = await this.#verified(request, body).catch(async (error: unknown) => {
      if (!isCreoError(error) || error.code !== 'unauthorized' || request.headers.signature === undefined) throw error
      // Who was told of a command a moment ago that it holds may ask before the projections have its key.
      await this.#ledger.projected(this.#ledger.sequence, AbortSignal.timeout(AFTER_SEQUENCE_WAIT_MAX_MS))
      return this.#verified(request, body)
    })
    this.count(keyId, request)
    return keyId
  }

  async #verified(request: FastifyRequest, body?: Uint8Array): Promise<string> {
    const {keyId} = await verifyRequest({
      method: request.method,
      url: `${request.protocol}://${request.host}${request.raw.url ?? request.url}`,
      headers: request.headers,
      ...(body === undefined ? {} : {body}),
      keyOf: (id) => this.#publicKeyOf(id),
      nonces: this.#nonces,
      nowMs: this.#nowMs(),
      verify: (publicKey, data, signature) => this.#signatures.verify({publicKey, data, signature})
    })
    return keyId
  }

  /** One more request of the account or node whose key is known to have asked. @throws {CreoError} `rate_limited` */
  count(keyId: string, {method}: Pick<FastifyRequest, 'method'>): void {
    // Nodes ask most of all, and their keys are known without a look at the disk.
    const account = this.#lasting.nodeKey(keyId) === undefined ? this.#ledger.reads.accountByKey(keyId)?.account : undefined
    const signer = account ?? `node_${keyId}`
    this.#limits.takeFromSigner(signer, {carries: CARRYING.has(method)})
  }

  /** @throws {CreoError} `forbidden` unless the key belongs to the org and has one of the roles (owner: always). */
  assertOrgKey(keyId: string, org: string, roles: readonly KeyRole[]): void {
    if (this.isOrgKey(keyId, org, roles)) return
    throw new CreoError('forbidden', `Only keys of ${org} with the role ${['owner', ...roles].join(' or ')} may do this.`, {
      hint: `Sign as ${org}: --as ${org}`
    })
  }

  /** Whether the key belongs to the org and has one of the roles (owner: always). */
  isOrgKey(keyId: string, org: string, roles: readonly KeyRole[]): boolean {
    const found = this.#ledger.reads.accountByKey(keyId)
    const account = this.#ledger.reads.account(org)
    const allowed: readonly KeyRole[] = ['owner', ...roles]
    return (
      found !== undefined && account !== undefined && found.account === account.id && found.roles.some((role) => allowed.includes(role))
    )
  }

  #publicKeyOf(keyId: string): string | undefined {
    const ofNode = this.#lasting.nodeKey(keyId)
    if (ofNode !== undefined) return ofNode
    const account = this.#ledger.reads.accountByKey(keyId)
    if (account === undefined) return this.#ledger.reads.gateways().find(({id}) => id === `gw_${keyId}`)?.publicKey
    return this.#ledger.reads.account(account.account)?.keys.find((key) => key.keyId === keyId)?.publicKey
  }
}
