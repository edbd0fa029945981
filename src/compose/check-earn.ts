import {createClient} from '../client/client.ts'
import {joinNetwork} from '../client/join.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {meantOr} from '../core/nearest.ts'
import {GUTTA} from '../core/protocol/api.ts'
import {loadSettings} from '../miner/settings.ts'

/** A coordinator that does not answer within this is taken for away. */
const CHECK_MAX_MS = 10_000

/**
 * Looks whether the network of a node has what it is to earn: a mistyped name would earn nothing and say nothing.
 * @returns why it could not be looked up, undefined when all is there.
 * @throws {CreoError} `not_found` for the first that is not there, with the nearest that is.
 */
export async function checkEarn(directory: string, earn: readonly string[], signal: AbortSignal): Promise<Error | undefined> {
  const settings = await loadSettings(directory)
  if (settings === undefined) return undefined
  const known = await earnable(settings, AbortSignal.any([signal, AbortSignal.timeout(CHECK_MAX_MS)])).catch((error: unknown) => {
    if (isCreoError(error) && !signal.aborted) return error
    throw error
  })
  if (known instanceof Error) return known
  const unknown = earn.find((name) => !known.has(name))
  if (unknown === undefined) return undefined
  throw new CreoError('not_found', `The network has nothing called ${unknown} to earn.`, {
    hint: meantOr(unknown, [...known], 'See what there is: creo mine offers')
  })
}

async function earnable(
  settings: {readonly coordinatorUrl: string; readonly networkId: string},
  signal: AbortSignal
): Promise<Set<string>> {
  const {coordinatorUrl, networkId} = settings
  const {coordinatorKey} = await joinNetwork({coordinatorUrl, networkId, signal})
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, signal})
  try {
    const {incentives} = await client.incentives(signal)
    return new Set([GUTTA, ...incentives.flatMap(({id}) => [id, `org:${id.split('/')[0]}`])])
  } finally {
    await client.close()
  }
}
