import {randomBytes} from 'node:crypto'
import type {LeaseEntry, RoutesTable} from '../core/protocol/tables.ts'
import {PROBE_ANSWER_MAX_MS, PROBE_FIRST_MEAN_MS, PROBE_MEAN_MS, probeGapMs} from '../core/standby.ts'
import {sha256Hex} from '../identity/keys.ts'
import type {Log} from '../telemetry/log.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import type {Instance} from './instance.ts'
import type {Stood, WorkOf} from './meter.ts'
import type {FailedBy} from './starts.ts'

const UNIFORM_BYTES = 6

/** What a gateway that proves standing by may ask of its instances. */
export interface Activator {
  activate(lease: LeaseEntry): string | undefined
}

/** How often is probed; a test has its own. */
export interface ProbeTimes {
  readonly meanMs: number
  readonly firstMeanMs: number
  readonly answerMaxMs: number
  /** Drawn evenly from 0 to 1. */
  readonly uniform: () => number
}

/** Numbers from the system's own generator: from those that a gateway shows otherwise nobody can foresee them. */
const PROBE_TIMES: ProbeTimes = {
  meanMs: PROBE_MEAN_MS,
  firstMeanMs: PROBE_FIRST_MEAN_MS,
  answerMaxMs: PROBE_ANSWER_MAX_MS,
  uniform: () => randomBytes(UNIFORM_BYTES).readUIntBE(0, UNIFORM_BYTES) / 2 ** (8 * UNIFORM_BYTES)
}

export interface StandbyWatchOptions {
  /** Id of this gateway. */
  readonly gateway: string
  readonly fleet: () => Activator
  readonly links: ReadonlyMap<string, MinerLink>
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly log: Log
  readonly times?: ProbeTimes | undefined
  /** Time that a node was proven to have stood by, to be proposed to it. */
  propose(of: WorkOf, stood: Stood): void
}

/** The last good probe of one revision on one node. */
interface Proof {
  readonly link: MinerLink
  /** With the lease that it stood by for. */
  readonly work: WorkOf
  readonly monotonicMs: number
  readonly atMs: number
  /** What it had run for by then, see `Running`. */
  readonly ranMs: number
}

/** How long at least one instance of one revision ran on one node. */
interface Running {
  count: number
  sinceMs: number
  ranMs: number
}

/**
 * Proves by probes at random times that nodes stand by for the leases whose rewards pay for it. Of the table's gateways one alone proves a revision on
 * a node, so that nobody is paid for the same time by each.
 */
export class StandbyWatch {
  readonly #options: StandbyWatchOptions
  readonly #times: ProbeTimes
  readonly #dueMs = new WeakMap<MinerLink, number>()
  readonly #proofs = new Map<string, Proof>()
  readonly #running = new Map<string, Running>()
  /** Instances that were started as probes, until they have answered or it is too late. */
  readonly #probes = new Map<string, AbortSignal>()
  #provable: readonly LeaseEntry[] = []

  constructor(options: StandbyWatchOptions) {
    this.#options = options
    this.#times = options.times ?? PROBE_TIMES
  }

