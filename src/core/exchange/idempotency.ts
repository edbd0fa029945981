import {IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_KEYS_PER_ACCOUNT_MAX, IDEMPOTENCY_KEYS_RESERVED} from './limits.ts'
import type {Answer, SequencedCommand} from './outcome.ts'

const PERIOD_MS = 60_000
/**
 * Whole periods that a key is remembered beyond its not-after: longer than a client tries, so that one that mends its clock after its answer got lost,
 * and signs again, gets the first answer.
 */
const PERIODS_AFTER = 2

/** The first answer to an idempotency key. */
export interface FirstAnswer {
  readonly seq: number
  readonly bodySha256: string
  readonly answer: Answer
  /** The latest of the first command and its repeats. */
  readonly notAfterMs: number
  /** The account's key that signed it then, by which a repeat is known also after the key was taken away; absent for keys that are no account's. */
  readonly publicKey: string | undefined
}

/** Scoped key, sequence, hash of the body, answer, not-after and public key. */
export type RememberedAnswer = [string, number, string, Answer, number, string | null]

type Keyed = Pick<SequencedCommand, 'account' | 'keyId' | 'idempotencyKey'>

/**
 * First answers by idempotency key, a while longer than the last not-after under which it was signed. A rejected command of a new key is not
 * remembered: it changed nothing, and anyone can make as many as they like.
 */
export class IdempotencyMemory {
  readonly #answers = new Map<string, FirstAnswer>()
  /** Keys by the period of a not-after; one that was extended is in several, and the last one counts. */
  readonly #endings = new Map<number, string[]>()
  /** Keys remembered by account. */
  readonly #sizes = new Map<string, number>()
  #period = 0
  /** The last key that was asked for: a command's is asked for some times in a row, and each text made anew is hashed anew. */
  #asked: Keyed & {readonly key: string} = {account: '', keyId: '', idempotencyKey: '', key: '//'}

  get size(): number {
    return this.#answers.size
  }

  find(command: Keyed): FirstAnswer | undefined {
    return this.#answers.get(this.#keyOf(command))
  }

  /** True while one more key of this account can be remembered. The network's own commands have room that nobody else can fill. */
  hasRoom(account: string): boolean {
    if (isNetworks(account)) return this.size < IDEMPOTENCY_KEYS_MAX
    const ofNetwork = (this.#sizes.get('coordinator') ?? 0) + (this.#sizes.get('operator') ?? 0)
    const ofOthers = this.size - ofNetwork
    const ofAccount = this.#sizes.get(account) ?? 0
    return ofOthers < IDEMPOTENCY_KEYS_MAX - IDEMPOTENCY_KEYS_RESERVED && ofAccount < IDEMPOTENCY_KEYS_PER_ACCOUNT_MAX
  }

  /** @param publicKey of the account's key that signed, as it was before the command. */
  add(command: SequencedCommand, answer: Answer, publicKey?: string): void {
    this.#forgetBefore(Math.floor(command.atMs / PERIOD_MS) - PERIODS_AFTER)
    if (command.account === 'new' && answer.status === 'rejected') return
    this.#remember(this.#keyOf(command), command.account, {
      seq: command.seq,
      bodySha256: command.bodySha256,
      answer,
      notAfterMs: command.notAfterMs,
      publicKey
    })
  }

  /** The same command came again under a later not-after: it is remembered until that. */
  extend(command: SequencedCommand, first: FirstAnswer): void {
    this.#forgetBefore(Math.floor(command.atMs / PERIOD_MS) - PERIODS_AFTER)
    this.#remember(this.#keyOf(command), command.account, {...first, notAfterMs: command.notAfterMs})
  }

  /** Everything remembered, as JSON values, in the order of its making. */
  *entries(): Generator<RememberedAnswer> {
    for (const [key, {seq, bodySha256, answer, notAfterMs, publicKey}] of this.#answers) {
      yield [key, seq, bodySha256, answer, notAfterMs, publicKey ?? null]
    }
  }

  /** Brings one of them back. */
  restore([key, seq, bodySha256, answer, notAfterMs, publicKey]: RememberedAnswer): void {
    this.#remember(key, accountOf(key), {seq, bodySha256, answer, notAfterMs, publicKey: publicKey ?? undefined})
  }

  /** Keys are a signing key's own: what one key of an account was refused says nothing about another's. */
  #keyOf({account, keyId, idempotencyKey}: Keyed): string {
    const asked = this.#asked
    if (asked.idempotencyKey === idempotencyKey && asked.keyId === keyId && asked.account === account) return asked.key
    const key = `${account}/${keyId}/${idempotencyKey}`
    this.#asked = {account, keyId, idempotencyKey, key}
    return key
  }

  #remember(key: string, account: string, answer: FirstAnswer): void {
    const ending = Math.floor(answer.notAfterMs / PERIOD_MS)
    const keys = this.#endings.get(ending)
    if (keys === undefined) this.#endings.set(ending, [key])
    else keys.push(key)
    const {size} = this.#answers
    this.#answers.set(key, answer)
    if (this.#answers.size > size) this.#count(account, 1)
  }

  #forgetBefore(period: number): void {
    if (period === this.#period) return
    this.#period = period
    for (const [ending, keys] of this.#endings) {
      if (ending >= period) continue
      for (const key of keys) this.#forget(key, ending)
      this.#endings.delete(ending)
    }
  }

  #forget(key: string, ending: number): void {
    const answer = this.#answers.get(key)
    if (answer === undefined || Math.floor(answer.notAfterMs / PERIOD_MS) > ending) return
    this.#answers.delete(key)
    this.#count(accountOf(key), -1)
  }

  #count(account: string, change: 1 | -1): void {
    const size = (this.#sizes.get(account) ?? 0) + change
    if (size === 0) this.#sizes.delete(account)
    else this.#sizes.set(account, size)
  }
}

function accountOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

function isNetworks(account: string): boolean {
  return account === 'coordinator' || account === 'operator'
}
