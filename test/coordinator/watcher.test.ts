import {Writable} from 'node:stream'
import {describe, expect, it, onTestFinished} from 'vitest'
import {
  EventHub,
  type EventHubTools,
  WATCHERS_MAX,
  WATCHERS_PER_ADDRESS_MAX,
  WATCHERS_PER_CLIENT_MAX
} from '../../src/coordinator/events/event-hub.ts'
import {EventRing} from '../../src/coordinator/events/event-ring.ts'
import {BUFFERED_BYTES_MAX, STALLED_MAX_MS, Watcher} from '../../src/coordinator/events/watcher.ts'
import {LastingReads} from '../../src/coordinator/lasting-reads.ts'
import type {EventsQuery} from '../../src/core/protocol/events.ts'
import type {LedgerReads, RecentGroup} from '../../src/ledger/port.ts'

describe('a watcher', () => {
  const query: EventsQuery = {topic: ['groups', 'nodes']}
  const group = (firstSeq: number, lastSeq: number): RecentGroup => ({
    firstSeq,
    lastSeq,
    commands: Array.from({length: lastSeq - firstSeq + 1}, (_, index) => ({seq: firstSeq + index, atMs: 1, effects: []}))
  })
  const reads = (groups: readonly RecentGroup[]) => ({recentGroups: () => groups}) as unknown as LedgerReads
  const ringOf = (sequence: number, journaled: readonly RecentGroup[] = []): EventRing =>
    new EventRing(sequence, {reads: reads(journaled), lasting: new LastingReads(reads([]))})
  /** Takes what is written only when it is let. */
  function reader(): {out: Writable; text: () => string; take: () => void} {
    const pieces: string[] = []
    const waiting: (() => void)[] = []
    const write = (chunk: Buffer, _encoding: unknown, done: () => void): void => {
      pieces.push(chunk.toString())
      waiting.push(done)
    }
    return {
      out: new Writable({write, highWaterMark: 1}),
      text: () => pieces.join(''),
      take: () => {
        for (const done of waiting.splice(0)) done()
      }
    }
  }
  const watch = (out: Writable, ring: EventRing, after?: number): Watcher =>
    new Watcher({query, after, account: undefined, address: 'here', mayRead: () => true, out}, ring, 0)
  const nodeEvent = {topic: 'nodes', node: 'node_1', text: `event: node\ndata: ${'x'.repeat(1000)}\n`} as const

  it('that reads slowly falls behind and is told to read anew, while nothing gathers for it', () => {
    const ring = ringOf(0)
    const {out, text, take} = reader()
    const watcher = watch(out, ring)
    for (let seq = 1; seq <= 6000; seq += 1) ring.add(group(seq, seq))
    watcher.advance()
    expect(out.writableLength).toBeLessThan(1000)
    take()
    take()
    take()
    expect(text()).toMatch(/event: reset\ndata: \{"sequence":6000\}/)
  })

  it('that takes nothing is cut, by what waits for it and by time', () => {
    const first = reader()
    const slow = watch(first.out, ringOf(0))
    for (let told = 0; told <= BUFFERED_BYTES_MAX / 1000 + 2; told += 1) slow.tell(nodeEvent)
    expect(first.out.destroyed).toBe(true)
    expect(first.out.writableLength).toBeLessThan(BUFFERED_BYTES_MAX + 2000)
    const second = reader()
    const stalled = watch(second.out, ringOf(0))
    stalled.beat(performance.now() + STALLED_MAX_MS / 2)
    expect(second.out.destroyed).toBe(false)
    stalled.beat(performance.now() + 2 * STALLED_MAX_MS)
    expect(second.out.destroyed).toBe(true)
  })

  it('that was ended is told nothing more', () => {
    const {out, text, take} = reader()
    const ring = ringOf(0)
    const ended = watch(out, ring)
    take()
    ended.end()
    ring.add(group(1, 1))
    ended.advance()
    ended.tell(nodeEvent)
    ended.beat(performance.now())
    for (let turn = 0; turn < 5; turn += 1) take()
    expect(text()).toMatch(/"sequence":0\}\n\n$/)
  })

  it('that has gone before it is told anything is not counted', () => {
    const ledger = {sequence: 0, reads: reads([]), onCommitted: () => () => undefined}
    const hub = new EventHub({ledger, lostAfterMs: 1000, awakeSinceMs: () => 0, nowMs: () => 0} as unknown as EventHubTools)
    onTestFinished(() => hub.close())
    const {out} = reader()
    out.destroy()
    hub.watch({query, after: undefined, account: undefined, address: 'here', mayRead: () => true, out})
    expect(hub.watchers).toBe(0)
    hub.watch({query, after: undefined, account: undefined, address: 'here', mayRead: () => true, out: reader().out})
    expect(hub.watchers).toBe(1)
  })

  it('is counted by account, by address and with all', () => {
    const ledger = {sequence: 0, reads: reads([]), onCommitted: () => () => undefined}
    const hub = new EventHub({ledger, lostAfterMs: 1000, awakeSinceMs: () => 0, nowMs: () => 0} as unknown as EventHubTools)
    onTestFinished(() => hub.close())
    const comes = (account: string | undefined, address: string): string => {
      try {
        hub.watch({query, after: undefined, account, address, mayRead: () => true, out: reader().out})
        return 'watches'
      } catch (error) {
        return String((error as {code?: string}).code)
      }
    }
    const many = (count: number, account: string | undefined, address: string): string[] => [
      ...new Set(Array.from({length: count}, () => comes(account, address)))
    ]
    expect(many(WATCHERS_PER_CLIENT_MAX, 'ann', 'home')).toEqual(['watches'])
    // Neither from elsewhere, nor does it cost those who come from the same place without a signature.
    expect([comes('ann', 'elsewhere'), many(WATCHERS_PER_CLIENT_MAX, undefined, 'home'), comes(undefined, 'home')]).toEqual([
      'rate_limited',
      ['watches'],
      'rate_limited'
    ])
    // Accounts cost nothing: an address with ever new ones has no more either.
    for (let count = 2 * WATCHERS_PER_CLIENT_MAX; count < WATCHERS_PER_ADDRESS_MAX; count += 1) {
      expect(comes(`acc ${count}`, 'home')).toBe('watches')
    }
    expect([comes('one more', 'home'), comes('one more', 'elsewhere')]).toEqual(['rate_limited', 'watches'])
    for (let count = WATCHERS_PER_ADDRESS_MAX + 1; count < WATCHERS_MAX; count += 1)
      expect(comes(undefined, `far ${count}`)).toBe('watches')
    expect([hub.watchers, comes('bob', 'anywhere')]).toEqual([WATCHERS_MAX, 'overloaded'])
  })

  it('goes on in the middle of a group, from the journal where this process has not seen it', () => {
    const {out, text, take} = reader()
    watch(out, ringOf(9, [group(3, 6), group(7, 9), group(10, 12)]), 5)
    for (let turn = 0; turn < 5; turn += 1) take()
    expect(text()).toMatch(/"sequence":5.*"lastSeq":6.*"lastSeq":9/s)
    expect(text()).not.toContain('"lastSeq":12')
  })

  it('that asks for what the journal read at once does not reach is told so, however often it asks', () => {
    let count = 0
    const counted = {recentGroups: () => [group(5, 9)].slice(count++ * 0)} as unknown as LedgerReads
    const ring = new EventRing(9, {reads: counted, lasting: new LastingReads(counted)})
    expect([ring.after(2), ring.after(3), ring.after(2)]).toEqual(['gone', 'gone', 'gone'])
    expect(count).toBe(1)
    expect(ring.after(4)).toMatchObject({firstSeq: 5})
  })
})
