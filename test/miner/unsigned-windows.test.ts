import fc from 'fast-check'
import {pino} from 'pino'
import {describe, expect, it} from 'vitest'
import {UNSIGNED_TIMES, UnsignedWindows} from '../../src/miner/unsigned-windows.ts'
import {started, world} from './miner-world.ts'

const SECOND_MS = 1000
const RUNS = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? 200 : 3000

/** A gateway as this node sees it, second by second. */
function watching() {
  let nowMs = 0
  let moved = 0
  const windows = new UnsignedWindows({times: UNSIGNED_TIMES, monotonicMs: () => nowMs, bytesOf: () => moved})
  return {
    signed: () => windows.signed('gw_1'),
    /** One second passes; true when the gateway is to be left. */
    second: ({works, connected = true}: {readonly works: boolean; readonly connected?: boolean}): boolean => {
      nowMs += SECOND_MS
      moved += works ? 100 : 0
      return windows.look(connected ? ['gw_1'] : []).length > 0
    },
    sleep: (ms: number) => {
      nowMs += ms
    }
  }
}

/** The first second in which it is left, of so many. */
function leftAfter(seconds: number, at: (second: number) => {readonly works: boolean; readonly connected?: boolean}): number | undefined {
  const gateway = watching()
  for (let second = 1; second <= seconds; second += 1) if (gateway.second(at(second))) return second
  return undefined
}

describe('a gateway that has nothing signed', () => {
  it('is left after three windows and a while for what is late', () => {
    // The first look takes it in; the third window begins two windows later and is waited for.
    expect(leftAfter(600, () => ({works: true}))).toBe(1 + 1 + 2 * 60 + 60 + 30)
  })

  it('is left as well when it uses this node once an hour', () => {
    expect(leftAfter(5 * 3600, (second) => ({works: second % 3600 === 2}))).toBe(2 * 3600 + 2 + 90)
  })

  it('is not left for what it had done before, once it is signed for', () => {
    const gateway = watching()
    for (let second = 1; second <= 3600; second += 1) {
      if (second % 100 === 0) gateway.signed()
      expect(gateway.second({works: true})).toBe(false)
    }
  })

  it('is not left for two windows, nor for time in which it is away or this node stood still', () => {
    expect(leftAfter(36_000, (second) => ({works: second === 3 || second === 4000}))).toBeUndefined()
    const away = leftAfter(36_000, (second) => ({works: second < 150, connected: second < 150}))
    expect(away).toBeUndefined()
    const gateway = watching()
    for (let second = 1; second <= 125; second += 1) gateway.second({works: true})
    gateway.sleep(3_600_000)
    expect(gateway.second({works: true})).toBe(false)
  })
})

describe('an honest gateway', () => {
  const life = fc.record({
    windowS: fc.integer({min: 1, max: 60}),
    /** How long its proposals are on their way, as a rule longer than any line. */
    delayS: fc.integer({min: 0, max: 25}),
    /** In how many of a hundred seconds there is work. */
    load: fc.integer({min: 1, max: 100}),
    /** When it is killed, and for how long it is gone. What it counted in its last second is lost. */
    kills: fc.array(fc.record({atS: fc.integer({min: 1, max: 900}), goneS: fc.integer({min: 1, max: 300})}), {maxLength: 2}),
    seed: fc.nat()
  })

  it('is never left, however slow it is and whenever it is started anew', () => {
    fc.assert(
      fc.property(life, ({windowS, delayS, load, kills, seed}) => {
        const gateway = watching()
        let random = seed
        let counted = false
        let justNow = false
        const due: number[] = []
        for (let second = 1; second <= 1200; second += 1) {
          const gone = kills.some(({atS, goneS}) => second >= atS && second < atS + goneS)
          const returns = kills.some(({atS, goneS}) => second === atS + goneS)
          random = (random * 1_103_515_245 + 12_345) % 2 ** 31
          const works = !gone && random % 100 < load
          if (kills.some(({atS}) => second === atS)) counted = counted && !justNow
          // It proposes what it finds on its disk, and again whatever was not answered.
          if (returns && (counted || due.length > 0)) due.splice(0, due.length, second + delayS)
          if (returns) counted = false
          if (!gone && second % windowS === 0 && counted) {
            due.push(second + delayS)
            counted = false
          }
          if (!gone && due.some((at) => at <= second)) {
            due.splice(0, due.length, ...due.filter((at) => at > second))
            gateway.signed()
          }
          counted ||= works
          justNow = works
          if (gateway.second({works, connected: !gone})) return false
        }
        return true
      }),
      {numRuns: RUNS}
    )
  })
})

describe('a miner', () => {
  const times = {lookMs: 50, windowMs: 100, patienceMs: 300, leftForMs: 1500}

  it('leaves a gateway that never proposes, says so, starts nothing for it, and tries it again after a while', async () => {
    const w = await world()
    w.coordinator.setTable(w.table())
    const said: string[] = []
    const log = pino({level: 'warn'}, {write: (entry: string) => void said.push(entry)})
    const miner = await w.miner({unsigned: times, log})
    const [gateway] = miner.status.gateways
    expect(gateway).toMatchObject({connected: true, leftUntilMs: null})
    expect(await started(w)).toMatchObject({type: 'started'})
    const link = await w.gateway.link(w.node)
    const closed = link.closed.then(() => 'closed')
    const asking = (async () => {
      while (miner.status.gateways[0]?.leftUntilMs === null) await w.gateway.ask(w.node, 'i-1').catch(() => undefined)
    })()
    expect(await closed).toBe('closed')
    await asking
    expect(miner.status.gateways).toMatchObject([{name: 'one', connected: false, roundTripMs: null}])
    expect((miner.status.gateways[0]?.leftUntilMs ?? 0) - Date.now()).toBeGreaterThan(0)
    await expect.poll(() => miner.status.instances).toEqual([])
    w.coordinator.setTable(w.table())
    await expect.poll(() => miner.status.gateways[0]?.connected).toBe(true)
    expect(miner.status.gateways[0]?.leftUntilMs).toBeNull()
    expect(await started(w, 'i-2')).toMatchObject({type: 'started', instance: 'i-2'})
    await miner.drain()
    expect(said.filter((entry) => entry.includes('a gateway is left for now'))).toHaveLength(1)
  })

  it('stays with a gateway that has everything signed', async () => {
    const w = await world()
    w.coordinator.setTable(w.table())
    const miner = await w.miner({unsigned: times})
    expect(await started(w)).toMatchObject({type: 'started'})
    const link = await w.gateway.link(w.node)
    const untilMs = performance.now() + 6 * (times.windowMs + times.patienceMs)
    for (let window = 1; performance.now() < untilMs; window += 1) {
      await w.gateway.ask(w.node, 'i-1')
      link.send(w.gateway.propose(w.nodeKey, {window, windowMs: 1, mibMs: 1}))
      expect(await w.gateway.next('receipt', 'refuse_receipt')).toMatchObject({type: 'receipt'})
    }
    expect(miner.status.gateways).toMatchObject([{connected: true, leftUntilMs: null}])
    await miner.drain()
  })
})
