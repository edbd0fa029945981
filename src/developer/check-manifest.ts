import {isCreoError} from '../core/errors.ts'
import {type ManifestFunction, toRevisionSpec} from '../core/manifest.ts'
import {nearestOf} from '../core/nearest.ts'
import type {IncentiveView} from '../core/protocol/api.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {parseDecimal} from '../core/units.ts'
import type {AccountContext} from './context.ts'
import type {FoundManifest} from './read-manifest.ts'
import {withSecrets} from './secrets.ts'

type Reward = ManifestFunction['rewards'][number]

/**
 * Everything about a manifest that only the network knows to be wrong, before anything is built; by function, what a revision of it would be.
 * @throws {CreoError} `forbidden` for another org's incentive, or one whose scope is another function; `not_found` for what the network
 * does not know.
 */
export async function checkManifest(
  {account, client}: AccountContext,
  found: FoundManifest,
  signal: AbortSignal
): Promise<ReadonlyMap<string, RevisionSpec>> {
  const {incentives} = await client.incentives(signal)
  checkRewards(found, account.id, incentives)
  const owners = await ownersOf(found, async (name) => (await client.account(name, signal)).id)
  const decimalsOf = (id: string): number => incentives.find((one) => one.id === id)?.decimals ?? 0
  const ownerIdOf = (name: string): string => owners.get(name) ?? name
  const specs = new Map(Object.entries(found.manifest.functions).map(([name, fn]) => [name, toRevisionSpec(fn, decimalsOf, ownerIdOf)]))
  return await withSecrets(client, found, specs, signal)
}

/** Each reward line pays in an incentive of the org whose scope covers the function. */
function checkRewards(found: FoundManifest, account: string, incentives: readonly IncentiveView[]): void {
  const {manifest, problem} = found
  for (const [name, {rewards}] of Object.entries(manifest.functions)) {
    for (const [index, reward] of rewards.entries()) {
      const id = reward.incentive
      const at = ['functions', name, 'rewards', index, 'incentive']
      const incentive = incentives.find((one) => one.id === id)
      if (incentive === undefined) throw problem(at, 'not_found', `There is no incentive ${id}.`, hintFor(id, incentives))
      if (incentive.org !== account)
        throw problem(at, 'forbidden', `${name} would pay in ${id}, which another org issues.`, 'Pay in an incentive of your own.')
      const {scope} = incentive
      if (scope !== null && (scope.app !== manifest.app || scope.function !== name)) {
        const what = `${id} is for ${scope.app}/${scope.function} alone, not for ${manifest.app}/${name}.`
        throw problem(at, 'forbidden', what, 'Name an incentive for all of your functions: creo incentive list')
      }
      checkAmounts(found, ['functions', name, 'rewards', index], reward, incentive.decimals)
    }
  }
}

/** No amount is finer than its incentive, or more than can be counted. */
function checkAmounts(
  {problem}: FoundManifest,
  at: readonly (string | number)[],
  {perMillion, dailyBudget}: Reward,
  decimals: number
): void {
  const rates = Object.entries(perMillion).map(([rate, text]) => [['perMillion', rate], text] as const)
  for (const [key, text] of [...rates, [['dailyBudget'], dailyBudget] as const]) {
    try {
      parseDecimal(text, decimals)
    } catch (error) {
      if (!isCreoError(error)) throw error
      throw problem([...at, ...key], error.code, error.message, error.hint ?? 'Choose another amount.')
    }
  }
}

function hintFor(id: string, incentives: readonly IncentiveView[]): string {
  const nearest = nearestOf(
    id,
    incentives.map((incentive) => incentive.id)
  )
  return nearest === undefined ? 'creo incentive list' : `Did you mean ${nearest}?`
}

/** The ids of the accounts that the functions are kept for, by name. */
async function ownersOf({manifest, problem}: FoundManifest, idOf: (name: string) => Promise<string>): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>()
  for (const [fn, {owners = []}] of Object.entries(manifest.functions)) {
    for (const [index, name] of owners.entries()) {
      if (ids.has(name)) continue
      try {
        ids.set(name, await idOf(name))
      } catch (error) {
        if (!isCreoError(error) || error.code !== 'not_found') throw error
        throw problem(
          ['functions', fn, 'owners', index],
          'not_found',
          `There is no account ${name}.`,
          'Name accounts of this network, or take it out.'
        )
      }
    }
  }
  return ids
}
