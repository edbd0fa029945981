import {createClient} from '../client/client.ts'
import {joinNetwork} from '../client/join.ts'
import {readCurrentContext} from '../config/user-settings.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {defaultTerms} from '../miner/host-defaults.ts'
import {type MiningOffers, miningOffers} from '../miner/mining-offers.ts'
import {type GivenSettings, loadSettings} from '../miner/settings.ts'

/** What was said, with the network that this user chose where neither the flags nor an earlier start name one. */
export async function withJoinedNetwork(directory: string, given: GivenSettings): Promise<GivenSettings> {
  if (given.coordinatorUrl !== undefined || given.networkId !== undefined) return given
  if ((await loadSettings(directory)) !== undefined) return given
  const joined = await readCurrentContext(process.env)
  return joined === undefined ? given : {...given, coordinatorUrl: joined.coordinatorUrl, networkId: joined.networkId}
}

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
