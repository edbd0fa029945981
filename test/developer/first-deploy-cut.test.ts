import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {firstDeploy} from '../../src/cli/first-deploy.ts'
import {type Client, createClient} from '../../src/client/client.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {firstNeed} from '../../src/developer/first-deploy.ts'
import {type FoundManifest, readManifest} from '../../src/developer/read-manifest.ts'
import {startWorld} from '../coordinator/coordinator-world.ts'

const HEAD =
  'org: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n    base: scratch\n    source: ./web\n    command: [/app/file]\n'
const {signal} = new AbortController()
let world: Awaited<ReturnType<typeof startWorld>>
let context: AccountContext
let folder: string

beforeAll(async () => {
  world = await startWorld()
  folder = await mkdtemp(join(tmpdir(), 'creo-first-'))
  const {key, ...account} = await world.actors.person('colibris')
  const {url: coordinatorUrl, networkId, coordinatorKey} = world.actors
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key, account: account.id, signal})
  context = {name: 'test', coordinatorUrl, networkId, coordinatorKey, client, account, key}
})
afterAll(async () => {
  await context.client.close()
  await world.close()
  await rm(folder, {recursive: true})
})

async function app(name: string, rewards = ''): Promise<FoundManifest> {
  await mkdir(join(folder, name, 'web'), {recursive: true})
  await writeFile(join(folder, name, 'creo.yaml'), `app: ${name}\n${HEAD}${rewards}`)
  return readManifest(join(folder, name))
}

/** The process ends with, or right after, its so-many-th command. */
function cutAt(count: number, when: 'before' | 'after'): AccountContext {
  let left = count
  const client = new Proxy(context.client, {
    get: (of, name) => {
      const value = Reflect.get(of, name) as unknown
      if (name !== 'submit') return typeof value === 'function' ? value.bind(of) : value
      return async (...args: Parameters<Client['submit']>) => {
        left -= 1
        if (left === 0 && when === 'before') throw new Error('cut')
        const answer = await of.submit(...args)
        if (left === 0) throw new Error('cut')
        return answer
      }
    }
  })
  return {...context, client}
}

function deploy(by: AccountContext, found: FoundManifest, code: string, answers = true) {
  const given = answers ? {buys: 'A cup of tea', 'per-month': '100'} : {buys: undefined, 'per-month': undefined}
  const said: string[] = []
  const flags = {...given, 'pay-in': code, yes: true}
  const done = firstDeploy({context: by, found, flags, ask: undefined, say: (text) => said.push(text), signal})
  return done.then((result) => ({...result, said: said.join('\n')}))
}

async function poolOf(incentive: string): Promise<number> {
  const {balances} = await context.client.balances(context.account.id)
  return balances.find(({asset, kind}) => asset === incentive && kind === 'pool')?.amountMinor ?? 0
}

it.each([
  ['before it issues', 1, 'before'],
  ['right after it has issued', 1, 'after'],
  ['before it fills the pool', 2, 'before'],
  ['right after it has filled the pool', 2, 'after']
] as const)('a first deploy that is cut %s is completed by the next one, once', async (title, count, when) => {
  const code = `${when === 'before' ? 'B' : 'A'}${count}`
  const name = `${title.length}-${code}`.toLowerCase().replace(/^\d+/, 'app')
  await expect(deploy(cutAt(count, when), await app(name), code)).rejects.toThrow('cut')
  const found = await readManifest(join(folder, name))
  expect(found.manifest.functions.web?.rewards).toMatchObject([{incentive: `colibris/${code}`}])
  await deploy(context, found, code)
  const {incentives} = await context.client.incentives()
  const issued = incentives.find(({id}) => id === `colibris/${code}`)
  expect(await poolOf(`colibris/${code}`)).toBe(100 * 10 ** (issued?.decimals ?? 0))
  const again = await deploy(context, found, code)
  expect([again.done, again.said]).toEqual([undefined, expect.stringContaining('There is nothing to issue')])
  expect(await readFile(join(folder, name, 'creo.yaml'), 'utf8')).toContain(`incentive: colibris/${code}`)
})

it('asks nobody for what was filled once, and tells who gives no answer how to fill what never was', async () => {
  const rewards = '    rewards: [{incentive: colibris/B1, perMillion: {mibMs: "0.01"}, dailyBudget: 5}]\n'
  expect(await firstNeed(context, await app('filled', rewards), {payIn: undefined, isGiven: false, signal})).toBeUndefined()
  const offer = {item: 'A tree', priceMinor: 1, stock: 1, where: 'in-app'} as const
  const terms = {
    name: 'X',
    decimals: 2,
    lotMinor: 1,
    supplyMinor: 1_000_000,
    tradeVolumeLimitMicroGutta: 1,
    captured: 'burn',
    transferable: false
  } as const
  await context.client.submit({type: 'incentive.issue', code: 'NEW', ...terms, firstOffer: offer})
  const found = await app('unfilled', rewards.replace('B1', 'NEW'))
  const {said, done} = await deploy(context, found, 'NEW', false)
  expect([done, said]).toEqual([
    undefined,
    `The reward pool of colibris/NEW was never filled. What hosts get is said with: creo deploy ${join(folder, 'unfilled')} --per-month N`
  ])
})
