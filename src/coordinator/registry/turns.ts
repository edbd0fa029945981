import {CreoError} from '../../core/errors.ts'

/** Each takes milliseconds; who would wait behind this many asks again. */
const WAITING_MAX = 1_000

/**
 * One at a time: whatever looks at what refers to what and then changes it. Between a look and its change nothing is linked, deleted or collected,
 * so that an image never loses a part.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  readonly #owners = new Set<string>()

  /** One turn at a time for each owner, so that the others do not wait behind all of its. @throws {CreoError} as `take` does. */
  async takeOf<T>(owner: string, work: () => Promise<T>): Promise<T> {
    if (this.#owners.has(owner)) {
      throw new CreoError('overloaded', `A change of ${owner} is under way.`, {hint: 'Ask for one after the other.'})
    }
    this.#owners.add(owner)
    try {
      return await this.take(work)
    } finally {
      this.#owners.delete(owner)
    }
  }

  /** @throws {CreoError} `overloaded` while too many wait; else what `work` says. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) {
      throw new CreoError('overloaded', `${this.#waiting} changes of the registry wait.`, {hint: 'Try again in a few seconds.'})
    }
    this.#waiting += 1
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.#waiting -= 1
    }
  }
}
