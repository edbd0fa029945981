import type {RevisionView} from './protocol/api.ts'
import type {RewardLine, TrafficShare} from './protocol/revisions.ts'
import {mulDivFloor} from './units.ts'

const WHOLE_PERCENT = 100
/** A function is leased to at least this many nodes when there are so many, so that one may vanish. */
const NODES_PER_REVISION_MIN = 2
/** A revision that has only a tag counts like one with this share of the traffic. */
const TAG_PERCENT = 5

/** The revision that one request goes to, by a number from 0 up to 1 drawn for it; undefined when nobody has a share. */
export function pickShare(traffic: readonly TrafficShare[], random: number): string | undefined {
  if (traffic.length === 1) return traffic[0]?.revision
  let left = random * WHOLE_PERCENT
  for (const {revision, percent} of traffic) {
    left -= percent
    if (left < 0) return revision
  }
  return traffic.at(-1)?.revision
}

/** By its share of the traffic, so that revisions that share it need about as many nodes together as one alone. */
export function wantedNodes(revision: RevisionView): number {
  return Math.max(Math.ceil((revision.spec.scaleMax * weightPercent(revision)) / WHOLE_PERCENT), NODES_PER_REVISION_MIN)
}

/** A day's pay is its function's: those of its revisions that have traffic or a tag share that, too. Minor units. */
export function dailyBudgetMinor(line: RewardLine, revision: RevisionView, ofFunction: readonly RevisionView[]): number {
  const weights = ofFunction.filter(({current}) => current).reduce((sum, one) => sum + weightPercent(one), 0)
  return Math.max(1, mulDivFloor(line.dailyBudgetMinor, weightPercent(revision), Math.max(WHOLE_PERCENT, weights)).quotient)
}

function weightPercent({percent}: RevisionView): number {
  return percent > 0 ? percent : TAG_PERCENT
}

/**
 * The revision that a function goes back to. Of several that serve, the second newest: the newest loses its share to it. Else the newest that has served and
 * was made before the one that serves. Revisions newest first.
 */
export function revisionBefore(revisions: readonly RevisionView[], name: string): RevisionView | undefined {
  const own = revisions.filter((revision) => revision.function === name)
  const newestServing = own.findIndex((revision) => revision.percent > 0)
  const older = own.slice(newestServing + 1)
  return older.find((revision) => revision.percent > 0) ?? older.find((revision) => revision.served)
}

export function isOneFunction(a: RevisionView, b: RevisionView): boolean {
  return functionOf(a) === functionOf(b)
}

/** Names the function that a revision is of. */
export function functionOf(revision: RevisionView): string {
  return `${revision.org}/${revision.app}/${revision.function}`
}
