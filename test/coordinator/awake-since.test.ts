import {expect, it, onTestFinished} from 'vitest'
import {AwakeSince} from '../../src/coordinator/awake-since.ts'
import {startWorld} from './coordinator-world.ts'

const HOUR_MS = 3_600_000

it('is from when the clock on the wall went on by half a minute more than the monotonic one', () => {
  let [nowMs, monotonicMs] = [1_800_000_000_000, 10]
  const awake = new AwakeSince(
    () => nowMs,
    () => monotonicMs
  )
  const after = (wallMs: number, passedMs: number): number => {
    nowMs += wallMs
    monotonicMs += passedMs
    return awake.look() - 1_800_000_000_000
  }
  expect([after(0, 0), after(HOUR_MS, HOUR_MS), after(29_000, 0), after(29_000, 0)]).toEqual([0, 0, 0, 0])
  expect(after(30_000, 0)).toBe(HOUR_MS + 88_000)
  // Set back, by which nobody is silent for longer, and then on again.
  expect([after(-HOUR_MS, 0), after(1000, 1000)]).toEqual([HOUR_MS + 88_000, HOUR_MS + 88_000])
  expect(after(HOUR_MS, 0)).toBe(HOUR_MS + 89_000)
})

it.each([
  ['while the coordinator slept', 0, 'active'],
  ['while the coordinator was awake', HOUR_MS, 'ended']
])('a node that was not heard for an hour %s: its lease', async (_when, awakeMs, status) => {
  let [aheadMs, monotonicMs] = [0, 0]
  const world = await startWorld({nowMs: () => Date.now() + aheadMs, monotonicMs: () => monotonicMs})
  onTestFinished(() => world.close())
  const {actors} = world
  const org = await actors.colibris()
  const [node, other] = [await actors.node(org), await actors.node(org)]
  await actors.heartbeat(node)
  const {lease} = await actors.leased(node)
  aheadMs = HOUR_MS
  monotonicMs = awakeMs
  await actors.heartbeat(other, {}, Date.now() + HOUR_MS)
  await actors.leased(other)
  const {json} = await actors.ask('GET', `/v1/leases?node=${node.id}`)
  expect(json.leases).toMatchObject([{id: lease.id, status}])
})
