import {isCreoError} from '../core/errors.ts'
import type {CommandType} from '../core/protocol/commands.ts'
import {
  type LeaseGrant,
  type LeasePlan,
  planLeases,
  type SchedulingNode,
  type SchedulingSettings,
  type SchedulingWorld
} from '../core/scheduling.ts'
import {noWorkReason} from '../core/wanted-work.ts'
import type {LeaseView, Ledger, RevisionView} from '../ledger/port.ts'
import type {Log} from '../telemetry/log.ts'
import type {OwnCommands} from './own-commands.ts'
import type {NodePresence, PresenceBoard} from './presence.ts'

const DAY_MS = 24 * 3600 * 1000
/** Newest revisions of an app that are looked at for what their function paid within a day. */
const EARLIER_REVISIONS_MAX = 1000
/** Causes whose command was refused are left alone for this long, and at most this many are remembered. */
const REFUSED_PAUSE_MS = 5000
const REFUSED_MAX = 10_000

/** Commands after which other leases may be right. Receipts are not among them: what they use up is renewed by the periodic plan. */
const MATTERING: ReadonlySet<CommandType> = new Set([
  'node.enroll',
  'revision.deploy',
  'traffic.set',
  'pool.fund',
  'lease.end',
  'time.advance'
])

export interface SchedulerTools {
  readonly ledger: Ledger
  readonly commands: OwnCommands
  readonly presence: PresenceBoard
  readonly exchangeOrg: string
  readonly settings: SchedulingSettings
  readonly planEveryMs: number
  readonly planDelayMs: number
  readonly nowMs: () => number
  readonly log: Log
}

/**
 * Turns what is known into leases: plans after every event that matters (gathered for a moment) and every few seconds, one plan at a time, and
 * submits it as signed commands. A plan is made from committed state alone, so a crash between two commands costs nothing.
 */
export class Scheduler {
  readonly #tools: SchedulerTools
  readonly #startedAtMs: number
  readonly #signal: AbortSignal
  readonly #unsubscribe: () => void
  readonly #refused = new Map<string, {readonly untilMs: number; readonly attempts: number}>()
  /** Read and parsed once after each deploy: every heartbeat of a node without work asks for them. */
  #current: readonly RevisionView[] | undefined
  #lastPlan: Pick<LeasePlan, 'shortOfPay' | 'ownersAtShare'> = {shortOfPay: new Map(), ownersAtShare: new Set()}
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = 0
  #running: Promise<void> | undefined
  /** Revisions without traffic of the apps of those that were current then. */
  #earlier: {readonly current: readonly RevisionView[]; readonly revisions: readonly RevisionView[]} | undefined
  #again = false

