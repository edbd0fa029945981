import type {IdRange} from './sandbox.ts'

export const RANGE_IDS = 65_536
/** Above the ranges that systemd-nspawn and useradd hand out, and below 2^31. */
const BASE_PREFERRED = 0x7000_0000
const RANGES_TRIED_MAX = 1024

/**
 * Picks ids for containers that no user of this machine owns. `uidMap` is /proc/self/uid_map (root in a container of its own
 * has only some ids), `owned` is /etc/subuid and /etc/subgid.
 * Undefined when no 65,536 ids in a row are free.
 */
export function pickIdRange(uidMap: string, owned: string): IdRange | undefined {
  const taken = subordinateRanges(owned)
  for (const {first, count} of extents(uidMap)) {
    const highest = first + count - RANGE_IDS
    let base = Math.min(BASE_PREFERRED, highest)
    for (let tried = 0; tried < RANGES_TRIED_MAX && base > 0 && base >= first; tried++) {
      const clash = taken.find((range) => base < range.first + range.count && range.first < base + RANGE_IDS)
      if (!clash) return {base, size: RANGE_IDS}
      base = clash.first - RANGE_IDS
    }
  }
  return undefined
}

/** Runs of ids that this process may use, as it sees them itself. */
function extents(uidMap: string): {first: number; count: number}[] {
  return uidMap
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((fields) => fields.length === 3)
    .map((fields) => ({first: fields[0] ?? 0, count: fields[2] ?? 0}))
    .sort((left, right) => right.count - left.count)
}

/** Whether `/etc/subuid` (or subgid) gives that user the ids that a container without root needs. */
export function hasSubordinateIds(text: string, user: {readonly name: string; readonly uid: number}): boolean {
  return subordinateRanges(text).some(({owner, count}) => (owner === user.name || owner === String(user.uid)) && count >= RANGE_IDS)
}

/** Each line of `/etc/subuid` or `/etc/subgid`: a user's name or id, the first id and how many. */
export function subordinateRanges(text: string): {owner: string; first: number; count: number}[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length === 3)
    .map(([owner = '', first, count]) => ({owner, first: Number(first), count: Number(count)}))
}