  update({leases, revisions, gateways}: RoutesTable): void {
    const rates = new Map(revisions.map(({id, spec}) => [id, spec.rewards.filter((line) => (line.standbyMsPerMillionMinor ?? 0) > 0)]))
    const ids = gateways.map(({id}) => id)
    this.#provable = leases.filter(({revision, node, budgets}) => {
      const pays = rates.get(revision)?.some((line) => budgets.some(({incentive}) => incentive === line.incentive))
      return pays === true && standbyProver(ids, {node, revision}) === this.#options.gateway
    })
    const known = new Set(leases.map(pairOf))
    for (const kept of [this.#proofs, this.#running]) for (const pair of kept.keys()) if (!known.has(pair)) kept.delete(pair)
  }

  /** Probes the nodes whose time has come. Called every second. */
  look(): void {
    const nowMs = this.#options.monotonicMs()
    for (const link of this.#options.links.values()) {
      const dueMs = this.#dueMs.get(link)
      if (dueMs === undefined) this.#dueMs.set(link, nowMs + probeGapMs(this.#times.uniform(), this.#times.firstMeanMs))
      else if (dueMs <= nowMs) {
        this.#dueMs.set(link, nowMs + probeGapMs(this.#times.uniform(), this.#times.meanMs))
        this.#probe(link)
      }
    }
  }

  /**
   * What was asked for is there, and listens, or its miner had not said so. With a connection to it that is proof: the function is not asked anything,
   * takes no room of its requests for it, and cannot withhold it.
   */
  started(instance: Instance): void {
    const signal = this.#probes.get(instance.id)
    if (signal === undefined) return
    const reached = (): void => {
      if (this.#probes.delete(instance.id)) this.#succeeded(instance)
    }
    void instance.reach(signal).then(reached, () => this.failed(instance.lease, instance.id, 'node'))
  }

  /** A start that fails by the node shows that it was not ready, whoever asked. One that fails by the function shows nothing: its org could take standing by for free. */
  failed(lease: LeaseEntry, instance: string, by: FailedBy): void {
    this.#probes.delete(instance)
    if (by === 'function' || !this.#proofs.delete(pairOf(lease))) return
    this.#options.log.info({node: lease.node, lease: lease.id}, 'not ready: the time stood by since the last good probe is forfeited')
  }

  /** An instance begins to run (1), or does no more (-1). */
  runs(work: WorkOf, change: 1 | -1): void {
    const nowMs = this.#options.monotonicMs()
    const running = this.#running.get(pairOf(work)) ?? {count: 0, sinceMs: nowMs, ranMs: 0}
    if (running.count > 0) running.ranMs += nowMs - running.sinceMs
    running.sinceMs = nowMs
    running.count = Math.max(0, running.count + change)
    this.#running.set(pairOf(work), running)
  }

  /** One of the node's leases, taken by chance; the next one where that can't be started now. */
  #probe(link: MinerLink): void {
    const leases = this.#provable.filter(({node}) => node === link.node)
    const from = Math.floor(this.#times.uniform() * leases.length)
    for (const lease of [...leases.slice(from), ...leases.slice(0, from)]) {
      const instance = this.#options.fleet().activate(lease)
      if (instance === undefined) continue
      const signal = AbortSignal.timeout(this.#times.answerMaxMs)
      this.#probes.set(instance, signal)
      signal.addEventListener('abort', () => this.#probes.has(instance) && this.failed(lease, instance, 'node'), {once: true})
      return
    }
  }

  #succeeded({link, lease, work}: Instance): void {
    const {now, monotonicMs} = this.#options
    const pair = pairOf(lease)
    const before = this.#proofs.get(pair)
    this.runs(work, 1)
    this.runs(work, -1)
    const proof: Proof = {link, work, monotonicMs: monotonicMs(), atMs: now(), ranMs: this.#running.get(pair)?.ranMs ?? 0}
    this.#proofs.set(pair, proof)
    // A session that ended was no connection: what lies before this one is not proven.
    if (before?.link !== link) return
    const windowMs = Math.floor(proof.monotonicMs - before.monotonicMs)
    const standbyMs = Math.max(0, Math.floor(windowMs - (proof.ranMs - before.ranMs)))
    if (windowMs === 0 || standbyMs === 0) return
    const stood = {startMs: before.atMs, windowMs, standbyMs}
    const pieces = before.work.lease === work.lease ? [stood] : splitStood(stood, lease.startsAtMs)
    for (const [index, piece] of pieces.entries()) {
      if (piece.standbyMs > 0) this.#options.propose(index < pieces.length - 1 ? before.work : work, piece)
    }
  }
}

/** A lease pays for no time before it began: what lies before its start is the earlier lease's. What ran counts with each by its length. */
export function splitStood({startMs, windowMs, standbyMs}: Stood, atMs: number): readonly [Stood, Stood] {
  const firstMs = Math.min(windowMs, Math.max(0, Math.floor(atMs - startMs)))
  const firstStandbyMs = Math.floor((standbyMs / windowMs) * firstMs)
  const restMs = windowMs - firstMs
  return [
    {startMs, windowMs: firstMs, standbyMs: firstStandbyMs},
    {startMs: startMs + firstMs, windowMs: restMs, standbyMs: Math.min(restMs, standbyMs - firstStandbyMs)}
  ]
}

/** Which gateway proves a revision on a node: the one whose hash with both is the highest, so that all agree and share the work, whoever comes and goes. */
export function standbyProver(gateways: readonly string[], {node, revision}: Pick<WorkOf, 'node' | 'revision'>): string | undefined {
  const weighted = gateways.map((gateway) => ({gateway, weight: sha256Hex(`${gateway} ${node} ${revision}`)}))
  return weighted.sort((a, b) => (a.weight < b.weight ? 1 : -1))[0]?.gateway
}

function pairOf({node, revision}: {readonly node: string; readonly revision: string}): string {
  return `${node} ${revision}`
}