  constructor(tools: SchedulerTools, signal: AbortSignal) {
    this.#tools = tools
    this.#signal = signal
    this.#startedAtMs = tools.nowMs()
    this.#unsubscribe = tools.ledger.onCommitted(({types}) => {
      if (types.has('revision.deploy') || types.has('traffic.set')) this.#current = undefined
      if ([...types].some((type) => MATTERING.has(type))) this.poke()
    })
    this.#schedule(tools.planEveryMs)
  }

  /** Something happened: plan soon. */
  poke(): void {
    if (this.#running !== undefined) this.#again = true
    else this.#schedule(this.#tools.planDelayMs)
  }

  /** Why this node has no work, in words for its owner; null when it has some. */
  reasonFor(presence: NodePresence): string | null {
    const node = this.#schedulingNode(presence)
    if (!node) return 'This node is not enrolled.'
    const {reads} = this.#tools.ledger
    const leases = reads.leases({node: node.id, status: 'active'})
    const revisions = leases.length > 0 ? [] : this.#currentRevisions()
    return noWorkReason(node, {revisions, leases, exchangeOrg: this.#tools.exchangeOrg}, this.#lastPlan)
  }

  /** Plans once and resolves when everything planned is committed or refused. */
  async plan(): Promise<LeasePlan> {
    const plan = planLeases(this.#world())
    this.#lastPlan = plan
    const grants = plan.grants.filter((grant) => this.#mayTry(`g:${grant.cause}`))
    const endings = plan.endings.filter((ending) => this.#mayTry(`e:${ending.lease}`))
    await Promise.all([
      ...grants.map((grant) => this.#grant(grant)),
      ...endings.map(({lease, reason}) => this.#submit({type: 'lease.end', lease}, `e:${lease}`, {lease, reason}))
    ])
    return plan
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule(delayMs: number): void {
    const dueMs = performance.now() + delayMs
    if (this.#signal.aborted || (this.#timer && this.#timerDueMs <= dueMs)) return
    clearTimeout(this.#timer)
    this.#timerDueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#run()
    }, delayMs)
  }

  async #run(): Promise<void> {
    this.#again = false
    try {
      await this.plan()
    } catch (error) {
      if (!this.#signal.aborted) this.#tools.log.warn({err: error}, 'leases could not be planned; the next plan will')
    }
    this.#running = undefined
    this.#schedule(this.#again ? this.#tools.planDelayMs : this.#tools.planEveryMs)
  }

  #grant({node, revision, endsAtMs, budgets, cause}: LeaseGrant): Promise<void> {
    return this.#submit({type: 'lease.grant', node, revision, endsAtMs, budgets: [...budgets]}, `g:${cause}`, {node, revision})
  }

  /** A refused command is tried again later under the next attempt's name: the first one's answer stands for a while. */
  async #submit(body: Parameters<OwnCommands['submit']>[0], cause: string, facts: Readonly<Record<string, string>>): Promise<void> {
    const {commands, ledger, log} = this.#tools
    const attempts = this.#refused.get(cause)?.attempts ?? 0
    const answer = await commands.submit(body, `${cause}:${attempts}`, this.#signal).catch((error: unknown) => {
      if (isCreoError(error) && error.code === 'idempotency_conflict') return error
      throw error
    })
    if (answer instanceof Error || answer.status === 'rejected') {
      this.#rememberRefused(cause, attempts + 1)
      log.warn({...facts, command: body.type, code: answer.code}, answer.message)
      return
    }
    this.#refused.delete(cause)
    await ledger.projected(answer.seq, this.#signal)
    log.info({...facts, command: body.type, seq: answer.seq}, 'lease changed')
  }

  #mayTry(cause: string): boolean {
    const refused = this.#refused.get(cause)
    return refused === undefined || this.#tools.nowMs() >= refused.untilMs
  }

  #rememberRefused(cause: string, attempts: number): void {
    const oldest = this.#refused.size >= REFUSED_MAX ? this.#refused.keys().next().value : undefined
    if (oldest !== undefined) this.#refused.delete(oldest)
    this.#refused.set(cause, {attempts, untilMs: this.#tools.nowMs() + REFUSED_PAUSE_MS})
  }

  #world(): SchedulingWorld {
    const {ledger, presence, exchangeOrg, settings} = this.#tools
    const {reads} = ledger
    const nowMs = this.#tools.nowMs()
    const current = this.#currentRevisions()
    const active = reads.leases({status: 'active'})
    const old = this.#oldRevisions(current, active, nowMs)
    return {
      nowMs,
      startedAtMs: this.#startedAtMs,
      exchangeOrg,
      settings,
      nodes: [...presence.all()].flatMap((node) => this.#schedulingNode(node) ?? []),
      revisions: [...current, ...old],
      leases: [...active, ...this.#endedToday([...current, ...old], nowMs)],
      pools: this.#pools(current),
      ownerOf: (node) => reads.node(node)?.owner
    }
  }

  #currentRevisions(): readonly RevisionView[] {
    this.#current ??= this.#tools.ledger.reads.currentRevisions()
    return this.#current
  }

  #schedulingNode({heartbeat, seenAtMs, earnSinceMs}: NodePresence): SchedulingNode | undefined {
    const node = this.#tools.ledger.reads.node(heartbeat.node)
    if (!node) return undefined
    const {architecture, earn, memoryBytes, cpuMillis, enforcesLimits, draining} = heartbeat
    return {id: node.id, owner: node.owner, architecture, earn, memoryBytes, cpuMillis, enforcesLimits, draining, seenAtMs, earnSinceMs}
  }

  /** Those that still have a lease, and those that lost their traffic within the last day: what they paid is of their functions' day. */
  #oldRevisions(current: readonly RevisionView[], active: readonly LeaseView[], nowMs: number): RevisionView[] {
    const known = new Set(current.map((revision) => revision.id))
    const leased = new Set(active.map((lease) => lease.revision).filter((id) => !known.has(id)))
    const left = this.#earlierRevisions(current).filter(({id, trafficAtMs}) => !leased.has(id) && trafficAtMs > nowMs - DAY_MS)
    return [...[...leased].flatMap((id) => this.#tools.ledger.reads.revision(id) ?? []), ...left]
  }

  #earlierRevisions(current: readonly RevisionView[]): readonly RevisionView[] {
    if (this.#earlier?.current === current) return this.#earlier.revisions
    const {reads} = this.#tools.ledger
    const apps = new Map(current.map(({org, app}) => [`${org}/${app}`, {org, app}]))
    const revisions = [...apps.values()].flatMap((app) =>
      reads.revisions({...app, limit: EARLIER_REVISIONS_MAX}).filter((one) => !one.current)
    )
    this.#earlier = {current, revisions}
    return revisions
  }

  #endedToday(current: readonly RevisionView[], nowMs: number): LeaseView[] {
    const paying = current.filter((revision) => revision.spec.rewards.length > 0)
    const {reads} = this.#tools.ledger
    return paying.flatMap((revision) => reads.endedLeases({revision: revision.id, startedAfterMs: nowMs - DAY_MS}))
  }

  #pools(current: readonly RevisionView[]): Map<string, number> {
    const incentives = new Set(current.flatMap((revision) => revision.spec.rewards.map((line) => line.incentive)))
    const {reads} = this.#tools.ledger
    const pools = new Map<string, number>()
    for (const asset of incentives) {
      const account = reads.incentive(asset)?.org
      const pool = account === undefined ? undefined : reads.balances({account, asset}).find(({kind}) => kind === 'pool')
      pools.set(asset, pool?.amountMinor ?? 0)
    }
    return pools
  }
}
