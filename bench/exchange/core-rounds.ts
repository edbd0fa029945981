import {setImmediate as turn} from 'node:timers/promises'
import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'
import {Market} from '../../src/core/exchange/market.ts'
import {BUY, SELL} from '../../src/core/exchange/order-pool.ts'
import {type Figure, figure, ratios} from '../form.ts'
import {type BookEvent, bookEvents, OWNERS, randomOf, SHAPES, type ShapeName} from './book-events.ts'
import {percentile} from './durable-rounds.ts'
import {creoMarket, depthHash, type Engine, hftLimitOrderBook, nodejsOrderBook} from './engines.ts'

const SEED = 20261123
/** Orders that rest at once while their memory is measured. */
const RESTING = 400_000
const RESTING_LEVELS = 1000
const NS_PER_MS = 1_000_000

const ENGINES = {creo: creoMarket, nodejs_order_book: nodejsOrderBook, hft_limit_order_book: hftLimitOrderBook} as const
type EngineName = keyof typeof ENGINES
const GOALS: Record<ShapeName, number> = {wide: 30, thin: 150, deep: 300}

export interface CoreOptions {
  readonly events: number
  readonly rounds: number
  readonly signal: AbortSignal
  say(text: string): void
}

/** Each engine through the same events, one after the other in every round; ours once more before, to warm up. */
export async function coreFigures(options: CoreOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  const shapes = Object.keys(SHAPES) as ShapeName[]
  for (const shape of shapes) figures.push(...(await shapeFigures(shape, options)))
  const all = shapes.map((shape) => bookEvents(SHAPES[shape], {seed: SEED, count: options.events}))
  const latencies = Array.from({length: options.rounds}, () => all.flatMap((events) => latenciesUs(events)))
  return [
    ...figures,
    figure({name: 'core.p99_us', unit: 'µs', samples: latencies.map((some) => percentile(some, 99)), goal: {atMost: 2}}),
    figure({name: 'core.p999_us', unit: 'µs', samples: latencies.map((some) => percentile(some, 99.9)), goal: {atMost: 10}}),
    figure({name: 'core.bytes_per_resting_order', unit: 'B', samples: [bytesPerRestingOrder()], goal: {atMost: 200}})
  ]
}

async function shapeFigures(shape: ShapeName, {events: count, rounds, signal, say}: CoreOptions): Promise<Figure[]> {
  const events = bookEvents(SHAPES[shape], {seed: SEED, count})
  timed(creoMarket, events)
  const samples: Record<EngineName, number[]> = {creo: [], nodejs_order_book: [], hft_limit_order_book: []}
  for (let round = 0; round < rounds; round += 1) {
    const hashes = new Set<string>()
    for (const [name, engine] of Object.entries(ENGINES) as [EngineName, Engine][]) {
      await turn()
      signal.throwIfAborted()
      const {ns, hash} = timed(engine, events)
      samples[name].push(ns)
      hashes.add(hash)
    }
    if (hashes.size !== 1) throw new Error(`The books differ after the events of ${shape}: nothing of it counts.`)
    say(`core.${shape}, round ${round + 1} of ${rounds}.`)
  }
  const {creo, ...peers} = samples
  const times = (Object.keys(peers) as (keyof typeof peers)[]).map((peer) => {
    const goal = peer === 'nodejs_order_book' ? {goal: {atLeast: GOALS[shape]}} : {}
    return figure({name: `core.${shape}.vs_${peer}`, unit: 'ratio', samples: ratios(samples[peer], creo), ...goal})
  })
  const absolute = (Object.keys(samples) as EngineName[]).map((name) =>
    figure({name: `core.${shape}.${name}_ns_per_event`, unit: 'ns', samples: samples[name]})
  )
  return [...times, ...absolute]
}

function timed(engine: Engine, events: readonly BookEvent[]): {readonly ns: number; readonly hash: string} {
  const run = engine(events)
  const startedAtMs = performance.now()
  for (let index = 0; index < events.length; index += 1) run.step(index)
  const ns = ((performance.now() - startedAtMs) * NS_PER_MS) / events.length
  return {ns, hash: depthHash(run.depth())}
}

/** Of each event by itself; the clock's own reading is part of it. */
function latenciesUs(events: readonly BookEvent[]): number[] {
  const run = creoMarket(events)
  const taken: number[] = []
  for (let index = 0; index < events.length; index += 1) {
    const startedAtMs = performance.now()
    run.step(index)
    taken.push((performance.now() - startedAtMs) * 1000)
  }
  return taken
}

/** All that a resting order adds to the process, its place in the pool included, with so many at rest. */
function bytesPerRestingOrder(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const random = randomOf(SEED)
  collect()
  const before = process.memoryUsage()
  const market = new Market(0)
  for (let seq = 1; seq <= RESTING; seq += 1) {
    const side = seq % 2 === 0 ? BUY : SELL
    const distance = 1 + Math.floor(random() * RESTING_LEVELS)
    const priceMicroGutta = side === BUY ? RESTING_LEVELS + 1 - distance : RESTING_LEVELS + 1 + distance
    market.rest({seq, owner: seq % OWNERS, book: 1, side, priceMicroGutta, lots: 1, remaining: 1, expiresAtMs: 0})
  }
  collect()
  const after = process.memoryUsage()
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  return market.pool.count === 0 ? Number.NaN : bytes / market.pool.count
}
