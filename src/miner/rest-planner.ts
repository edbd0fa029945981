import type {RevisionEntry} from '../core/protocol/tables.ts'
import {
  type AskHistory,
  askedAgain,
  FROZEN_IDLE_MAX_MS,
  likeliest,
  planRest,
  type RestCandidate,
  type RestTier,
  restingBudget
} from '../core/readiness.ts'
import type {HeldTier} from '../runtime/port.ts'

export interface RestPlannerOptions {
  /** What the runtime can hold on this machine. */
  readonly tiers: readonly HeldTier[]
  /** Memory that the owner lends, and what running instances have of it by their limits. */
  readonly lentBytes: () => number
  readonly runningBytes: () => number
  /** How many run, or end, of each revision. */
  readonly running: () => ReadonlyMap<string, number>
  /** Revisions that may be asked for now, the same list while they are the same; none while the node takes no work. */
  readonly wanted: () => readonly RevisionEntry[]
  readonly monotonicMs: () => number
  /** What waits, by revision; `changed` says that it is something else. */
  readonly waiting: ReadonlyMap<string, Pick<RestCandidate, 'processBytes'> & {readonly tier: HeldTier['tier']}>
}

/** What the policy says of the revisions of this node. There may be thousands: a plan is made anew only when something has changed, of those that it could concern. */
export class RestPlanner {
  readonly #options: RestPlannerOptions
  readonly #asks = new Map<string, AskHistory>()
  #wanted: {readonly list: readonly RevisionEntry[]; readonly byId: ReadonlyMap<string, RevisionEntry>} = {list: [], byId: new Map()}
  /** Goes up with whatever a plan is made of. */
  #changes = 0
  #planned: {readonly of: string; readonly untilMs: number; readonly plan: ReadonlyMap<string, RestTier>} | undefined

  constructor(options: RestPlannerOptions) {
    this.#options = options
  }

  changed(): void {
    this.#changes += 1
  }

  asked(revision: string): void {
    this.#asks.set(revision, askedAgain(this.#asks.get(revision), this.#options.monotonicMs()))
    this.changed()
  }

  asksOf(revision: string): AskHistory {
    return this.#asks.get(revision) ?? askedAgain(undefined, this.#options.monotonicMs())
  }

  /** Revisions that may be asked for now, by id. */
  wanted(): ReadonlyMap<string, RevisionEntry> {
    const list = this.#options.wanted()
    if (list === this.#wanted.list) return this.#wanted.byId
    const byId = new Map(list.map((revision) => [revision.id, revision]))
    for (const id of this.#asks.keys()) if (!byId.has(id)) this.#asks.delete(id)
    const asked = askedAgain(undefined, this.#options.monotonicMs())
    for (const id of byId.keys()) if (!this.#asks.has(id)) this.#asks.set(id, asked)
    this.#wanted = {list, byId}
    this.changed()
    return byId
  }

  /** What the policy says, with one revision as it would be when `leavingBytes` run no more. */
  plan(changed?: Pick<RestCandidate, 'revision'> & Partial<RestCandidate>, leavingBytes = 0): ReadonlyMap<string, RestTier> {
    const {tiers, waiting, lentBytes, runningBytes, monotonicMs} = this.#options
    const wanted = this.wanted()
    const running = this.#options.running()
    const nowMs = monotonicMs()
    const awake = new Set([...waiting.keys(), ...running.keys(), ...(changed === undefined ? [] : [changed.revision])])
    const asleep = [...this.#asks].filter(([id]) => !awake.has(id) && wanted.has(id))
    const candidates = [...awake, ...likeliest(asleep, nowMs).keys()].flatMap((id): RestCandidate | [] => {
      if (!wanted.has(id)) return []
      const {tier: now = 'pulled', processBytes}: Partial<Pick<RestCandidate, 'processBytes'> & {tier: RestTier}> = waiting.get(id) ?? {}
      const self = {
        revision: id,
        now,
        running: running.get(id) ?? 0,
        asks: this.asksOf(id),
        ...(processBytes !== undefined && {processBytes})
      }
      return changed?.revision === id ? {...self, ...changed} : self
    })
    return planRest({nowMs, candidates, tiers, budgetBytes: restingBudget(lentBytes(), runningBytes() - leavingBytes)})
  }

  /** The same as it is now: made anew when something has changed, or when the first that is frozen has been so for too long. */
  now(): ReadonlyMap<string, RestTier> {
    const {waiting, lentBytes, runningBytes, running, monotonicMs} = this.#options
    const of = [this.#changes, lentBytes(), runningBytes(), ...[...running()].flat()].join(' ')
    if (this.#planned?.of === of && monotonicMs() < this.#planned.untilMs) return this.#planned.plan
    const frozen = [...waiting].filter(([, {tier}]) => tier === 'frozen')
    const untilMs = Math.min(...frozen.map(([revision]) => this.asksOf(revision).atMs + FROZEN_IDLE_MAX_MS))
    this.#planned = {of, untilMs, plan: this.plan()}
    return this.#planned.plan
  }
}
