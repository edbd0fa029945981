/**
 * Which leased functions wait for their next request, and how warm: a pure function of how often each is asked for, what each tier costs, and the
 * memory that the node's owner lends and nothing running needs.
 */

/** Where a leased function that runs nothing can wait, warmest first. `pulled`: its image alone is there. */
export type RestTier = 'frozen' | 'initialised' | 'created' | 'pulled'

/** Milliseconds from asking for an instance to its first byte: medians of a Node function under podman, the slower kind (DESIGN §6). */
export const START_MS: Readonly<Record<RestTier, number>> = {frozen: 9, initialised: 64, created: 115, pulled: 132}
/** Of the memory that the owner lends, what may be held by instances that nobody asks for. */
export const RESTING_SHARE = 0.5
/** Containers that wait on a node, however little each costs. */
export const RESTING_MAX = 256
/** What was asked for this long ago counts half. */
export const ASK_HALF_LIFE_MS = 3_600_000
/** A function that nobody has asked for since so long holds no memory of its own any more. */
export const FROZEN_IDLE_MAX_MS = 24 * 3_600_000
/** While an instance answers, the next one is needed this much less often. */
const WEIGHT_WHILE_RUNNING = 0.25

/** How often a revision is asked for: a count in which each start fades by half every `ASK_HALF_LIFE_MS`, and when it was last right. */
export interface AskHistory {
  readonly count: number
  readonly atMs: number
}

/** The history after a further start. A new lease begins as one that was asked for once: somebody has just deployed it. */
export function askedAgain(history: AskHistory | undefined, nowMs: number): AskHistory {
  return {count: (history === undefined ? 0 : fadedCount(history, nowMs)) + 1, atMs: nowMs}
}

/** A tier that the runtime can hold on this machine, and what one instance costs in it beside the memory of the function itself. */
export interface OfferedTier {
  readonly tier: Exclude<RestTier, 'pulled'>
  readonly heldBytes: number
}

/** A leased revision, as the policy sees it. */
export interface RestCandidate {
  readonly revision: string
  readonly asks: AskHistory
  /** Memory of the one that is frozen, or whose process could be; left out when there is none. */
  readonly processBytes?: number
  /** The container that waits already. */
  readonly now: RestTier
  readonly running: number
}

export interface RestQuestion {
  readonly nowMs: number
  readonly candidates: readonly RestCandidate[]
  /** What the runtime offers. */
  readonly tiers: readonly OfferedTier[]
  /** What all that wait may hold together. */
  readonly budgetBytes: number
}

/** A tier that a candidate could be raised to next. */
interface Rung {
  readonly tier: RestTier
  readonly bytes: number
  /** Milliseconds that it saves, times how often. */
  readonly saved: number
}

interface Climber {
  readonly revision: string
  readonly open: Rung[]
  at: Pick<Rung, 'bytes' | 'saved'>
  isHeld: boolean
}

interface Step {
  readonly climber: Climber
  readonly rung: Rung
  /** What it saves by byte: infinite for what costs nothing. */
  readonly worth: number
}

/** What those that wait may hold: a share of what is lent, and never what running instances need. */
export function restingBudget(lentBytes: number, runningBytes: number): number {
  return Math.max(0, Math.min(Math.floor(lentBytes * RESTING_SHARE), lentBytes - runningBytes))
}

/**
 * The tier at which each revision should rest. Memory goes where it saves most waiting by byte: every candidate climbs a ladder of ever dearer
 * tiers, and of all next rungs the one that is worth most is taken as long as it fits (the greedy rule of the multiple-choice knapsack).
 * Histories fade alike, so the order changes when somebody asks, and not by the passing of time.
 */
export function planRest(question: RestQuestion): ReadonlyMap<string, RestTier> {
  const plan = new Map<string, RestTier>(question.candidates.map(({revision}) => [revision, 'pulled']))
  const steps = question.candidates.flatMap((candidate) => nextStep(climberOf(candidate, question))).sort(byWorth)
  let leftBytes = question.budgetBytes
  let count = 0
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const {climber, rung} = step
    if (!climber.isHeld && count >= RESTING_MAX) continue
    climber.open.splice(climber.open.indexOf(rung), 1)
    if (rung.bytes - climber.at.bytes <= leftBytes) {
      leftBytes -= rung.bytes - climber.at.bytes
      count += climber.isHeld ? 0 : 1
      climber.isHeld = true
      climber.at = rung
      plan.set(climber.revision, rung.tier)
    }
    for (const next of nextStep(climber)) steps.splice(steps.findLastIndex((other) => byWorth(other, next) <= 0) + 1, 0, next)
  }
  return plan
}

