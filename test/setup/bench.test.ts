import {spawn} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {expect, test} from 'vitest'
import {bookEvents, SHAPES} from '../../bench/exchange/book-events.ts'
import {creoMarket, depthHash, type Engine, hftLimitOrderBook, nodejsOrderBook} from '../../bench/exchange/engines.ts'
import {benchReportSchema, figure, ratios, renderReport, report} from '../../bench/form.ts'
import {parseWrk} from '../../bench/gateway/load.ts'
import {simulate} from '../../bench/volume-limit/simulation.ts'
import {ended} from '../support/processes.ts'

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))
const EXCHANGE_FIGURES = [
  ...['wide', 'thin', 'deep'].map((shape) => `core.${shape}.vs_nodejs_order_book`),
  'core.p99_us',
  'core.p999_us',
  'durable.trades_per_s',
  'durable.commands_per_s',
  'durable.commit_p99_ms',
  ...[1, 10, 1000].map((batch) => `http.orders_per_s.batch${batch}`),
  'replay.events_per_s'
]
const VOLUME_LIMIT_FIGURES = ['default', 'half', 'bands', 'bands_and_leases'].flatMap((policy) =>
  ['price_variance', 'largest_share'].map((what) => `${policy}.${what}_change`)
)
const WRK = `Running 2s test @ http://127.0.0.1:43563/large
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     7.03ms    3.03ms  30.95ms   90.36%
    Req/Sec     9.21k     2.01k   12.34k    70.00%
  Latency Distribution
     50%  650.00us
     75%    7.16ms
     90%    9.02ms
     99%    1.20s
  18366 requests in 2.01s, 1.12GB read
Requests/sec:   9124.27
Transfer/sec:    571.58MB
`

test('a figure is the median of its rounds beside its goal', () => {
  expect(figure({name: 'rps.vs_nginx', unit: 'ratio', samples: [0.5, 0.3, 0.4, 0.6], goal: {atLeast: 0.45}})).toEqual({
    name: 'rps.vs_nginx',
    unit: 'ratio',
    value: 0.45,
    min: 0.3,
    max: 0.6,
    rounds: 4,
    goal: '≥ 0.45',
    holds: true
  })
  expect(figure({name: 'cost', unit: 'ratio', samples: [5], goal: {atMost: 4}}).holds).toBe(false)
  expect(figure({name: 'absolute', unit: 'ms', samples: [5]})).toMatchObject({goal: null, holds: null})
})

test('a ratio is taken round by round, since rounds lie side by side in time', () => {
  expect(ratios([10, 40], [20, 40])).toEqual([0.5, 1])
})

test('a report without a peer for every round, or without figures, is refused', () => {
  expect(() => report('gateway', [figure({name: 'rps', unit: 'ratio', samples: ratios([1], [])})])).toThrow()
  expect(() => report('gateway', [])).toThrow()
})

test('a report says what was measured where, as JSON and as a table', () => {
  const made = report('cli', [figure({name: 'version_ms', unit: 'ms', samples: [70, 80, 75], goal: {atMost: 100}})])
  expect(benchReportSchema.parse(JSON.parse(JSON.stringify(made)))).toEqual(made)
  expect(renderReport(made)).toMatch(/version_ms +75 +70 +80 +ms +3 +≤ 100 +yes/)
})

test('what wrk prints becomes numbers in milliseconds', () => {
  expect(parseWrk(WRK, 65_536)).toEqual({requests: 18_366, perSecond: 9124.27, p50Ms: 0.65, p99Ms: 1200})
})

test.each([
  ['statuses that are not 2xx', `${WRK}  Non-2xx or 3xx responses: 12\n`, 65_536],
  ['broken connections', `${WRK}  Socket errors: connect 0, read 3, write 0, timeout 0\n`, 65_536],
  ['answers that are too small', WRK, 70_000],
  ['no answers', WRK.replace('18366 requests', '0 requests'), 65_536],
  ['words that it does not know', 'unable to connect', 1]
])('a load with %s measures nothing', (_what, text, answerBytes) => {
  expect(() => parseWrk(text, answerBytes)).toThrow('wrk measured nothing that counts')
})

test.each(Object.entries(SHAPES))('the books that are compared are the same after the same %s events', (_name, shape) => {
  const small = {levels: shape.levels, restingPerSide: shape.restingPerSide / 20}
  const events = bookEvents(small, {seed: 7, count: 8000})
  const hashOf = (engine: Engine): string => {
    const run = engine(events)
    for (let index = 0; index < events.length; index += 1) run.step(index)
    expect(run.depth().map((side) => side.length > 0)).toEqual([true, true])
    return depthHash(run.depth())
  }
  expect(events.filter(({type}) => type === 'take').length).toBeGreaterThan(1000)
  expect([hashOf(nodejsOrderBook), hashOf(hftLimitOrderBook)]).toEqual([hashOf(creoMarket), hashOf(creoMarket)])
})

test('the same seed is the same market, in which fewer customers get what they want under a tight limit', () => {
  const days = 6
  const tight = {name: 'tight', limitDays: 0.25, ownerSharePermille: 250}
  const limited = simulate(3, tight, days)
  expect(simulate(3, tight, days)).toEqual(limited)
  expect(limited.served).toBeLessThan(simulate(3, {...tight, limitDays: null}, days).served)
})

test.runIf(process.env.CREO_TEST_TIER === 'long').each([
  ['exchange', '0.002', EXCHANGE_FIGURES],
  ['volume-limit', '0.05', VOLUME_LIMIT_FIGURES],
  ['exchange-page', '0.05', ['coordinator_cpu_ratio']]
])('the bench %s measures under every name that its goals have', async (bench, scale, figures) => {
  const env = {...process.env, CREO_BENCH_SCALE: scale}
  const {code, stdout, stderr} = await ended(spawn(process.execPath, [RUN, bench, '--json'], {env}))
  expect({code, stderr: code === 0 ? '' : stderr}).toEqual({code: 0, stderr: ''})
  const names = benchReportSchema.parse(JSON.parse(stdout)).figures.map(({name}) => name)
  expect(names).toEqual(expect.arrayContaining(figures))
})

test('a bench that does not exist is refused with the ones that do', async () => {
  const {code, stdout, stderr} = await ended(spawn(process.execPath, [RUN, 'speed', '--json']))
  expect({code, stdout}).toEqual({code: 2, stdout: ''})
  expect(stderr).toMatch(
    /There is no bench "speed"[\s\S]*cli, coldstart, coordinator, dev, exchange, exchange-page, gateway, loop, memory, volume-limit/
  )
})
