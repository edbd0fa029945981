import {CONDUCT_NODES_MAX, type Conduct} from '../core/protocol/conduct.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'

/** Nodes and revisions that are counted apart until the next report; what comes beyond is not counted. */
const PLACES_MAX = 50_000
/** Of one function, from so many requests on a node is compared with the others that run it. */
const COMPARED_MIN = 10
/** A node is slow where it answers after so many times what its peers take, and so many ms more: less is distance. */
const SLOW_TIMES = 3
const SLOW_MS = 250
/** Of one org's functions a node is judged by so many requests and starts at most, so that no org outweighs the others. */
const ORG_REQUESTS_MAX = 100
const ORG_STARTS_MAX = 5
/** One answer with other bytes than were deployed stands for so many failed requests: that is no mishap. */
const TAMPERED_REQUESTS = 50
/** A single answer that is long in coming says no more than this, ms. */
const HEAD_MS_MAX = 5000
/** From so many nodes on whose lines broke it may be the gateway's. */
const OWN_CUTS_MIN = 3

/** What was seen of one revision on one node. */
export interface PlaceConduct {
  readonly node: string
  readonly revision: string
  readonly org: string
  answered: number
  failed: number
  /** Listed files that it answered with other bytes, of those that another node answered as they were deployed. */
  tampered: number
  /** Of those answered, time until the head of the answer came, each up to `HEAD_MS_MAX`. */
  headMs: number
  /** Containers that were asked for and started, or failed to by what may be the node's doing. */
  started: number
  startsFailed: number
  /** It was told; what comes now belongs to another one. */
  isTaken: boolean
}

/** Whoever answers requests keeps the place where that is counted: it is on the way of each. */
export interface Counted {
  readonly node: string
  readonly revision: Pick<RevisionEntry, 'id' | 'org'>
  place: PlaceConduct | undefined
}

/** What this gateway sees of nodes, until it tells the coordinator. */
export class NodeConduct {
  #places = new Map<string, PlaceConduct>()
  #cuts = new Map<string, number>()

  /** A request that the node answered, or failed by what may be its doing. `headMs`: until the head of the answer came. */
  request(by: Counted, outcome: 'answered' | 'failed', headMs: number): void {
    let place = by.place
    if (place === undefined || place.isTaken) {
      place = this.placeOf(by.node, by.revision)
      by.place = place
    }
    if (outcome === 'failed') place.failed += 1
    else {
      place.answered += 1
      place.headMs += Math.min(HEAD_MS_MAX, headMs)
    }
  }

