import type {FastifyRequest} from 'fastify'
import {CreoError} from '../../core/errors.ts'
import type {KeyRole} from '../../core/protocol/account-keys.ts'
import {verifyRequest} from '../../identity/http-signatures.ts'
import {createNonceMemory, type NonceMemory} from '../../identity/nonces.ts'
import type {LedgerReads} from '../../ledger/port.ts'
import {LastingReads} from '../lasting-reads.ts'

/** Says which key of the network signed a request (RFC 9421), and what that key may do. */
export class RequestSigner {
  readonly #reads: LedgerReads
  readonly #lasting: LastingReads
  readonly #nowMs: () => number
  readonly #nonces: NonceMemory = createNonceMemory()

  constructor(tools: {readonly reads: LedgerReads; readonly nowMs: () => number}) {
    this.#reads = tools.reads
    this.#lasting = new LastingReads(tools.reads)
    this.#nowMs = tools.nowMs
  }

  /** @throws {CreoError} what `verifyRequest` says. */
  async keyOf(request: FastifyRequest, body?: Uint8Array): Promise<string> {
    const {keyId} = await verifyRequest({
      method: request.method,
      url: `${request.protocol}://${request.host}${request.raw.url ?? request.url}`,
      headers: request.headers,
      ...(body === undefined ? {} : {body}),
      keyOf: (id) => this.#publicKeyOf(id),
      nonces: this.#nonces,
      nowMs: this.#nowMs()
    })
    return keyId
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
    const found = this.#reads.accountByKey(keyId)
    const account = this.#reads.account(org)
    const allowed: readonly KeyRole[] = ['owner', ...roles]
    return (
      found !== undefined && account !== undefined && found.account === account.id && found.roles.some((role) => allowed.includes(role))
    )
  }

  #publicKeyOf(keyId: string): string | undefined {
    const ofNode = this.#lasting.nodeKey(keyId)
    if (ofNode !== undefined) return ofNode
    const account = this.#reads.accountByKey(keyId)
    return account && this.#reads.account(account.account)?.keys.find((key) => key.keyId === keyId)?.publicKey
  }
}
