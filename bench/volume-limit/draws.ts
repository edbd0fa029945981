import {randomOf} from '../exchange/book-events.ts'

/** Seeded draws: the same for the same seed, whatever the machine. */
export class Draws {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  /** From 0 to 1. */
  uniform(): number {
    return this.#random()
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.#random() * times < 1
  }

  below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  /** Of mean 0 and deviation 1 (Box and Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }

  /** A place in weights that are drawn in proportion to their size. */
  weighted(weights: readonly number[]): number {
    let rest = this.#random() * weights.reduce((sum, weight) => sum + weight, 0)
    const place = weights.findIndex((weight) => {
      rest -= weight
      return rest < 0
    })
    return place === -1 ? weights.length - 1 : place
  }
}