  /** Where is counted what is seen of the revision on the node; another one after each report. */
  placeOf(node: string, {id, org}: Pick<RevisionEntry, 'id' | 'org'>): PlaceConduct {
    const key = `${node} ${id}`
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const place = {node, revision: id, org, answered: 0, failed: 0, tampered: 0, headMs: 0, started: 0, startsFailed: 0, isTaken: false}
    if (this.#places.size < PLACES_MAX) this.#places.set(key, place)
    return place
  }

  /** The session broke off while there was work. */
  cut(node: string): void {
    if (this.#cuts.has(node) || this.#cuts.size < PLACES_MAX) this.#cuts.set(node, (this.#cuts.get(node) ?? 0) + 1)
  }

  /** What was seen since this was last asked; begins anew. */
  take(): Conduct[] {
    const [places, cuts] = [[...this.#places.values()], this.#cuts]
    this.#places = new Map()
    this.#cuts = new Map()
    for (const place of places) place.isTaken = true
    const seen = new Set([...cuts.keys(), ...places.map(({node}) => node)])
    // Where most lines break, it is this gateway's own that does.
    if (cuts.size >= OWN_CUTS_MIN && cuts.size * 2 > seen.size) cuts.clear()
    const judged = judgePlaces(places)
    const nodes = [...new Set([...cuts.keys(), ...judged.keys()])].slice(0, CONDUCT_NODES_MAX)
    return nodes.map((node) => ({node, ...(judged.get(node) ?? NOTHING), cuts: cuts.get(node) ?? 0}))
  }
}

type Judged = Omit<Conduct, 'node' | 'cuts'>
const NOTHING: Judged = {requests: 0, failed: 0, slow: 0, starts: 0, startsFailed: 0}

/**
 * What speaks for or against each node. A function fails by its own doing or by its node's, and which it is shows where other nodes run it too: what fails
 * there as well is the function's, and where no other node has done enough to compare, nothing is held against anybody.
 */
export function judgePlaces(places: readonly PlaceConduct[]): Map<string, Judged> {
  const ofOrgs = new Map<string, {readonly node: string; readonly judged: Judged}>()
  for (const peers of Map.groupBy(places, ({revision}) => revision).values()) {
    for (const place of peers) {
      const others = peers.filter((other) => other !== place)
      const key = `${place.node} ${place.org}`
      const before = ofOrgs.get(key)?.judged ?? NOTHING
      ofOrgs.set(key, {node: place.node, judged: sumOf(before, {...judgeRequests(place, others), ...judgeStarts(place, others)})})
    }
  }
  const judged = new Map<string, Judged>()
  for (const {node, judged: ofOrg} of ofOrgs.values()) judged.set(node, sumOf(judged.get(node) ?? NOTHING, atMost(ofOrg)))
  for (const [node, {requests, starts}] of judged) if (requests + starts === 0) judged.delete(node)
  return judged
}

function judgeRequests(place: PlaceConduct, others: readonly PlaceConduct[]): Pick<Judged, 'requests' | 'failed' | 'slow'> {
  const {answered, failed, headMs} = place
  const lies = place.tampered * TAMPERED_REQUESTS
  const peers = others.filter((other) => other.answered + other.failed >= COMPARED_MIN)
  if (peers.length === 0) return {requests: answered + lies, failed: lies, slow: 0}
  // The best of them shows what the function can do: one that fails too takes nothing off the others.
  const expected = Math.min(...peers.map((peer) => peer.failed / (peer.answered + peer.failed)))
  const byNode = Math.max(0, Math.floor(failed - expected * (answered + failed)))
  const usualMs = median(peers.filter((peer) => peer.answered > 0).map((peer) => peer.headMs / peer.answered))
  const isSlow = answered >= COMPARED_MIN && usualMs !== undefined && headMs / answered > usualMs * SLOW_TIMES + SLOW_MS
  return {requests: answered + byNode + lies, failed: byNode + lies, slow: isSlow ? answered : 0}
}

/** One that failed is held against the node when the same revision started elsewhere: then neither its image nor the registry was the cause. */
function judgeStarts({started, startsFailed}: PlaceConduct, others: readonly PlaceConduct[]): Pick<Judged, 'starts' | 'startsFailed'> {
  const failed = others.some((other) => other.started > 0) ? startsFailed : 0
  return {starts: started + failed, startsFailed: failed}
}

/** In proportion, so many requests and starts that no org's functions outweigh the others'. */
function atMost({requests, failed, slow, starts, startsFailed}: Judged): Judged {
  const ofRequests = Math.min(1, ORG_REQUESTS_MAX / Math.max(1, requests))
  const ofStarts = Math.min(1, ORG_STARTS_MAX / Math.max(1, starts))
  return {
    requests: Math.ceil(requests * ofRequests),
    failed: Math.floor(failed * ofRequests),
    slow: Math.floor(slow * ofRequests),
    starts: Math.ceil(starts * ofStarts),
    startsFailed: Math.floor(startsFailed * ofStarts)
  }
}

function sumOf(a: Judged, b: Judged): Judged {
  return {
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
    slow: a.slow + b.slow,
    starts: a.starts + b.starts,
    startsFailed: a.startsFailed + b.startsFailed
  }
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}
