import {setImmediate as nextTurn} from 'node:timers/promises'
import {isCreoError} from '../core/errors.ts'
import {LEASES_PER_NODE_DEFAULT} from '../core/lease-count.ts'
import type {LeasePlan, ShortOfPay} from '../core/lease-plan.ts'
import type {RevisionReadiness} from '../core/protocol/app-reports.ts'
import type {CommandAnswer, CommandType} from '../core/protocol/commands.ts'
import type {SchedulingNode, SchedulingSettings, SchedulingWorld} from '../core/scheduling.ts'
import {fits, isOfOtherArchitecture, mayWant, noWorkReason} from '../core/wanted-work.ts'
import type {Ledger, RevisionView} from '../ledger/port.ts'
import type {Log} from '../telemetry/log.ts'
import {AwakeSince} from './awake-since.ts'
import {planWithoutBlocked} from './blocked-leases.ts'
import type {KnownLeases} from './known-leases.ts'
import {KnownRevisions} from './known-revisions.ts'
import type {LastingReads} from './lasting-reads.ts'
import type {OwnCommands} from './own-commands.ts'
import {type Change, endingChange, grantChange} from './planned-changes.ts'
import type {NodePresence, PresenceBoard} from './presence.ts'
import {RefusedCauses} from './refused-causes.ts'
import type {BlockedImages} from './registry/blocked-images.ts'
import type {ReputationBoard} from './reputation-board.ts'

/** So many changes are signed and applied between two looks at what else came. */
const CHANGES_AT_ONCE = 50
/** After a plan comes this many times the processor time that it took before another is made: planning leaves the thread to requests. */
const PAUSE_PER_PLAN = 3
const PAUSE_MAX_MS = 5000
/** Nodes that are asked why they do not run a revision, and how many of their answers are told. */
const REFUSING_NODES_MAX = 1000
const REFUSALS_MAX = 5
const US_PER_MS = 1000

/** Commands after which other leases may be right. Receipts are not among them: what they use up is renewed by the periodic plan. */
const MATTERING: ReadonlySet<CommandType> = new Set([
  'node.enroll',
  'revision.deploy',
  'traffic.set',
  'app.destroy',
  'operator.block',
  'operator.unblock',
  'pool.fund',
  'lease.end',
  'time.advance'
])

export interface SchedulerTools {
  readonly ledger: Ledger
  readonly leases: KnownLeases
  readonly lasting: LastingReads
  readonly commands: OwnCommands
  readonly blockedImages: Pick<BlockedImages, 'among'>
  readonly presence: PresenceBoard
  readonly reputation: Pick<ReputationBoard, 'poor'>
  readonly exchangeOrg: string
  readonly receiptGraceMs: number
  readonly settings: SchedulingSettings
  readonly planEveryMs: number
  readonly planDelayMs: number
  readonly nowMs: () => number
  /** Stands while the machine sleeps. Where it is left out, time passes by `nowMs` alone. */
  readonly monotonicMs?: () => number
  readonly log: Log
}

/** Why no node runs a revision. */
type Refusals = Pick<RevisionReadiness, 'refusals' | 'otherArchitecture' | 'tooSmall' | 'candidates'>

/**
 * Turns what is known into leases: plans after every event that matters (gathered for a moment) and every few seconds, one plan at a time, and
 * submits it as signed commands. A plan is made from committed state alone, so a crash between two commands costs nothing.
 */
