import {cp, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {beforeAll, expect, it} from 'vitest'
import {z} from 'zod'
import {ORGS} from '../../src/compose/tour/steps-network.ts'
import {leaseViewSchema} from '../../src/core/protocol/api.ts'
import {MixedLoad} from '../support/mixed-load.ts'
import {LoopWorld} from './loop-world.ts'

/** In the short tier test/gateway/rollout.test.ts does the same with functions of its own process. */
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
const ANSWERS_EACH = 250
const SET_UP_TIMEOUT_MS = 180_000
const TIMEOUT_MS = 580_000
/** In a development network: fifteen seconds and a request's longest time, thirty. */
const LEASES_ENDED_TIMEOUT_MS = 150_000
const SHOP = `${ORGS.shop}/shop`

/** Sends back what it is sent, as it comes; without a body it writes a piece, or four slowly. */
const SERVER = `import {createServer} from 'node:http'
const PIECE = 'x'.repeat(20_000)
createServer(async (request, response) => {
  if (request.method === 'POST') return void request.pipe(response)
  const pieces = request.url === '/slow' ? 4 : 1
  for (let piece = 0; piece < pieces; piece += 1) {
    response.write(PIECE)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  response.end()
}).listen(process.env.PORT)
`

let world: LoopWorld
beforeAll(async () => {
  if (!IS_LONG) return undefined
  world = await LoopWorld.make()
  return () => world.close()
}, SET_UP_TIMEOUT_MS)

/** Deploys the shop with another site, and returns that one's revision. */
async function deploy(version: number, ...flags: readonly string[]): Promise<string> {
  const folder = join(world.folder, 'shop')
  await cp(join(world.root, 'examples', 'colibris'), folder, {recursive: true})
  await writeFile(join(folder, 'site', 'server.mjs'), SERVER)
  const manifest = await readFile(join(folder, 'creo.yaml'), 'utf8')
  await writeFile(join(folder, 'creo.yaml'), manifest.replace('env: {}', `env: {VERSION: "${version}"}`))
  const schema = z.looseObject({revisions: z.array(z.looseObject({function: z.string(), revision: z.string()}))})
  const {revisions} = await world.creo(['deploy', folder, '--as', ORGS.shop, ...flags], schema)
  return revisions.find((one) => one.function === 'site')?.revision ?? ''
}

async function traffic(...flags: readonly string[]): Promise<void> {
  await world.creo(['traffic', SHOP, 'site', ...flags], z.looseObject({seq: z.int()}))
}

async function leases(revision: string): Promise<number> {
  const {leases: active} = await world.read(`/v1/leases?revision=${revision}&status=active`, z.object({leases: z.array(leaseViewSchema)}))
  return active.length
}

it.runIf(IS_LONG)(
  'loses no request in five rollouts under load, from deploy to rollback, with real containers',
  {timeout: TIMEOUT_MS},
  async () => {
    const first = await deploy(1)
    const {host} = new URL(world.network.gatewayUrl)
    const load = new MixedLoad({
      url: world.network.gatewayUrl,
      host: `site--shop--${ORGS.shop}.localhost:${host.split(':')[1]}`,
      answersEach: ANSWERS_EACH
    })
    await load.answeredBy(first)

    const second = await deploy(2)
    await load.answeredBy(second)

    const third = await deploy(3, '--no-traffic', '--tag', 'next')
    await load.answeredBy(second)
    await traffic('--to', 'next=50', '--to', `${second}=50`)
    await load.answeredBy(second, third)
    const releases = z.looseObject({
      releases: z.array(z.looseObject({revision: z.string(), percent: z.int(), tags: z.array(z.string()), warm: z.int()}))
    })
    await expect
      .poll(
        async () =>
          (await world.creo(['releases', SHOP], releases)).releases
            .filter((one) => one.warm > 0)
            .map(({revision, percent, tags}) => [revision, percent, tags]),
        {timeout: 30_000}
      )
      .toEqual(
        expect.arrayContaining([
          [third, 50, ['next']],
          [second, 50, []]
        ])
      )

    await traffic('--to', third, '--untag', 'next')
    await load.answeredBy(third)
    await world.creo(['rollback', SHOP, 'site'], z.unknown())
    await load.answeredBy(second)

    await expect.poll(() => leases(third), {timeout: LEASES_ENDED_TIMEOUT_MS, interval: 1000}).toBe(0)
    await load.answeredBy(second)
    await load.stop()
    expect(load.failures).toEqual([])
    expect(load.answers.length).toBeGreaterThan(ANSWERS_EACH * 7)
  }
)
