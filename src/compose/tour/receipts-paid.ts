import {z} from 'zod'
import {ask} from '../ask.ts'
import {eventually, mustHold} from './must-hold.ts'
import {orgRevisions} from './steps-apps.ts'
import type {TourWorld} from './tour.ts'

const RECEIPTS_MAX = 1000
const receiptsSchema = z.object({receipts: z.array(z.looseObject({id: z.string(), requests: z.int()}))})
const gatewayStatusSchema = z.looseObject({revisions: z.array(z.looseObject({revision: z.string(), requests: z.int()}))})

/** Requests of one org: what the gateway answered from containers, and what the ledger has paid for. */
export interface ServedAndPaid {
  readonly served: number
  readonly paid: number
}

/**
 * Waits until the ledger has paid every request that the gateway served for the org, and those are at least as many as are known to
 * have been answered: counts that both fall short don't agree.
 * @throws {CreoError} `verification_failed` as soon as more were paid than were served.
 */
export async function everythingPaid(world: TourWorld, org: string, answeredMin = 0): Promise<ServedAndPaid> {
  const revisions = await orgRevisions(world, org)
  return await eventually(`the ledger has paid every request of ${org}`, world.signal, async () => {
    const paid = await paidRequests(world, revisions)
    const served = await servedRequests(world, revisions)
    mustHold(paid <= served, `no request is paid twice, but ${paid} were paid of ${served} served`)
    return paid === served && served >= answeredMin ? {served, paid} : undefined
  })
}

async function servedRequests(world: TourWorld, revisions: ReadonlyMap<string, string>): Promise<number> {
  const {text} = await ask(`${world.network.gatewayAdminUrl}/.creo/status`, {signal: world.signal})
  const status = gatewayStatusSchema.parse(JSON.parse(text))
  return sum(status.revisions.filter((entry) => revisions.has(entry.revision)).map((entry) => entry.requests))
}

async function paidRequests(world: TourWorld, revisions: ReadonlyMap<string, string>): Promise<number> {
  const {receipts} = await world.read(`/v1/receipts?limit=${RECEIPTS_MAX}`, receiptsSchema)
  mustHold(receipts.length < RECEIPTS_MAX, 'the receipts of the tour fit one answer')
  return sum(receipts.filter((receipt) => revisions.has(receipt.id.split('/')[2] ?? '')).map((receipt) => receipt.requests))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
