import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {Agent, request} from 'undici'
import {expect, it, onTestFinished} from 'vitest'
import {isReferredTo} from '../../src/coordinator/registry/collector.ts'
import {openRegistry} from '../../src/coordinator/registry/registry.ts'
import {asDigest} from '../../src/coordinator/registry/repository-name.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {startWorld} from './coordinator-world.ts'
import {Asks} from './fuzz-asks.ts'
import {type Ask, fuzzedNetwork} from './fuzz-world.ts'

const IS_LONG = process.env.CREO_TEST_TIER === 'long'
const REQUESTS = IS_LONG ? 100_000 : 1_200
const SEED = Number(process.env.CREO_TEST_SEED ?? (IS_LONG ? Date.now() % 2 ** 31 : 7))
const AT_A_TIME = 16
const VALID_SHARE_MIN = 0.3
const ANSWER_MAX_MS = 120_000
const HOUR_MS = 3_600_000
/** What says that the shape, or the signature, was not even right. */
const NOT_REACHED: ReadonlySet<string> = new Set(['invalid_input', 'unauthorized', 'bad_signature', 'digest_mismatch'])
/** Nothing is said as zod says it. */
const IN_OWN_WORDS = /^(?!.*(Invalid (input|string|option|key)|Too (big|small)|Unrecognized key|must match pattern)).*\S/s
/** What has come to the market among all of it. */
const met = {auctions: 0}
const agent = new Agent({connections: AT_A_TIME})

it(
  `answers ${REQUESTS} requests of all kinds, right and wrong ones, without a fault of its own, and nothing of them is left behind (seed ${SEED})`,
  async () => {
    const most = 1_000_000
    const operatorSettings = {requestsPerSecondMax: most, accountRequestsPerSecondMax: most, accountCommandsPerSecondMax: most}
    const world = await startWorld({operatorSettings, hasProtection: true})
    onTestFinished(() => world.folder.remove())
    const asks = new Asks(await fuzzedNetwork(world), SEED)
    let reached = 0
    let left = REQUESTS
    const work = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        const ask = await asks.next()
        if (await isReached(world.actors.url, ask, asks)) reached += 1
      }
    }
    await Promise.all(Array.from({length: AT_A_TIME}, work))
    expect(reached / REQUESTS).toBeGreaterThan(VALID_SHARE_MIN)
    expect(met.auctions).toBeGreaterThan(0)
    expect((await world.actors.ask('GET', '/readyz')).json).toMatchObject({ok: true})
    await agent.close()
    await world.coordinator.close()
    await expectNothingLeft(world.folder.path)
  },
  IS_LONG ? 1_500_000 : 120_000
)

/** Whether a request as the document says was understood. What is refused says why, and what to do. */
async function isReached(base: string, ask: Ask, asks: Asks): Promise<boolean> {
  const {method, path, headers, body} = ask
  const signal = AbortSignal.timeout(ANSWER_MAX_MS)
  const asked = request(base + path, {method: method as 'GET', headers, body: body ?? null, dispatcher: agent, signal})
  const answer = await asked.catch((error: {code?: string}) => {
    // Of two that write to one upload the older one has lost its client, and is cut.
    if (error.code === 'UND_ERR_SOCKET' && path.includes('/blobs/uploads/') && body !== undefined) return undefined
    throw error
  })
  if (answer === undefined) return false
  const text = await answer.body.text()
  const about = `${method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 3000)}\n→ ${answer.statusCode} ${text.slice(0, 500)}`
  expect(answer.statusCode, about).toBeLessThan(500)
  asks.saw(text, answer.headers.location)
  if (text.includes('"in_auction"')) met.auctions += 1
  if (answer.statusCode < 400 || method === 'HEAD') return ask.isValid
  const {error, errors: [first] = []} = JSON.parse(text)
  const {code, message, hint} = error ?? {...first.detail, message: first.message}
  expect([code, message, hint], about).toEqual([
    expect.stringMatching(/^[a-z_]+$/),
    expect.stringMatching(IN_OWN_WORDS),
    expect.stringMatching(/\S/)
  ])
  return ask.isValid && !NOT_REACHED.has(code)
}

async function expectNothingLeft(directory: string): Promise<void> {
  const {signal} = new AbortController()
  expect(await verifyLedger({directory, signatures: !IS_LONG, signal})).toMatchObject({holds: true})
  const registryDirectory = join(directory, 'registry')
  const files = async (folder: string): Promise<string[]> => {
    const found = await readdir(join(registryDirectory, folder), {recursive: true, withFileTypes: true}).catch(() => [])
    return found.filter((entry) => entry.isFile()).map(({name}) => name)
  }
  expect([await files('uploads'), await files('partial')]).toEqual([[], []])
  const registry = await openRegistry({directory: registryDirectory, nowMs: () => Date.now() + 2 * HOUR_MS, liveImages: () => new Set()})
  await registry.collect({graceMs: HOUR_MS, signal})
  for (const name of await files('blobs')) expect([name, await isReferredTo(registry, asDigest(`sha256:${name}`))]).toEqual([name, true])
  await registry.sessions.close()
}
