import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, it} from 'vitest'
import type {LedgerWorld} from './ledger-world.ts'
import {expectNothingLost, trade, tradingWorld} from './trading.ts'

const SOURCE = fileURLToPath(new URL('./faults.c', import.meta.url))
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** Writes or syncs of the journal that go well: some while it opens, some within a group. */
const AFTER = IS_LONG ? [60, 61, 150] : [60]
const KINDS = IS_LONG ? ['enospc', 'eio', 'short', 'fsync'] : ['fsync']

let folder: string
let shim: string
let world: LedgerWorld

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'creo-faults-'))
  shim = join(folder, 'faults.so')
  await execa('gcc', ['-O1', '-shared', '-fPIC', '-o', shim, SOURCE, '-ldl', '-pthread'])
  world = await tradingWorld()
})

afterAll(async () => {
  await world.remove()
  rmSync(folder, {recursive: true, force: true})
})

let rounds = 0

/** Trades on a disk that breaks; what was done with the journal's files after that, one word a call. */
async function tradeWith(
  kind: string,
  after: number,
  part: string,
  killAfter = Number.POSITIVE_INFINITY
): Promise<Awaited<ReturnType<typeof trade>> & {calls: string[]}> {
  rounds += 1
  const log = join(folder, `calls-${rounds}`)
  const env = {LD_PRELOAD: shim, FAULT_FILE: part, FAULT_KIND: kind, FAULT_AFTER: String(after), FAULT_LOG: log}
  const traded = await trade(world, {round: rounds, killAfter, env})
  return {...traded, calls: existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []}
}

it.each(KINDS.flatMap((kind) => AFTER.map((after) => [kind, after] as const)))(
  'a journal on a disk with the fault %s after %i good calls is given up at once: nothing more is answered or synced, and the next start has all that was answered',
  async (kind, after) => {
    const {answers, failed, calls} = await tradeWith(kind, kind === 'fsync' ? Math.ceil(after / 10) : after, 'journal.sqlite')
    expect(failed).toEqual(['unavailable', 'unavailable', 'unavailable'])
    expect(calls.length).toBeGreaterThan(0)
    expect(calls.filter((call) => call === 'sync')).toHaveLength(kind === 'fsync' ? 1 : 0)
    if (answers.length > 0) await expectNothingLost(world, answers)
    else await world.open().then(() => world.close())
  }
)

it.runIf(IS_LONG).each(['enospc', 'eio'])(
  'projections on a disk with the fault %s stop the ledger too, and catch up at the next start',
  async (kind) => {
    const {answers, failed} = await tradeWith(kind, 1500, 'ledger.sqlite')
    expect(failed).toEqual(['unavailable', 'unavailable', 'unavailable'])
    await expectNothingLost(world, answers)
  }
)

it.runIf(IS_LONG).each(['enospc', 'eio', 'short', 'fsync'])(
  'a snapshot on a disk with the fault %s is none: the ledger goes on without',
  async (kind) => {
    const {answers, failed, calls} = await tradeWith(kind, 0, 'ledger.snapshot', 2000)
    expect(failed).toBeUndefined()
    expect(answers.length).toBeGreaterThanOrEqual(2000)
    expect(calls.length).toBeGreaterThan(0)
    await expectNothingLost(world, answers)
  }
)
