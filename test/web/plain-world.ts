import {randomBytes} from 'node:crypto'
import {expect} from 'vitest'
import {webKeyOfSeed} from '../../src/app-client/web-key.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import type {KeyPair} from '../../src/identity/keys.ts'
import {type Actors, type Person, startWorld} from '../coordinator/coordinator-world.ts'
import {runFunction, stopFunctions} from '../support/function-server.ts'
import {type Browser, type OpenPage, startBrowser} from './browser.ts'
import {type PlainFront, startPlainFront} from './plain-front.ts'

export const LEAF = 'colibris/LEAF'
const INVITE_SEED_BYTES = 32
const INVITED_FOR_MS = 600_000
const MEASURE = {decimals: 2, lotMinor: 100}

export interface PlainWorld {
  readonly front: PlainFront
  readonly colibris: Person
  readonly open: (width: number, options?: {readonly locale?: string; readonly query?: string}) => Promise<OpenPage>
  readonly apply: (person: Person, body: CommandBody) => Promise<{readonly seq: number; readonly result: Record<string, unknown>}>
  readonly person: (name: string) => Promise<Person>
  /** Gives an account so many Gutta to spend. */
  readonly give: (name: string, gutta: number) => Promise<void>
  /** An order for whole units at micro-gutta each. */
  /** What `creo account invite` shows. */
  readonly invite: (person: Person, role: 'treasurer' | 'trader') => Promise<string>
  readonly actors: Actors
  readonly operator: KeyPair
  readonly order: (person: Person, incentive: string, side: 'buy' | 'sell', units: number, priceMicroGutta: number) => Promise<string>
  /** Issues an incentive of 10,000 with 2 decimals, which buys an item of its name for 2. @returns its id */
  readonly issue: (org: Person, code: string, name: string) => Promise<string>
  /** Of all states, newest first. */
  readonly orders: (name: string) => Promise<readonly {readonly id: string; readonly status: string}[]>
  readonly read: (path: string) => Promise<Record<string, never>>
  readonly stop: () => Promise<void>
}

/** The page in a browser, with a coordinator and the functions beside it as processes of this machine: no gateway, no container. */
export async function startPlainWorld({
  hasProtection = false
}: {
  readonly hasProtection?: boolean | {readonly openingMs: number}
} = {}): Promise<PlainWorld> {
  const [browser, world]: [Browser, Awaited<ReturnType<typeof startWorld>>] = await Promise.all([
    startBrowser(),
    startWorld({hasProtection})
  ])
  const {actors, operator} = world
  const [quotes, relay, colibris] = await Promise.all([
    runFunction('apps/exchange/quotes', {COORDINATOR_URL: actors.url}),
    runFunction('apps/exchange/relay', {COORDINATOR_URL: actors.url}),
    actors.colibris(),
    actors.person('creometry', operator)
  ])
  const front = await startPlainFront({networkId: actors.networkId, quotes: quotes.url, relay: relay.url})
  const read = async (path: string): Promise<Record<string, never>> => {
    const {status, json} = await actors.ask('GET', path)
    expect([path, status]).toEqual([path, 200])
    return json
  }
  const apply: PlainWorld['apply'] = (person, body) => actors.apply(person.id, person.key, body)
  return {
    front,
    colibris,
    apply,
    read,
    open: (width, {locale, query = ''} = {}) => browser.open({url: `${front.url}${query}`, width, ...(locale && {locale})}),
    person: (name) => actors.person(name),
    give: async (name, gutta) => {
      const {id} = (await read(`/v1/accounts/${name}`)) as unknown as {readonly id: string}
      await actors.apply('operator', operator, {type: 'allot', account: id, amountMicroGutta: gutta * 1_000_000})
    },
    actors,
    operator,
    invite: async (person, role) => {
      const seed = randomBytes(INVITE_SEED_BYTES)
      const {publicKey} = await webKeyOfSeed(seed)
      await apply(person, {type: 'key.invite', inviteKey: publicKey, roles: [role], expiresAtMs: Date.now() + INVITED_FOR_MS})
      return `invite.${person.id}.${seed.toString('base64url')}`
    },
    issue: async (org, code, name) => {
      const firstOffer = {item: name, priceMinor: 200, stock: 500, where: 'in-app'} as const
      const terms = {
        ...MEASURE,
        supplyMinor: 1_000_000,
        tradeVolumeLimitMicroGutta: 50_000_000,
        captured: 'burn',
        transferable: false
      } as const
      await apply(org, {type: 'incentive.issue', code, name, ...terms, firstOffer})
      return `${org.name}/${code}`
    },
    order: async (person, incentive, side, units, priceMicroGutta) => {
      const terms = {kind: 'limit', timeInForce: 'GTC', measure: MEASURE} as const
      const {result} = await apply(person, {type: 'order.place', incentive, side, lots: units, priceMicroGutta, ...terms})
      return String(result.order)
    },
    orders: async (name) => ((await read(`/v1/accounts/${name}/orders?limit=1000`)) as unknown as {readonly orders: []}).orders,
    stop: async () => {
      await browser.close()
      await front.close()
      await stopFunctions()
      await world.close()
    }
  }
}
