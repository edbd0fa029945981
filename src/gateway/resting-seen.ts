import type {InstanceTier, MinerMessage} from '../core/protocol/tunnel.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'

type Waiting = Extract<MinerMessage, {type: 'resting'}>['waiting']
export type RestingTier = Waiting[number]['tier']
export type RestingCounts = Readonly<Record<RestingTier, number>>

/** The warmest first, as a start goes the faster. */
const RANKS: Readonly<Record<InstanceTier, number>> = {running: 0, frozen: 1, initialised: 2, created: 3, pulled: 4, absent: 5}

/** What waits on the miners, as each said last; the next start of it is fast. */
export class RestingSeen {
  readonly #waiting = new WeakMap<MinerLink, Map<string, RestingTier>>()

  told(link: MinerLink, waiting: Waiting): void {
    this.#waiting.set(link, new Map(waiting.map(({revision, tier}) => [revision, tier])))
  }

  /** It was asked for, or was not there: the miner will say what waits now. */
  taken(link: MinerLink, revision: string): void {
    this.#waiting.get(link)?.delete(revision)
  }

  /** The smaller, the sooner an instance of this revision can be there. */
  rank(link: MinerLink, revision: string): number {
    return RANKS[this.#waiting.get(link)?.get(revision) ?? 'pulled']
  }

  counts(links: Iterable<MinerLink>): RestingCounts {
    const counts = {frozen: 0, initialised: 0, created: 0}
    for (const link of links) for (const tier of this.#waiting.get(link)?.values() ?? []) counts[tier] += 1
    return counts
  }
}
