import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {Load, pause} from './load.ts'
import {type Namespaces, openNamespaces} from './namespaces.ts'
import {AT_HOME, NetworkWorld} from './network-world.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const TIMEOUT_MS = 240_000
/** A line that is back is used again within this. */
const HEALED_MAX_MS = 30_000
/** Until a cut is noticed: a request waits for two seconds, then a ping for eight. The rest is what a busy machine adds. */
const NOTICED_MAX_MS = 20_000
const OTHER = 'miner-cloud'
const WORKERS = 6
/** Shorter than it takes to notice, just as long, longer, and longer than an idle ping. */
const CUTS = [
  {cut: 'for 4 s', cutMs: 4000},
  {cut: 'until both ends notice', cutMs: undefined},
  ...(IS_LONG ? [14_000, 30_000, 90_000] : []).map((cutMs) => ({cut: `for ${cutMs / 1000} s`, cutMs}))
]

let namespaces: Namespaces | undefined
let world: NetworkWorld | undefined
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'creo-line-'))
  closing.push(() => rm(folder, {recursive: true, force: true}))
  namespaces = await openNamespaces(folder)
  if (namespaces === undefined) return
  closing.push(namespaces.close)
  // More instances than fit one miner, so that each has some.
  const functions = {site: {scale: {min: 4, max: 4}}}
  world = await NetworkWorld.make({
    namespaces,
    memoryMib: 192,
    runtime: 'memory',
    gateways: ['gateway'],
    miners: [AT_HOME, OTHER],
    functions
  })
  closing.push(() => opened().close())
  await world.answers('gateway', 'site')
}, TIMEOUT_MS)
afterAll(async () => {
  for (const close of closing.toReversed()) await close()
}, TIMEOUT_MS)

function opened(): NetworkWorld {
  if (world === undefined) throw new Error('There is no network.')
  return world
}

test.for(CUTS)(
  'a line that is cut $cut fails no idempotent request and others once at most, heals within seconds, and nothing is paid twice',
  {timeout: TIMEOUT_MS},
  async ({cutMs}, {skip}) => {
    if (namespaces === undefined) {
      // Root may make them everywhere but in a container without the right to.
      expect(process.env.CI, 'this machine gives no network namespaces').toBeUndefined()
      skip('network namespaces cannot be made here: ip netns needs root')
      return
    }
    const before = await opened().everythingPaid()
    await expect.poll(connected, {timeout: 60_000}).toBe(2)
    const allWork = async (): Promise<boolean> => (await opened().status('gateway')).miners.every(({instances}) => instances > 0)
    await expect.poll(allWork, {timeout: 30_000}).toBe(true)
    const load = new Load(opened(), {gateway: 'gateway', function: 'site', workers: WORKERS, postEvery: 4, pauseMs: 20})
    await pause(1000)
    const noticedBefore = await notices()
    const bothNotice = async (): Promise<boolean> => (await notices()).every((count, end) => count > (noticedBefore[end] ?? 0))
    await namespaces.cut()
    if (cutMs === undefined) await expect.poll(bothNotice, {interval: 200}).toBe(true)
    else await pause(cutMs)
    await namespaces.mend()
    const mendedAtMs = performance.now()
    await expect.poll(connected, {timeout: HEALED_MAX_MS, interval: 200}).toBe(2)
    await expect.poll(worksAtHome, {timeout: HEALED_MAX_MS, interval: 200}).toBe(true)
    expect(performance.now() - mendedAtMs).toBeLessThan(HEALED_MAX_MS)
    const {answered, failures, failedTwice, slowestMs} = await load.stop()
    expect(failures.filter(({method}) => method === 'GET')).toEqual([])
    expect(failedTwice).toBe(0)
    expect(slowestMs).toBeLessThan(NOTICED_MAX_MS)
    expect(await opened().everythingPaid()).toBe(before + answered)
    if (cutMs !== undefined && cutMs > NOTICED_MAX_MS) expect(await bothNotice()).toBe(true)
  }
)

async function connected(): Promise<number> {
  return (await opened().status('gateway')).miners.length
}

/** The node at home has instances and connections to them again. */
async function worksAtHome(): Promise<boolean> {
  const {miners} = await opened().status('gateway')
  return miners.some(({node, instances, dataConnections}) => node === opened().node(AT_HOME) && instances > 0 && dataConnections > 0)
}

/** How often each end of the line has said that the other answers no more. */
async function notices(): Promise<readonly number[]> {
  const logs = ['gateway', AT_HOME].map((role) => readFile(join(opened().folder, 'logs', `${role}.log`), 'utf8'))
  return (await Promise.all(logs)).map((log) => log.match(/"code":"timeout".*"msg":"(no tunnel|miner disconnected)"/g)?.length ?? 0)
}
