import {createClient} from '../client/client.ts'
import {joinNetwork} from '../client/join.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {defaultTerms} from '../miner/host-defaults.ts'
import {type MiningOffers, miningOffers} from '../miner/mining-offers.ts'
import {type GivenSettings, loadSettings} from '../miner/settings.ts'

/**
 * What a machine that never said what to earn could earn in the network it is about to join; undefined when it has said so, or not yet in which
 * network.
 */
export async function offersBeforeStart(directory: string, given: GivenSettings, signal: AbortSignal): Promise<MiningOffers | undefined> {
  const {coordinatorUrl, networkId} = given
  if (given.earn !== undefined || coordinatorUrl === undefined || networkId === undefined) return undefined
  if ((await loadSettings(directory)) !== undefined) return undefined
  const {coordinatorKey} = await joinNetwork({coordinatorUrl, networkId, signal})
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, signal})
  try {
    const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const terms: OwnerTerms = {...defaultTerms(), ...said}
    return await miningOffers({client, terms, node: undefined, nowMs: Date.now()}, signal)
  } finally {
    await client.close()
  }
}