export class Scheduler {
  readonly #tools: SchedulerTools
  readonly #awake: AwakeSince
  readonly #signal: AbortSignal
  readonly #unsubscribe: () => void
  readonly #refused: RefusedCauses
  readonly #revisions: KnownRevisions
  readonly #lasting: LastingReads
  #lastPlan: Pick<LeasePlan, 'shortOfPay' | 'ownersAtShare' | 'resting'> = {
    shortOfPay: new Map(),
    ownersAtShare: new Set(),
    resting: new Set()
  }
  /** By the monotonic clock. */
  #notBeforeMs = 0
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = 0
  #running: Promise<void> | undefined
  #again = false

  constructor(tools: SchedulerTools, signal: AbortSignal) {
    this.#tools = tools
    this.#signal = signal
    this.#refused = new RefusedCauses(tools.nowMs)
    this.#awake = new AwakeSince(tools.nowMs, tools.monotonicMs ?? tools.nowMs)
    this.#lasting = tools.lasting
    this.#revisions = new KnownRevisions(tools)
    this.#unsubscribe = tools.ledger.onCommitted(({types}) => {
      if ([...types].some((type) => MATTERING.has(type))) this.poke()
    })
    this.#schedule(tools.planEveryMs)
  }

  /** What gets traffic or has a tag. */
  get current(): readonly RevisionView[] {
    return this.#revisions.current()
  }

  /** Nodes could not be heard before that. */
  get awakeSinceMs(): number {
    return this.#awake.look()
  }

  /** Something happened: plan soon. */
  poke(): void {
    if (this.#running !== undefined) this.#again = true
    else this.#schedule(this.#soonMs)
  }

  /** Why this node has no work, in words for its owner; null when it has some. */
  reasonFor(presence: NodePresence): string | null {
    const node = this.#schedulingNode(presence)
    if (!node) return 'This node is not enrolled.'
    const leases = this.#tools.leases.ofNode(node.id)
    const revisions = leases.length > 0 ? [] : this.#revisions.current()
    return noWorkReason(node, {revisions, leases, exchangeOrg: this.#tools.exchangeOrg}, this.#lastPlan)
  }

  /** Set while a revision gets no further lease for want of pay. */
  shortOfPay(revision: string): ShortOfPay | undefined {
    return this.#lastPlan.shortOfPay.get(revision)
  }

  /** What nodes that are there would be told if this revision were all there is to run, with how many of them, most first. */
  refusalsFor(revision: RevisionView): Refusals {
    const {presence, settings, exchangeOrg, nowMs} = this.#tools
    const heardAfterMs = nowMs() - settings.lostAfterMs
    const counts = new Map<string, number>()
    let [looked, otherArchitecture, tooSmall, candidates] = [0, 0, 0, 0]
    for (const one of presence.all()) {
      if (one.seenAtMs <= heardAfterMs) continue
      if (++looked > REFUSING_NODES_MAX) break
      const node = this.#schedulingNode(one)
      const reason = node && noWorkReason(node, {revisions: [revision], leases: [], exchangeOrg}, this.#lastPlan)
      if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1)
      if (node && isOfOtherArchitecture(node, revision, exchangeOrg)) otherArchitecture += 1
      if (!node || !mayWant(node, revision, exchangeOrg)) continue
      if (fits(node, revision)) candidates += 1
      else tooSmall += 1
    }
    const isKnown = looked <= REFUSING_NODES_MAX && this.#awake.look() <= heardAfterMs
    const most = [...counts].map(([reason, nodes]) => ({reason, nodes})).sort((a, b) => b.nodes - a.nodes)
    return {refusals: most.slice(0, REFUSALS_MAX), otherArchitecture, tooSmall, ...(isKnown && {candidates})}
  }

  /** Plans once and resolves when everything planned is committed or refused. */
  async plan(): Promise<LeasePlan> {
    const began = process.cpuUsage()
    const images = await this.#tools.blockedImages.among(() => this.#revisions.all(this.#tools.nowMs()).map(({imageDigest}) => imageDigest))
    const plan = planWithoutBlocked(this.#world(), {keys: this.#tools.ledger.reads.blockedKeys(), images})
    const {user, system} = process.cpuUsage(began)
    this.#notBeforeMs = performance.now() + Math.min(PAUSE_MAX_MS, (PAUSE_PER_PLAN * (user + system)) / US_PER_MS)
    this.#lastPlan = plan
    if (plan.isCut) this.#again = true
    const grants = plan.grants.filter((grant) => this.#refused.mayTry(`g:${grant.cause}`))
    const endings = plan.endings.filter((ending) => this.#refused.mayTry(`e:${ending.lease}`))
    await this.#carryOut([...grants.map(grantChange), ...endings.map(endingChange)])
    return plan
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    this.#revisions.close()
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Until the next plan that an event asks for. */
  get #soonMs(): number {
    return Math.max(this.#tools.planDelayMs, this.#notBeforeMs - performance.now())
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
    this.#schedule(this.#again ? this.#soonMs : this.#tools.planEveryMs)
  }

  async #carryOut(changes: readonly Change[]): Promise<void> {
    const {ledger, log} = this.#tools
    const underWay: Promise<number>[] = []
    for (let at = 0; at < changes.length; at += CHANGES_AT_ONCE) {
      if (at > 0) await nextTurn()
      underWay.push(...this.#submit(changes.slice(at, at + CHANGES_AT_ONCE)))
    }
    const sequences = await Promise.all(underWay)
    const seq = Math.max(0, ...sequences)
    if (seq === 0) return
    await ledger.projected(seq, this.#signal)
    log.info(
      {changed: sequences.filter((one) => one > 0).length, refused: sequences.filter((one) => one === 0).length, seq},
      'leases changed'
    )
  }

  /** Each resolves to its ledger sequence, or to 0 when it was refused. */
  #submit(changes: readonly Change[]): Promise<number>[] {
    const answers = this.#tools.commands.submitTogether(
      changes.map(({body, cause}) => ({body, cause: `${cause}:${this.#refused.attempts(cause)}`})),
      this.#signal
    )
    return answers.map((answer, at) => {
      const noted = this.#note(changes[at] as Change, answer)
      // Its failure is told when all are under way.
      noted.catch(() => undefined)
      return noted
    })
  }

  /** A refused command is tried again later under the next attempt's name: the first one's answer stands for a while. */
  async #note({body, cause, facts}: Change, answered: Promise<CommandAnswer>): Promise<number> {
    const {log} = this.#tools
    const answer = await answered.catch((error: unknown) => {
      if (isCreoError(error) && error.code === 'idempotency_conflict') return error
      throw error
    })
    if (answer instanceof Error || answer.status === 'rejected') {
      this.#refused.remember(cause)
      log.warn({...facts, command: body.type, code: answer.code}, answer.message)
      return 0
    }
    this.#refused.forget(cause)
    log.debug({...facts, command: body.type, seq: answer.seq}, 'lease changed')
    return answer.seq
  }

  #world(): SchedulingWorld {
    const {leases, presence, exchangeOrg, receiptGraceMs, settings} = this.#tools
    const nowMs = this.#tools.nowMs()
    const poor = this.#tools.reputation.poor(nowMs)
    return {
      nowMs,
      startedAtMs: this.#awake.look(),
      exchangeOrg,
      receiptGraceMs,
      settings,
      nodes: [...presence.all()].flatMap((node) => this.#schedulingNode(node, poor) ?? []),
      revisions: this.#revisions.all(nowMs),
      leases: [...leases.active(), ...leases.endedToday(nowMs)],
      pools: this.#pools(this.#revisions.current()),
      ownerOf: (node) => this.#lasting.node(node)?.owner
    }
  }

  #schedulingNode({heartbeat, ...since}: NodePresence, poor?: Pick<ReadonlySet<string>, 'has'>): SchedulingNode | undefined {
    const owner = this.#lasting.node(heartbeat.node)?.owner
    if (owner === undefined) return undefined
    const {node: id, architecture, earn, memoryBytes, cpuMillis, enforcesLimits, draining, leasesMax = LEASES_PER_NODE_DEFAULT} = heartbeat
    const machine = {architecture, memoryBytes, cpuMillis, enforcesLimits}
    return {id, owner, earn, ...machine, draining, leasesMax, ...since, ...(poor?.has(id) && {standing: 'poor' as const})}
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
