import {chmod, mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {startRole} from '../src/compose/role-process.ts'
import {coreFigures} from './exchange/core-rounds.ts'
import {type DurableRound, durableRound, replayPerS} from './exchange/durable-rounds.ts'
import {BATCHES, httpRound} from './exchange/http-rounds.ts'
import {startPostgresql} from './exchange/postgresql.ts'
import {TradingNetwork} from './exchange/trading-network.ts'
import {type Figure, figure, ratios} from './form.ts'
import type {Bench} from './run.ts'

const CREO = [process.execPath, fileURLToPath(new URL('../bin/run.js', import.meta.url))]
const ROUNDS = 5
/** Of the first size of request, before those that count: the coordinator was started a moment ago, and its code is compiled as it is used. */
const WARM_ROUNDS = 2
/** `CREO_BENCH_SCALE=0.01` makes everything so much smaller, to try things out: its figures are not comparable. */
const SCALE = Number(process.env.CREO_BENCH_SCALE ?? 1)
const BOOK_EVENTS = scaled(1_000_000)
const TRADES = scaled(20_000)
const TRANSFERS = scaled(20_000)
const PGBENCH_SECONDS = Math.max(1, Math.round(5 * SCALE))
/** Signatures are checked again for these groups of the journal alone: the whole would take minutes. */
const SIGNED_GROUPS = scaled(100)
const UNLIMITED = '1000000'

type Options = Parameters<Bench['measure']>[0]

/** The exchange from the inside out: the book, the ledger on disk, its replay, transfers beside PostgreSQL's, and the front door. */
export const measure: Bench['measure'] = async (options) => {
  const {signal, say} = options
  const core = await coreFigures({events: BOOK_EVENTS, rounds: ROUNDS, signal, say})
  const directory = await mkdtemp(join(tmpdir(), 'creo-exchange-'))
  try {
    // PostgreSQL runs as another user, and its directory lies within.
    await chmod(directory, 0o755)
    const data = join(directory, 'coordinator')
    const network = await TradingNetwork.make(data, signal)
    try {
      say('A market of a thousand accounts is made.')
      const durable = await durableFigures(network, options)
      const transfers = await transferFigures(network, directory, options)
      const orders = BATCHES.map((batch, at) => ({
        ...batch,
        rounds: Array.from({length: ROUNDS + (at === 0 ? WARM_ROUNDS : 0)}, () => network.requests(scaled(batch.orders), batch.batch))
      }))
      await network.ledger.close()
      const replay = await replayFigures(data, options)
      return [...core, ...durable, ...transfers, ...replay, ...(await httpFigures(orders, {data, directory}, options))]
    } finally {
      await network.ledger.close()
    }
  } finally {
    await rm(directory, {recursive: true, force: true})
  }
}

function scaled(count: number): number {
  return Math.max(100, Math.round((count * SCALE) / 100) * 100)
}

async function durableFigures(network: TradingNetwork, {signal, say}: Options): Promise<Figure[]> {
  const rounds: DurableRound[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push(await durableRound(network.ledger, network.trades(TRADES), {keys: network.keys, signal}))
    say(`durable, round ${round + 1} of ${ROUNDS}.`)
  }
  const trades = rounds.map(({commandsPerS}) => commandsPerS / 2)
  return [
    figure({name: 'durable.trades_per_s', unit: '1/s', samples: trades, goal: {atLeast: 100_000}}),
    figure({name: 'durable.commands_per_s', unit: '1/s', samples: rounds.map(({commandsPerS}) => commandsPerS)}),
    figure({name: 'durable.shown_trades_per_s', unit: '1/s', samples: rounds.map(({shownPerS}) => shownPerS / 2)}),
    figure({name: 'durable.commit_p99_ms', unit: 'ms', samples: rounds.map(({commitP99Ms}) => commitP99Ms), goal: {atMost: 20}})
  ]
}

/** Side by side in every round, ours until they are shown. PostgreSQL checks no signatures and keeps no chain. */
async function transferFigures(network: TradingNetwork, directory: string, {signal, say}: Options): Promise<Figure[]> {
  const postgresql = await startPostgresql(directory, signal)
  if (postgresql === undefined) say('transfers.vs_postgresql is left out: PostgreSQL is not installed (apt-get install postgresql).')
  try {
    const samples = {creo: [] as number[], postgresql: [] as number[], batched: [] as number[]}
    for (let round = 0; round < ROUNDS; round += 1) {
      samples.creo.push((await durableRound(network.ledger, network.transfers(TRANSFERS), {keys: network.keys, signal})).shownPerS)
      const options = {seconds: PGBENCH_SECONDS, signal}
      if (postgresql !== undefined) samples.postgresql.push(await postgresql.perS('one_each', options))
      if (postgresql !== undefined) samples.batched.push(await postgresql.perS('batched', options))
      say(`transfers, round ${round + 1} of ${ROUNDS}.`)
    }
    const ours = figure({name: 'transfers.per_s', unit: '1/s', samples: samples.creo})
    if (postgresql === undefined) return [ours]
    const vs = (peer: readonly number[]): number[] => ratios(samples.creo, peer)
    return [
      figure({name: 'transfers.vs_postgresql', unit: 'ratio', samples: vs(samples.postgresql), goal: {atLeast: 20}}),
      figure({name: 'transfers.vs_postgresql_batched', unit: 'ratio', samples: vs(samples.batched), goal: {atLeast: 4}}),
      ours,
      figure({name: `transfers.postgresql_${postgresql.version}_per_s`, unit: '1/s', samples: samples.postgresql}),
      figure({name: `transfers.postgresql_${postgresql.version}_batched_per_s`, unit: '1/s', samples: samples.batched})
    ]
  } finally {
    await postgresql?.stop()
  }
}

async function replayFigures(directory: string, {signal, say}: Options): Promise<Figure[]> {
  const genesisText = await readFile(join(directory, 'genesis.json'), 'utf8')
  const samples = Array.from({length: ROUNDS}, () => {
    signal.throwIfAborted()
    return replayPerS({directory, genesisText}, {signatures: false, groupsMax: Number.POSITIVE_INFINITY})
  })
  const signed = replayPerS({directory, genesisText}, {signatures: true, groupsMax: SIGNED_GROUPS})
  say('The journal was replayed.')
  return [
    figure({name: 'replay.events_per_s', unit: '1/s', samples, goal: {atLeast: 1_000_000}}),
    figure({name: 'replay.signed_events_per_s', unit: '1/s', samples: [signed]})
  ]
}

type HttpOrders = (typeof BATCHES)[number] & {readonly rounds: readonly ReturnType<TradingNetwork['requests']>[]}

/** The coordinator as a process of its own; the load comes from this one, on the same cores. */
async function httpFigures(
  all: readonly HttpOrders[],
  {data, directory}: {readonly data: string; readonly directory: string},
  {signal, say}: Options
): Promise<Figure[]> {
  const flags = ['--requests-per-second', UNLIMITED, '--account-commands-per-second', UNLIMITED, '--json']
  const argv = [...CREO, 'coordinator', 'serve', '--data', data, '--listen', '127.0.0.1:0', ...flags]
  const role = await startRole({name: 'coordinator', argv, env: {}, logPath: join(directory, 'log')}, signal)
  try {
    const coordinatorUrl = (role.ready.urls as {readonly api: string}).api
    const figures: Figure[] = []
    for (const {batch, connections, goal, rounds} of all) {
      const samples: number[] = []
      for (const requests of rounds) samples.push(await httpRound(coordinatorUrl, requests, {connections, signal}))
      const [cold] = samples.splice(0, samples.length - ROUNDS)
      const name = `http.orders_per_s.batch${batch}`
      figures.push(figure({name, unit: '1/s', samples, goal: {atLeast: goal}}))
      if (cold !== undefined) figures.push(figure({name: `${name}_cold`, unit: '1/s', samples: [cold]}))
      say(`http, batches of ${batch}.`)
    }
    return figures
  } finally {
    await role.stop()
  }
}
