import {z} from 'zod'
import type {Client} from '../client/client.ts'
import {CreoError} from '../core/errors.ts'
import type {AppView, LeaseView} from '../core/protocol/api.ts'
import {formatDecimal} from '../core/units.ts'
import {NO_GATEWAY_HINT} from './addresses.ts'
import {type AppName, noFunction} from './app-name.ts'
import type {AccountContext, Context} from './context.ts'

export interface ListedApp {
  readonly app: string
  readonly functions: readonly string[]
  readonly addresses: readonly string[]
  /** When its newest revision that serves was made. */
  readonly deployedAt: string | null
}

export interface Destroyed {
  readonly app: string
  readonly status: 'destroyed' | 'already_destroyed'
  readonly seq: number
  /** Budgets of its leases that nobody has earned: they go back to the pools once their last receipts are paid. */
  readonly returning: readonly {readonly incentive: string; readonly amount: string}[]
}

const destroyedSchema = z.object({status: z.enum(['destroyed', 'already_destroyed'])})

/** The apps that are there, of one org or of all. Those that were destroyed are not. */
export async function listApps({client}: Context, org: string | undefined, signal: AbortSignal): Promise<readonly ListedApp[]> {
  const {apps} = await client.apps(org === undefined ? {} : {org}, signal)
  return apps
    .filter(({routes}) => routes.length > 0)
    .map(({org: owner, app, revisions, addresses}) => {
      const deployedAtMs = Math.max(0, ...revisions.map((revision) => revision.deployedAtMs))
      return {
        app: `${owner}/${app}`,
        functions: [...new Set(revisions.map((revision) => revision.function))].sort(),
        addresses,
        deployedAt: deployedAtMs === 0 ? null : new Date(deployedAtMs).toISOString()
      }
    })
}

/** @throws {CreoError} `not_found` when the app was destroyed: what is left of it has no routes. */
export function refuseDestroyed({org, app}: AppName, {routes}: Pick<AppView, 'routes'>): void {
  if (routes.length === 0) throw new CreoError('not_found', `${org}/${app} was destroyed.`, {hint: 'creo deploy'})
}

/** The same for whoever found nothing of an app and has to say why. */
export async function assertNotDestroyed(client: Pick<Client, 'app'>, name: AppName, signal: AbortSignal): Promise<void> {
  refuseDestroyed(name, await client.app(name.org, name.app, signal))
}

/** @throws {CreoError} `not_found` for a function that the app has not, with the one that was probably meant. */
export async function assertFunction({client}: Pick<Context, 'client'>, name: AppName, only: string, signal: AbortSignal): Promise<void> {
  const {revisions} = await client.app(name.org, name.app, signal)
  const known = [...new Set(revisions.map((revision) => revision.function))]
  if (!known.includes(only)) throw noFunction(name, only, known)
}

/** Where an app answers. @throws {CreoError} `not_found` when it was destroyed; `unavailable` without a gateway. */
export async function addressOfApp({client}: Context, name: AppName, signal: AbortSignal): Promise<string> {
  const {addresses, routes} = await client.app(name.org, name.app, signal)
  refuseDestroyed(name, {routes})
  const [address] = addresses
  if (address === undefined) throw new CreoError('unavailable', 'The network has no gateway yet.', {hint: NO_GATEWAY_HINT})
  return address
}

/** Takes an app away for good. @throws {CreoError} `usage` when the confirmation is not its name. */
export async function destroyApp(
  {client}: AccountContext,
  {org, app}: AppName,
  confirmed: string | undefined,
  signal: AbortSignal
): Promise<Destroyed> {
  if (confirmed !== app && confirmed !== `${org}/${app}`) {
    throw new CreoError('usage', `${org}/${app} would be gone for good: its address, its tags, and every revision to go back to.`, {
      hint: `creo destroy ${org}/${app} --confirm=${app}`
    })
  }
  const {revisions} = await client.app(org, app, signal)
  const leases = await Promise.all(revisions.map(({id}) => client.leases({revision: id, status: 'active'}, signal)))
  const {incentives} = await client.incentives(signal)
  const {seq, result} = await client.submit({type: 'app.destroy', app}, {signal})
  const {status} = destroyedSchema.parse(result)
  const decimalsOf = (id: string): number => incentives.find((one) => one.id === id)?.decimals ?? 0
  const open = unearned(leases.flatMap((of) => of.leases))
  const returning = [...open].map(([incentive, minor]) => ({incentive, amount: formatDecimal(minor, decimalsOf(incentive))}))
  return {app: `${org}/${app}`, status, seq, returning}
}

/** By incentive, in minor units. */
function unearned(leases: readonly LeaseView[]): ReadonlyMap<string, number> {
  const left = new Map<string, number>()
  for (const {incentive, reservedMinor, paidMinor} of leases.flatMap(({budgets}) => budgets))
    left.set(incentive, (left.get(incentive) ?? 0) + reservedMinor - paidMinor)
  return left
}
