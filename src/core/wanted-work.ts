import type {LeasePlan} from './lease-plan.ts'
import {GUTTA, type RevisionView} from './protocol/api.ts'
import type {RewardLine} from './protocol/revisions.ts'
import type {SchedulingNode, SchedulingWorld} from './scheduling.ts'

/** What a node wants to run, may run and has room for, and why it has nothing to do. */

/** Place of the first selection that this revision pays, or undefined when it pays none of them. */
export function selectionRank(earn: readonly string[], revision: RevisionView, exchangeOrg: string): number | undefined {
  const rank = earn.findIndex((selection) => paysSelection(selection, revision, exchangeOrg))
  return rank === -1 ? undefined : rank
}

/** Gutta is paid by epochs to whoever runs the exchange's own functions; everything else by the revision's lines. */
function paysSelection(selection: string, revision: RevisionView, exchangeOrg: string): boolean {
  if (selection === GUTTA) return revision.org === exchangeOrg
  const lines = payingLines(revision)
  if (selection.startsWith('org:')) return lines.some((line) => line.incentive.startsWith(`${selection.slice('org:'.length)}/`))
  return lines.some((line) => line.incentive === selection)
}

export function payingLines(revision: RevisionView): RewardLine[] {
  return revision.spec.rewards.filter(
    (line) => line.requestsPerMillionMinor > 0 || line.mibMsPerMillionMinor > 0 || (line.standbyMsPerMillionMinor ?? 0) > 0
  )
}

/** Whether the node is of those that the function may run on, whatever they offer. */
export function isAdmitted({owner, architecture}: SchedulingNode, {spec}: RevisionView): boolean {
  return (spec.owners?.includes(owner) ?? true) && (spec.architectures?.includes(architecture) ?? true)
}

/** Whether the node wants to run a function that is not built for it. */
export function isOfOtherArchitecture(node: SchedulingNode, revision: RevisionView, exchangeOrg: string): boolean {
  const isBuiltForIt = revision.spec.architectures?.includes(node.architecture) ?? true
  return !isBuiltForIt && selectionRank(node.earn, revision, exchangeOrg) !== undefined
}

/** Whether the node wants to run a function that it may run, which is a question of its selection and its machine and not of the moment. */
export function mayWant(node: SchedulingNode, revision: RevisionView, exchangeOrg: string): boolean {
  return node.enforcesLimits && selectionRank(node.earn, revision, exchangeOrg) !== undefined && isAdmitted(node, revision)
}

/** One instance must fit; how many run is decided by demand, and by the miner's own caps. */
export function fits(node: SchedulingNode, revision: RevisionView): boolean {
  return revision.spec.memoryBytes <= node.memoryBytes && revision.spec.cpuMillis <= node.cpuMillis
}

/** `selectionRank` for many nodes and revisions: nodes that selected the same share one answer for each revision. */
export class SelectionRanks {
  readonly #exchangeOrg: string
  readonly #selectionOf = new Map<string, number>()
  readonly #selections: (readonly string[])[] = []
  readonly #ranks = new Map<string, (number | undefined)[]>()
  /** What was asked for last: a plan goes through leases revision by revision. */
  #last: {readonly revision: string; readonly ranks: readonly (number | undefined)[]} = {revision: '', ranks: []}

  constructor(nodes: readonly SchedulingNode[], exchangeOrg: string) {
    this.#exchangeOrg = exchangeOrg
    const known = new Map<string, number>()
    for (const node of nodes) {
      const text = node.earn.join()
      const number = known.get(text) ?? this.#selections.push(node.earn) - 1
      known.set(text, number)
      this.#selectionOf.set(node.id, number)
    }
  }

  of(node: SchedulingNode, revision: RevisionView): number | undefined {
    if (this.#last.revision !== revision.id) this.#last = {revision: revision.id, ranks: this.#ofRevision(revision)}
    return this.#last.ranks[this.#selectionOf.get(node.id) ?? -1]
  }

  #ofRevision(revision: RevisionView): (number | undefined)[] {
    const known = this.#ranks.get(revision.id)
    if (known !== undefined) return known
    const ranks = this.#selections.map((earn) => selectionRank(earn, revision, this.#exchangeOrg))
    this.#ranks.set(revision.id, ranks)
    return ranks
  }
}

/** Names an owner's or a node's part of a revision. */
export function partOfRevision(who: string, revision: string): string {
  return `${revision} ${who}`
}

/** Why this node has nothing to do, in one sentence for its owner; null when it has a lease. */
export function noWorkReason(
  node: SchedulingNode,
  world: Pick<SchedulingWorld, 'revisions' | 'leases' | 'exchangeOrg'>,
  {shortOfPay, ownersAtShare, resting}: Pick<LeasePlan, 'shortOfPay' | 'ownersAtShare' | 'resting'>
): string | null {
  if (node.draining) return 'This node is draining, so it takes no new work.'
  if (!node.enforcesLimits) return 'This machine cannot enforce memory and CPU limits, so it takes no work; `creo doctor` says why.'
  if (world.leases.some((lease) => lease.status === 'active' && lease.node === node.id)) return null
  const current = world.revisions.filter((revision) => revision.current)
  if (current.length === 0) return 'No function is deployed in this network yet.'
  const paying = current.filter((revision) => selectionRank(node.earn, revision, world.exchangeOrg) !== undefined)
  if (paying.length === 0) return `No deployed function pays what you selected (${node.earn.join(', ') || 'nothing'}).`
  const admitted = paying.filter((revision) => isAdmitted(node, revision))
  if (admitted.length === 0) return notAdmitted(node, paying)
  const fitting = admitted.filter((revision) => fits(node, revision))
  if (fitting.length === 0) return 'Every function that pays what you selected needs more memory or CPU than this node offers.'
  const short = fitting.map((revision) => shortOfPay.get(revision.id))
  if (short.every((reason) => reason === 'pool_empty')) return 'The reward pool of what you selected is empty.'
  if (short.every((reason) => reason !== undefined)) return 'What you selected has spent its budget for today.'
  if (fitting.every((revision) => ownersAtShare.has(partOfRevision(node.owner, revision.id))))
    return 'Your nodes have the largest share that one owner may have of what you selected.'
  if (fitting.every((revision) => resting.has(partOfRevision(node.id, revision.id))))
    return 'This node gave up what you selected and took it again; it gets more once what it gave up is settled, within two days.'
  return 'Every function that pays what you selected has enough nodes; this one is next in line.'
}

function notAdmitted({architecture}: SchedulingNode, paying: readonly RevisionView[]): string {
  const isOther = paying.every(({spec}) => spec.architectures?.includes(architecture) === false)
  return isOther
    ? `Every function that pays what you selected is made for another processor than this node's (${architecture}).`
    : 'Every function that pays what you selected is kept for nodes of other owners or processors.'
}
