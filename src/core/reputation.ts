import type {Conduct, ReputationView} from './protocol/conduct.ts'

/**
 * What a node is worth to those whose functions it runs, from what gateways measured themselves. Each gateway has one voice, however much it saw, and
 * no org has any: the functions' own failures are left out before it comes to this (gateway/conduct.ts). What was seen counts half after a day, and a
 * node that nobody knows stands as one that does well, unless its owner has one that does not: to enrol a machine anew would wash off what it did.
 */

/** After so long what was seen counts half. */
export const HALF_LIFE_MS = 24 * 3600 * 1000
/** What a node that nobody knows is taken for, and how much evidence that belief is worth. */
const PRIOR_SCORE = 0.9
const PRIOR_WEIGHT = 20
/** What one report may add, however much it counts: neither a flood of requests nor one bad minute decides. */
const REQUESTS_WEIGHT_MAX = 10
const STARTS_WEIGHT_MAX = 5
const CUTS_MAX = 2
/** A session that breaks off under work costs every request on it. */
const CUT_WEIGHT = 2
/** A late answer is half of a failed one. */
const SLOW_WEIGHT = 0.5
/** What one gateway may know of a node: months of good service do not cover for a day of bad. */
const EVIDENCE_MAX = 200
/** A gateway that knows less than this has no voice yet. */
const VOICE_MIN = 5
/** A node gets a poor standing below the first and loses it above the second: between them it stays as it stands. */
const POOR_BELOW = 0.6
const FAIR_ABOVE = 0.75
/** A fault is named from this part of all that was seen. */
const NAMED_SHARE_MIN = 0.05
const PERCENT = 100

export type Standing = ReputationView['standing']

/** What one gateway knows of one node, at a time; weights, not counts. */
export interface Evidence {
  readonly atMs: number
  readonly good: number
  readonly failed: number
  readonly slow: number
  readonly startsFailed: number
  readonly cuts: number
}

export const NO_EVIDENCE: Evidence = {atMs: 0, good: 0, failed: 0, slow: 0, startsFailed: 0, cuts: 0}

type Fault = 'failed' | 'slow' | 'startsFailed' | 'cuts'
const FAULTS: readonly Fault[] = ['failed', 'startsFailed', 'cuts', 'slow']

/** The same evidence, as much of it as still counts at that time. A clock that went back changes nothing. */
export function decayed(evidence: Evidence, nowMs: number): Evidence {
  const passedMs = nowMs - evidence.atMs
  return passedMs <= 0 ? evidence : {...scaled(evidence, 2 ** (-passedMs / HALF_LIFE_MS)), atMs: nowMs}
}

/** What is known after one more report. */
export function withConduct(before: Evidence, conduct: Omit<Conduct, 'node'>, nowMs: number): Evidence {
  const known = decayed(before, nowMs)
  const {requests, failed, slow, starts, startsFailed, cuts} = conduct
  const perRequest = requests === 0 ? 0 : Math.min(REQUESTS_WEIGHT_MAX, requests) / requests
  const perStart = starts === 0 ? 0 : Math.min(STARTS_WEIGHT_MAX, starts) / starts
  const late = slow * perRequest * SLOW_WEIGHT
  const sum: Evidence = {
    atMs: Math.max(known.atMs, nowMs),
    good: known.good + (requests - failed) * perRequest - late + (starts - startsFailed) * perStart,
    failed: known.failed + failed * perRequest,
    slow: known.slow + late,
    startsFailed: known.startsFailed + startsFailed * perStart,
    cuts: known.cuts + Math.min(CUTS_MAX, cuts) * CUT_WEIGHT
  }
  return scaled(sum, Math.min(1, EVIDENCE_MAX / Math.max(1, weightOf(sum))))
}

export function weightOf(evidence: Evidence): number {
  return evidence.good + badOf(evidence)
}

/** From 0 to 1, by one gateway alone. */
export function scoreOf(evidence: Evidence): number {
  return (evidence.good + PRIOR_SCORE * PRIOR_WEIGHT) / (weightOf(evidence) + PRIOR_WEIGHT)
}

/**
 * From 0 to 1, by all gateways: the score in the middle of their scores, one each; of two in the middle the one that says less. So a single one that lies,
 * either way, moves nothing beyond what honest ones say as soon as there are three, and alone against another it can't harm anybody.
 */
export function jointScore(voices: readonly Evidence[]): number {
  const scores = heard(voices)
    .map(scoreOf)
    .sort((a, b) => a - b)
  if (scores.length === 0) return PRIOR_SCORE
  const upper = scores[Math.floor(scores.length / 2)] ?? PRIOR_SCORE
  const lower = scores[Math.ceil(scores.length / 2) - 1] ?? upper
  return Math.abs(upper - PRIOR_SCORE) <= Math.abs(lower - PRIOR_SCORE) ? upper : lower
}

/** With a gap between losing and regaining, so that leases do not move to and fro. */
export function nextStanding(before: Standing, score: number): Standing {
  if (score < POOR_BELOW) return 'poor'
  return before === 'poor' && score <= FAIR_ABOVE ? 'poor' : 'fair'
}

/** Whether what gateways know of a node, at that time, weighs as much as what a new one is taken for: from then on it stands for itself. */
export function isProven(voices: readonly Evidence[]): boolean {
  return voices.reduce((sum, voice) => sum + weightOf(voice), 0) >= PRIOR_WEIGHT
}

/** For its owner, at that time. `inherited` when it stands so by another node of its owner's alone. */
export function viewOfReputation(voices: readonly Evidence[], standing: Standing, inherited = false): ReputationView {
  const known = heard(voices)
  const whole = known.reduce((sum, one) => sum + weightOf(one), 0)
  const faults = FAULTS.map((fault) => ({fault, share: known.reduce((sum, one) => sum + one[fault], 0)}))
  const named = faults.filter(({share}) => whole > 0 && share / whole >= NAMED_SHARE_MIN).sort((a, b) => b.share - a.share)
  return {
    standing,
    score: Math.round(jointScore(voices) * PERCENT),
    gateways: known.length,
    reasons: [
      ...(inherited ? [INHERITED] : []),
      ...named.map(({fault, share}) => FAULT_WORDS[fault](Math.round((share / whole) * PERCENT)))
    ]
  }
}

const INHERITED =
  'Another machine of the same owner stands poorly, and gateways know too little of this one yet: it stands for itself once it has served.'

/** The percentages are of all that gateways lately saw of the node, weighted. */
const FAULT_WORDS: Readonly<Record<Fault, (percent: number) => string>> = {
  failed: (percent) => `Requests failed here that other nodes answer (${percent} % of what gateways saw lately).`,
  startsFailed: (percent) => `Containers did not start here by the node's own doing (${percent} %).`,
  cuts: (percent) => `The connection broke off while there was work (${percent} %).`,
  slow: (percent) => `Answers came much later than from other nodes (${percent} %).`
}

function heard(voices: readonly Evidence[]): readonly Evidence[] {
  return voices.filter((voice) => weightOf(voice) >= VOICE_MIN)
}

function badOf({failed, slow, startsFailed, cuts}: Evidence): number {
  return failed + slow + startsFailed + cuts
}

function scaled({atMs, good, failed, slow, startsFailed, cuts}: Evidence, factor: number): Evidence {
  return {
    atMs,
    good: good * factor,
    failed: failed * factor,
    slow: slow * factor,
    startsFailed: startsFailed * factor,
    cuts: cuts * factor
  }
}
