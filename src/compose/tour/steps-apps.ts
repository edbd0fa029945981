import {join} from 'node:path'
import {z} from 'zod'
import {appViewSchema, bookViewSchema, leaseViewSchema} from '../../core/protocol/api.ts'
import {ask} from '../ask.ts'
import {listeningPorts} from './listening-ports.ts'
import {askForPrimes} from './load.ts'
import {mustHold} from './must-hold.ts'
import {LEAF, MINERS, ORGS} from './steps-network.ts'
import type {TourStep, TourWorld} from './tour.ts'

const deployAnswerSchema = z.looseObject({
  revisions: z.array(z.looseObject({function: z.string(), revision: z.string(), imageDigest: z.string()})),
  addresses: z.array(z.string())
})
export const WARM_REQUESTS = 10

/** The address of an app by path, which needs no name resolution. */
export function appUrl(world: TourWorld, app: string, org: string): string {
  return `${world.network.gatewayUrl}/@${app}--${org}`
}

export function shopUrl(world: TourWorld): string {
  return appUrl(world, 'shop', ORGS.shop)
}

export function exchangeUrl(world: TourWorld): string {
  return appUrl(world, 'exchange', ORGS.exchange)
}

/** LEAF's order book as the exchange's page reads it. */
export function bookUrl(world: TourWorld): string {
  return `${exchangeUrl(world)}/quotes/v1/markets/${LEAF}/book`
}

function nodeOf(world: TourWorld, miner: string): string {
  return z.looseObject({node: z.string()}).parse(world.network.role(miner).ready).node
}

/** Deploys a folder and checks that the coordinator has just these images as the app's current revisions. */
async function deploy(
  world: TourWorld,
  folder: string,
  app: {readonly org: string; readonly app: string}
): Promise<z.output<typeof deployAnswerSchema>> {
  const answer = await world.creo(['deploy', join(world.root, folder), '--as', app.org], deployAnswerSchema)
  const view = await world.read(`/v1/apps/${app.org}/${app.app}`, appViewSchema)
  const current = view.revisions.filter((revision) => revision.current).map((revision) => revision.imageDigest)
  mustHold(
    answer.revisions.every((revision) => current.includes(revision.imageDigest)),
    `the current revisions of ${app.app} are the images just built`
  )
  for (const address of answer.addresses) world.found(`answers at ${address}`)
  return answer
}

export const appSteps: readonly TourStep[] = [
  {
    id: 'deploy_exchange',
    title: 'creometry deploys the exchange: build, push, lease, first answer',
    run: (world) => deploy(world, 'apps/exchange', {org: ORGS.exchange, app: 'exchange'})
  },
  {
    id: 'deploy_shop',
    title: 'colibris deploys its shop: a site at / and an API at /api',
    run: (world) => deploy(world, 'examples/colibris', {org: ORGS.shop, app: 'shop'})
  },
  {
    id: 'leases',
    title: 'Each miner holds the leases of what its owner selected, and no other',
    run: async (world) => {
      const facts: Record<string, unknown> = {}
      for (const [miner, org] of [
        [MINERS.leaf, ORGS.shop],
        [MINERS.gutta, ORGS.exchange]
      ] as const) {
        const {leases} = await world.read(
          `/v1/leases?node=${nodeOf(world, miner)}&status=active`,
          z.object({leases: z.array(leaseViewSchema)})
        )
        const revisions = await orgRevisions(world, org)
        mustHold(leases.length > 0, `${miner} holds a lease`)
        mustHold(
          leases.every((lease) => revisions.has(lease.revision)),
          `${miner} holds leases of ${org} alone`
        )
        world.found(`${miner}: ${leases.length} of ${org}`)
        facts[miner] = leases.map((lease) => ({lease: lease.id, revision: lease.revision, function: revisions.get(lease.revision)}))
      }
      return facts
    }
  },
  {
    id: 'requests',
    title: 'Addresses answer what the containers computed',
    run: async (world) => {
      const site = await ask(`${shopUrl(world)}/`, {signal: world.signal})
      mustHold(site.status === 200 && site.text.includes('<html'), 'the site answers a page')
      const load = await askForPrimes(shopUrl(world), {count: WARM_REQUESTS, signal: world.signal})
      mustHold(load.answered === WARM_REQUESTS, `every prime is right: ${load.failures.join('; ')}`)
      const page = await ask(`${exchangeUrl(world)}/`, {signal: world.signal})
      mustHold(page.status === 200 && page.text.includes('<html'), 'the exchange answers its page')
      const book = await ask(bookUrl(world), {signal: world.signal})
      mustHold(
        book.status === 200 && bookViewSchema.parse(JSON.parse(book.text)).incentive === LEAF,
        'the exchange serves the order book from the public API'
      )
      world.found(`curl ${shopUrl(world)}/api/prime?n=100`)
      world.found(`curl ${bookUrl(world)}`)
      world.found(`in a browser: ${exchangeUrl(world)}/`)
      return {site: shopUrl(world), exchange: exchangeUrl(world), primesChecked: load.answered}
    }
  },
  {
    id: 'no_open_ports',
    title: 'No miner listens on any port',
    run: async (world) => {
      const ports = await Promise.all(Object.values(MINERS).map((miner) => listeningPorts(world.network.role(miner).pid)))
      mustHold(ports.flat().length === 0, `no miner listens, but port ${ports.flat().join()} is open`)
      const control = await listeningPorts(world.network.role('coordinator').pid)
      mustHold(control.length > 0, 'the same look at the coordinator finds its port')
      return {miners: Object.values(MINERS), listening: 0, coordinatorListening: control}
    }
  }
]

/** Current revisions of an org by id, each with the function it runs. */
export async function orgRevisions(world: TourWorld, org: string): Promise<ReadonlyMap<string, string>> {
  const {apps} = await world.read(`/v1/apps?org=${org}`, z.object({apps: z.array(appViewSchema)}))
  return new Map(apps.flatMap((app) => app.revisions.map((revision) => [revision.id, revision.function] as const)))
}
