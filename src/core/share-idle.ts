import {TUNNEL_IDLE_MAX} from './protocol/tunnel.ts'

/**
 * How many idle data connections a miner keeps to each of its gateways, so that together they are at most `TUNNEL_IDLE_MAX`: the same to
 * each, and where there are more gateways than that, one to each of those that were used last. A gateway with none asks for one when
 * it needs it. `usedAtMs` says when each gateway last used one, `undefined` for never.
 */
export function shareIdle(usedAtMs: readonly (number | undefined)[]): readonly number[] {
  if (usedAtMs.length <= TUNNEL_IDLE_MAX) return usedAtMs.map(() => Math.floor(TUNNEL_IDLE_MAX / usedAtMs.length))
  const byUse = usedAtMs.map((atMs, at) => ({at, atMs: atMs ?? Number.NEGATIVE_INFINITY})).sort((a, b) => b.atMs - a.atMs || a.at - b.at)
  const favoured = new Set(byUse.slice(0, TUNNEL_IDLE_MAX).map(({at}) => at))
  return usedAtMs.map((_, at) => (favoured.has(at) ? 1 : 0))
}
