import {ENDINGS_PER_PLAN_MAX} from '../../src/core/lease-endings.ts'
import {UNSETTLED_DAYS_MAX} from '../../src/core/lease-pay.ts'
import type {LeaseView, RevisionView} from '../../src/core/protocol/api.ts'
import {GRANTS_PER_PLAN_MAX, type SchedulingNode, type SchedulingWorld} from '../../src/core/scheduling.ts'
import {dailyBudgetMinor, functionOf, wantedNodes} from '../../src/core/traffic.ts'
import {fits, isAdmitted, payingLines, selectionRank} from '../../src/core/wanted-work.ts'
import {DAY_MS} from './scheduling-world.ts'

interface Grant {
  readonly node: string
  readonly revision: string
  readonly budgets: readonly {readonly incentive: string; readonly amountMinor: number}[]
}

const numberOf = (lease: LeaseView): number => Number(lease.id.slice('lea_'.length))

/** The same plan as `planLeases`, looking at everything again for each question: slow, short, and without anything remembered. */
export function naivePlan(world: SchedulingWorld): {grants: Grant[]; endings: {lease: string; reason: string}[]; short: string[]} {
  const {nowMs, settings, nodes, revisions, leases, exchangeOrg} = world
  const grants: Grant[] = []
  const short = new Set<string>()
  const surplus = new Set<string>()
  const handedOver = new Set<LeaseView>()
  const active = leases.filter((lease) => lease.status === 'active')
  const nodeOf = (id: string): SchedulingNode | undefined => nodes.find((node) => node.id === id)
  const seenAtMs = (node: SchedulingNode | undefined): number => Math.max(node?.seenAtMs ?? 0, world.startedAtMs)
  const isHeard = (id: string): boolean => nowMs < seenAtMs(nodeOf(id)) + settings.lostAfterMs
  const rank = (node: SchedulingNode, revision: RevisionView) => selectionRank(node.earn, revision, exchangeOrg)
  const countOf = (id: string): number => [...active, ...grants].filter(({node}) => node === id).length
  const newestOf = (one: LeaseView): LeaseView =>
    active
      .filter(({node, revision}) => node === one.node && revision === one.revision)
      .reduce((a, b) => (numberOf(b) > numberOf(a) ? b : a))
  const isGranted = (one: {node: string; revision: string}) =>
    grants.some((grant) => grant.node === one.node && grant.revision === one.revision)
  const minor = (of: Grant, incentive: string) => of.budgets.find((line) => line.incentive === incentive)?.amountMinor ?? 0

  const committed = (family: readonly RevisionView[], incentive: string, replaced?: LeaseView, owner?: string): number => {
    const ids = new Map(family.map((one) => [one.id, one.current]))
    const counted = leases.map((lease) => {
      const budget = lease.budgets.find((line) => line.incentive === incentive)
      if (!ids.has(lease.revision) || budget === undefined || (owner && world.ownerOf(lease.node) !== owner)) return 0
      const isNewest = lease.status === 'active' && newestOf(lease) === lease
      const isOpen =
        ids.get(lease.revision) && isNewest && lease !== replaced && !isGranted(lease) && !handedOver.has(lease) && isHeard(lease.node)
      if (lease.startsAtMs > nowMs - DAY_MS) return isOpen ? budget.reservedMinor : budget.paidMinor
      return isOpen ? budget.reservedMinor - budget.paidMinor : 0
    })
    const own = grants.filter(({node}) => owner === undefined || world.ownerOf(node) === owner)
    const granted = own.filter(({revision}) => ids.has(revision)).map((grant) => minor(grant, incentive))
    return [...counted, ...granted].reduce((a, b) => a + b, 0)
  }
  const affordable = (revision: RevisionView, line: RevisionView['spec']['rewards'][number], replaced?: LeaseView): number => {
    const family = revisions.filter((one) => functionOf(one) === functionOf(revision))
    const daily = dailyBudgetMinor(line, revision, family)
    const inPool = grants.reduce((left, grant) => left - minor(grant, line.incentive), world.pools.get(line.incentive) ?? 0)
    const own = leases.filter(({revision: of, startsAtMs}) => of === revision.id && startsAtMs >= revision.trafficAtMs)
    const unsettled = own
      .filter(({status, endsAtMs}) => status === 'active' || nowMs < endsAtMs + world.receiptGraceMs)
      .flatMap(({budgets}) => budgets.filter(({incentive}) => incentive === line.incentive))
      .map(({reservedMinor, paidMinor}) => reservedMinor - paidMinor)
    const given = grants.filter((one) => one.revision === revision.id).map((one) => minor(one, line.incentive))
    const left = Math.min(
      daily * UNSETTLED_DAYS_MAX - [...unsettled, ...given].reduce((a, b) => a + b, 0),
      daily - committed([revision], line.incentive, replaced),
      line.dailyBudgetMinor - committed(family, line.incentive, replaced)
    )
    return Math.min(Math.max(1, Math.floor(daily / wantedNodes(revision))), left, inPool)
  }
  const grant = ({id, owner}: SchedulingNode, revision: RevisionView, replaced?: LeaseView): 'granted' | 'short' | 'share' => {
    const lines = payingLines(revision).map((line) => ({line, can: affordable(revision, line, replaced)}))
    if (lines.some(({can}) => can <= 0)) {
      short.add(revision.id)
      return 'short'
    }
    const family = revisions.filter((one) => functionOf(one) === functionOf(revision))
    const {ownerSharePercentMax: percent} = revision.spec
    const mostOf = (dailyMinor: number) => (percent === undefined ? Infinity : Math.max(1, Math.floor((dailyMinor * percent) / 100)))
    const budgets = lines.map(({line: {incentive, dailyBudgetMinor: daily}, can}) => ({
      incentive,
      amountMinor: Math.min(can, mostOf(daily) - committed(family, incentive, replaced, owner))
    }))
    if (budgets.some(({amountMinor}) => amountMinor <= 0)) return 'share'
    grants.push({node: id, revision: revision.id, budgets})
    return 'granted'
  }
  const isDue = (lease: LeaseView, revision: RevisionView): boolean => {
    const moved = revision.trafficAtMs > lease.startsAtMs
    const budgetOf = (incentive: string) => lease.budgets.find((line) => line.incentive === incentive) ?? {reservedMinor: 0, paidMinor: 0}
    const lines = payingLines(revision).map((line) => ({...budgetOf(line.incentive), can: affordable(revision, line, lease)}))
    if (moved && lines.some(({can, reservedMinor, paidMinor}) => can > 0 && reservedMinor - paidMinor > can)) return true
    if (nowMs < lease.startsAtMs + settings.renewEveryMs) return false
    if (nowMs >= lease.startsAtMs + settings.leaseRenewMs) return true
    const isUsedUp = lease.budgets.some(({reservedMinor, paidMinor}) => reservedMinor - paidMinor <= reservedMinor / 10)
    return isUsedUp || (moved && lines.some(({can, reservedMinor}) => can >= 2 * reservedMinor))
  }

  for (const revision of revisions.filter(({current}) => current)) {
    const wanted = wantedNodes(revision)
    const holders = new Set<string>()
    const newest = active.filter((lease) => lease.revision === revision.id && newestOf(lease) === lease)
    const inOrder = [...new Set(active.filter((lease) => lease.revision === revision.id).map(({node}) => node))]
    const isPoor = (id: string): boolean => nodeOf(id)?.standing === 'poor'
    const isResting = ({id, reselectedAtMs = 0}: SchedulingNode): boolean => {
      const ended = leases.filter((one) => one.status === 'ended' && one.revision === revision.id && one.node === id)
      const last = ended.sort((a, b) => numberOf(b) - numberOf(a))[0]
      if (last === undefined || last.budgets.some((one) => one.reservedMinor - one.paidMinor <= one.reservedMinor / 10)) return false
      const isGivenUp = last.startsAtMs >= revision.trafficAtMs && last.startsAtMs < reselectedAtMs
      return isGivenUp && nowMs < last.endsAtMs + world.receiptGraceMs && last.budgets.length > 0
    }
    const bestBeside = (others: ReadonlySet<string>, atShare: ReadonlySet<string>): SchedulingNode | undefined => {
      const held = (owner: string) => [...others].filter((id) => nodeOf(id)?.owner === owner).length
      return nodes
        .filter((node) => !atShare.has(node.id) && isHeard(node.id) && !node.draining && node.enforcesLimits)
        .filter((node) => isAdmitted(node, revision) && fits(node, revision) && rank(node, revision) !== undefined)
        .filter((node) => countOf(node.id) < Math.min(node.leasesMax, settings.leasesPerNodeMax))
        .filter((node) => !isResting(node))
        .filter((node) => !isGranted({node: node.id, revision: revision.id}) && !newest.some((lease) => lease.node === node.id))
        .map((node) => ({node, order: [Number(isPoor(node.id)), held(node.owner), rank(node, revision) ?? 0, countOf(node.id)]}))
        .sort((a, b) => a.order.map((key, at) => key - (b.order[at] ?? 0)).find((gap) => gap !== 0) ?? (a.node.id < b.node.id ? -1 : 1))[0]
        ?.node
    }
    const everHeld = leases.filter((one) => one.revision === revision.id && one.startsAtMs <= nowMs - settings.drainMs)
    const newcomers = newest.filter(({node}) => !everHeld.some((one) => one.node === node))
    let mayHandOver = Math.floor(newest.length / 2) - newcomers.length
    let besides: Set<string> | undefined
    const notAgain = new Set<string>()
    const successor = (lease: LeaseView): string | undefined => {
      if (mayHandOver <= 0 || grants.length >= GRANTS_PER_PLAN_MAX) return undefined
      besides ??= new Set(holders)
      for (;;) {
        const other = bestBeside(besides, notAgain)
        const answer = other && !isPoor(other.id) && grant(other, revision, lease)
        if (other && answer === 'granted') {
          mayHandOver -= 1
          besides.add(other.id)
          handedOver.add(lease)
          return other.id
        }
        if (other && answer === 'share') for (const one of nodes) if (one.owner === other.owner) notAgain.add(one.id)
        if (answer === 'share') continue
        mayHandOver = 0
        return undefined
      }
    }
    for (const id of [...inOrder.filter((one) => !isPoor(one)), ...inOrder.filter(isPoor)]) {
      const lease = newest.find((one) => one.node === id)
      const node = nodeOf(id)
      if (!lease || !isHeard(id) || node?.draining || (node && rank(node, revision) === undefined)) continue
      const isShrunk = lease.startsAtMs < revision.trafficAtMs && nowMs >= revision.trafficAtMs + settings.drainMs + revision.spec.timeoutMs
      const isSpare = holders.size >= wanted + Math.ceil(wanted / 2) && nowMs >= lease.startsAtMs + settings.leaseRenewMs
      const renews = node?.enforcesLimits && isDue(lease, revision)
      if (holders.size >= wanted && (isShrunk || isSpare || (renews && isPoor(id)))) {
        surplus.add(lease.id)
        continue
      }
      const next = renews && isPoor(id) ? successor(lease) : undefined
      holders.add(next ?? id)
      if (next !== undefined) surplus.add(lease.id)
      else if (renews && grants.length < GRANTS_PER_PLAN_MAX) grant(node, revision, lease)
    }
    const atShare = new Set<string>()
    while (holders.size < wanted && grants.length < GRANTS_PER_PLAN_MAX) {
      const best = bestBeside(holders, atShare)
      const answer = best && grant(best, revision)
      if (best === undefined || answer === 'short') break
      if (answer === 'granted') holders.add(best.id)
      else atShare.add(best.id)
    }
  }

  const endings = active.flatMap((lease) => {
    const revision = revisions.find(({id}) => id === lease.revision)
    const node = nodeOf(lease.node)
    const drainMs = settings.drainMs + (revision?.spec.timeoutMs ?? 0)
    const next = revisions.filter((one) => revision && one.percent > 0 && functionOf(one) === functionOf(revision)).map(({id}) => id)
    const starts = active.filter((one) => next.includes(one.revision)).map(({startsAtMs}) => startsAtMs)
    const replacedAtMs = Math.max(revision?.trafficAtMs ?? 0, starts.length === 0 ? 0 : Math.min(...starts))
    const ended = (reason: string) => [{lease: lease.id, reason}]
    if (newestOf(lease) !== lease && nowMs >= newestOf(lease).startsAtMs + drainMs) return ended('renewed')
    if (revision && !revision.current && nowMs >= replacedAtMs + drainMs) return ended('superseded')
    if (surplus.has(lease.id)) return ended('surplus')
    if (nowMs >= seenAtMs(node) + settings.endLostAfterMs) return ended('node_lost')
    const isUnselected = node && revision && rank(node, revision) === undefined && nowMs >= node.earnSinceMs + settings.drainMs
    return isUnselected ? ended('not_selected') : []
  })
  return {grants, endings: endings.slice(0, ENDINGS_PER_PLAN_MAX), short: [...short]}
}
