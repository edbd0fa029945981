import type {LeasePlan} from '../core/lease-plan.ts'
import {blockKeysOf} from '../core/protocol/blocks.ts'
import {planLeases, type SchedulingWorld} from '../core/scheduling.ts'

export interface Blocked {
  /** As `blockKeysOf` tells them. */
  readonly keys: ReadonlySet<string>
  /** Digests of images that are blocked by something in them. */
  readonly images: {has(imageDigest: string): boolean}
}

/** Grants nothing of what the operator blocks, and ends all of its leases now. What they paid stays a part of their functions' day. */
export function planWithoutBlocked(world: SchedulingWorld, {keys, images}: Blocked): LeasePlan {
  if (keys.size === 0) return planLeases(world)
  const isBlocked = ({org, imageDigest, spec}: SchedulingWorld['revisions'][number]): boolean =>
    images.has(imageDigest) || blockKeysOf({org, imageDigest, egress: spec.egress}).some((key) => keys.has(key))
  const blocked = new Set(world.revisions.filter(isBlocked).map(({id}) => id))
  const plan = planLeases({
    ...world,
    revisions: world.revisions.map((one) => (blocked.has(one.id) ? {...one, current: false, percent: 0} : one))
  })
  const ended = new Set(world.leases.filter(({revision, status}) => status === 'active' && blocked.has(revision)).map(({id}) => id))
  const others = plan.endings.filter(({lease}) => !ended.has(lease))
  return {...plan, endings: [...others, ...[...ended].map((lease) => ({lease, reason: 'blocked' as const}))]}
}
