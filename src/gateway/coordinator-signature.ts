import {CreoError} from '../core/errors.ts'
import {verifyRequest} from '../identity/http-signatures.ts'
import {keyIdOf} from '../identity/keys.ts'
import {createNonceMemory} from '../identity/nonces.ts'
import type {ClientCall} from './http/client-call.ts'

const KEY_ID = /;keyid="([0-9a-f]{1,128})"/

export interface CoordinatorSignatureOptions {
  /** Whose requests are carried out. */
  readonly coordinatorKey: string
  readonly now: () => number
}

/** Whether a request is the coordinator's own. */
export class CoordinatorSignature {
  readonly #options: CoordinatorSignatureOptions
  readonly #nonces = createNonceMemory()

  constructor(options: CoordinatorSignatureOptions) {
    this.#options = options
  }

  /** Before a body is read; what the signature is worth is said by `verify`. @throws {CreoError} `unauthorized` */
  expectKey({head}: ClientCall): void {
    const at = head.headers.findIndex((text, index) => index % 2 === 0 && text === 'signature-input')
    const keyId = at === -1 ? undefined : KEY_ID.exec(head.headers[at + 1] ?? '')?.[1]
    if (keyId === keyIdOf(this.#options.coordinatorKey)) return
    throw new CreoError('unauthorized', "This is not signed by the coordinator's key.", {hint: 'Sign it by RFC 9421 as the coordinator.'})
  }

  /** @throws {CreoError} what `verifyRequest` says. */
  async verify({client, head}: ClientCall, body: Buffer | undefined): Promise<void> {
    const {coordinatorKey, now} = this.#options
    const coordinator = keyIdOf(coordinatorKey)
    const headers: Record<string, string> = {}
    for (let at = 0; at < head.headers.length; at += 2) headers[head.headers[at] ?? ''] = head.headers[at + 1] ?? ''
    await verifyRequest({
      method: head.method,
      url: `${client.secure ? 'https' : 'http'}://${head.host}${head.target}`,
      headers,
      ...(body !== undefined && {body}),
      keyOf: (keyId) => (keyId === coordinator ? coordinatorKey : undefined),
      nonces: this.#nonces,
      nowMs: now()
    })
  }
}
