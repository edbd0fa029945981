import type {Answer, SequencedCommand} from './outcome.ts'

const PERIOD_MS = 60_000

/** The first answer to an idempotency key. */
export interface FirstAnswer {
  readonly seq: number
  readonly bodySha256: string
  readonly answer: Answer
}

/** First answers by idempotency key until their command's not-after (and at most `PERIOD_MS` longer). */
export class IdempotencyMemory {
  readonly #answers = new Map<string, FirstAnswer>()
  /** Keys by the period in which they end. */
  readonly #endings = new Map<number, string[]>()
  #period = 0

  get size(): number {
    return this.#answers.size
  }

  find(command: Pick<SequencedCommand, 'account' | 'keyId' | 'idempotencyKey'>): FirstAnswer | undefined {
    return this.#answers.get(scopedKey(command))
  }

  add(command: SequencedCommand, answer: Answer): void {
    this.#forgetBefore(Math.floor(command.atMs / PERIOD_MS))
    const key = scopedKey(command)
    const ending = Math.floor(command.notAfterMs / PERIOD_MS)
    const keys = this.#endings.get(ending)
    if (keys === undefined) this.#endings.set(ending, [key])
    else keys.push(key)
    this.#answers.set(key, {seq: command.seq, bodySha256: command.bodySha256, answer})
  }

  #forgetBefore(period: number): void {
    if (period === this.#period) return
    this.#period = period
    for (const [ending, keys] of this.#endings) {
      if (ending >= period) continue
      for (const key of keys) this.#answers.delete(key)
      this.#endings.delete(ending)
    }
  }
}

/** Whose keys these are: an account's, or for `new` the signing key's. */
function scopedKey(command: Pick<SequencedCommand, 'account' | 'keyId' | 'idempotencyKey'>): string {
  return `${command.account === 'new' ? command.keyId : command.account}/${command.idempotencyKey}`
}