/**
 * Of revisions of which nothing waits or runs, those that a plan could make ready at all: they climb the same ladder, the likeliest to be asked for
 * first, and of equals the one with the smaller name.
 */
export function likeliest(asleep: Iterable<readonly [revision: string, asks: AskHistory]>, nowMs: number): ReadonlyMap<string, AskHistory> {
  const best: {readonly revision: string; readonly asks: AskHistory; readonly weight: number}[] = []
  for (const [revision, asks] of asleep) {
    const weight = fadedCount(asks, nowMs)
    const isBefore = (other: (typeof best)[number]): boolean =>
      weight > other.weight || (weight === other.weight && revision < other.revision)
    const last = best[RESTING_MAX - 1]
    if (last !== undefined && !isBefore(last)) continue
    best.splice(best.findLastIndex((other) => !isBefore(other)) + 1, 0, {revision, asks, weight})
    best.length = Math.min(best.length, RESTING_MAX)
  }
  return new Map(best.map(({revision, asks}) => [revision, asks]))
}

/** One that waits, with what its end would free. */
export interface Waiting {
  readonly revision: string
  readonly tier: RestTier
  readonly heldBytes: number
  readonly asks: AskHistory
}

/** Which of those that wait to give up so that at least `neededBytes` are free: those that are worth least by byte, and no more than it takes. */
export function giveUp(waiting: readonly Waiting[], neededBytes: number, nowMs: number): readonly string[] {
  const worth = (one: Waiting): number => (savedMs(one.tier) * fadedCount(one.asks, nowMs)) / one.heldBytes
  const byWorth = waiting.filter(({heldBytes}) => heldBytes > 0).sort((a, b) => worth(a) - worth(b) || (a.revision < b.revision ? -1 : 1))
  const given: Waiting[] = []
  let freedBytes = 0
  for (const one of byWorth) {
    if (freedBytes >= neededBytes) break
    given.push(one)
    freedBytes += one.heldBytes
  }
  const needed: string[] = []
  for (const one of given.toReversed()) {
    if (freedBytes - one.heldBytes >= neededBytes) freedBytes -= one.heldBytes
    else needed.push(one.revision)
  }
  return needed.toReversed()
}

function climberOf(candidate: RestCandidate, {tiers, nowMs}: RestQuestion): Climber {
  const weight = fadedCount(candidate.asks, nowMs) * (candidate.running > 0 ? WEIGHT_WHILE_RUNNING : 1)
  const open = tiers.flatMap(({tier, heldBytes}) => {
    const bytes = heldBytes + (tier === 'frozen' ? (candidate.processBytes ?? 0) : 0)
    return isOpen(tier, candidate, nowMs) ? [{tier, bytes, saved: savedMs(tier) * weight}] : []
  })
  return {revision: candidate.revision, open, at: {bytes: 0, saved: 0}, isHeld: false}
}

/** The rung above that is worth most by byte, if there is one. */
function nextStep(climber: Climber): readonly Step[] {
  const {open, at} = climber
  const steps = open.filter(({saved}) => saved > at.saved).map((rung) => ({climber, rung, worth: worthOf(rung, at)}))
  return steps.sort((a, b) => compare(a.worth, b.worth) || a.rung.saved - b.rung.saved).slice(-1)
}

function worthOf(rung: Rung, at: Climber['at']): number {
  return (rung.saved - at.saved) / Math.max(0, rung.bytes - at.bytes)
}

/** Worth most last; of equals the one with the smaller name, so that the plan is always the same. */
function byWorth(a: Step, b: Step): number {
  return compare(a.worth, b.worth) || compare(a.rung.saved, b.rung.saved) || (a.climber.revision < b.climber.revision ? 1 : -1)
}

/** Only a process can be frozen, and nothing new is made ready beside an instance that answers. */
function isOpen(tier: RestTier, {processBytes, now, running, asks}: RestCandidate, nowMs: number): boolean {
  if (tier === 'frozen') return processBytes !== undefined && nowMs - asks.atMs < FROZEN_IDLE_MAX_MS
  return running === 0 || now === tier
}

function savedMs(tier: RestTier): number {
  return START_MS.pulled - START_MS[tier]
}

function fadedCount({count, atMs}: AskHistory, nowMs: number): number {
  return count * 2 ** (-Math.max(0, nowMs - atMs) / ASK_HALF_LIFE_MS)
}

/** Like a difference, but infinite numbers may be equal. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1
}
