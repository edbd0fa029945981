import {blockKeysOf} from '../core/protocol/blocks.ts'
import {type LeasePlan, planLeases, type SchedulingWorld} from '../core/scheduling.ts'

export interface Blocked {
  /** As `blockKeysOf` tells them. */
  readonly keys: ReadonlySet<string>
  /** Digests of images that are blocked by something in them. */
  readonly images: {has(imageDigest: string): boolean}
}

/** Plans as if what the operator blocks had never been deployed, and ends all of its leases now. */
export function planWithoutBlocked(world: SchedulingWorld, {keys, images}: Blocked): LeasePlan {
  if (keys.size === 0) return planLeases(world)
  const isBlocked = ({org, imageDigest, spec}: SchedulingWorld['revisions'][number]): boolean =>
    images.has(imageDigest) || blockKeysOf({org, imageDigest, egress: spec.egress}).some((key) => keys.has(key))
  const blocked = new Set(world.revisions.filter(isBlocked).map(({id}) => id))
  const plan = planLeases({
    ...world,
    revisions: world.revisions.filter(({id}) => !blocked.has(id)),
    leases: world.leases.filter(({revision}) => !blocked.has(revision))
  })
  const ended = world.leases.filter(({revision, status}) => status === 'active' && blocked.has(revision))
  return {...plan, endings: [...plan.endings, ...ended.map(({id}) => ({lease: id, reason: 'blocked' as const}))]}
}
