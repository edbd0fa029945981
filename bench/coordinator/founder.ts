import type {CommandBody, SignedCommand} from '../../src/core/protocol/commands.ts'
import {signCommand, signCommands} from '../../src/identity/commands.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import type {Ledger} from '../../src/ledger/port.ts'

const COMMANDS_AT_ONCE = 1000
const LIFETIME_MS = 60_000

export interface Signer {
  readonly id: string
  readonly key: KeyPair
}

/** Signs and submits, a thousand at a time. */
export class Founder {
  readonly #ledger: Ledger
  readonly #signal: AbortSignal
  readonly #lifetimeMs: number
  #count = 0

  /** @param lifetimeMs from a command's signature to its not-after: until then the ledger remembers it. */
  constructor(ledger: Ledger, signal: AbortSignal, lifetimeMs = LIFETIME_MS) {
    this.#ledger = ledger
    this.#signal = signal
    this.#lifetimeMs = lifetimeMs
  }

  /** What each answers, in order. */
  async all(commands: readonly {readonly by: Signer; readonly body: CommandBody}[]): Promise<Readonly<Record<string, unknown>>[]> {
    const results: Readonly<Record<string, unknown>>[] = []
    for (let from = 0; from < commands.length; from += COMMANDS_AT_ONCE) {
      const some = commands.slice(from, from + COMMANDS_AT_ONCE)
      results.push(...(await Promise.all(some.map(({by, body}) => this.#submit(by, body)))))
    }
    return results
  }

  async one(by: Signer, body: CommandBody): Promise<Readonly<Record<string, unknown>>> {
    return (await this.all([{by, body}]))[0] ?? {}
  }

  async account(name: string, by?: Signer): Promise<Signer> {
    const key = generateKeyPair()
    const {account} = await this.one(by ?? {id: 'new', key}, this.#accountBody(name, key))
    return {id: String(account), key}
  }

  /** Many at once. */
  async accounts(names: readonly string[]): Promise<Signer[]> {
    const keys = names.map(() => generateKeyPair())
    const made = await this.all(keys.map((key, at) => ({by: {id: 'new', key}, body: this.#accountBody(names[at] ?? '', key)})))
    return keys.map((key, at) => ({id: String(made[at]?.account), key}))
  }

  #accountBody(name: string, key: KeyPair): CommandBody {
    const proof = proveKey(key, {network: this.#ledger.networkId, account: name})
    return {type: 'account.create', name, keys: [{publicKey: key.publicKey, roles: ['owner'], proof}]}
  }

  /** Signed and not handed in yet. */
  sign(by: Signer, body: CommandBody): SignedCommand {
    this.#count += 1
    return signCommand({
      network: this.#ledger.networkId,
      account: by.id,
      key: by.key,
      idempotencyKey: `bench-${this.#count}`,
      notAfterMs: this.#ledger.nowMs() + this.#lifetimeMs,
      body
    })
  }

  /** The same under one signature. */
  signAll(by: Signer, bodies: readonly CommandBody[]): SignedCommand[] {
    const terms = {network: this.#ledger.networkId, account: by.id, key: by.key, notAfterMs: this.#ledger.nowMs() + this.#lifetimeMs}
    const named = bodies.map((body) => {
      this.#count += 1
      return {idempotencyKey: `bench-${this.#count}`, body}
    })
    return signCommands(terms, named)
  }

  async #submit(by: Signer, body: CommandBody): Promise<Readonly<Record<string, unknown>>> {
    const command = this.sign(by, body)
    const answer = await this.#ledger.submit(command, this.#signal, {provenBy: by.key.publicKey})
    if (answer.status !== 'applied') throw new Error(`${body.type}: ${answer.message}`)
    return answer.result
  }
}
