import {createClient} from '../client/client.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {GUTTA} from '../core/protocol/api.ts'
import {GUTTA_DECIMALS} from '../core/units.ts'
import {loadSettings, type MinerSettings, termsOf} from '../miner/settings.ts'
import {shownTerms} from '../miner/shown-terms.ts'
import {readStatus} from '../miner/status-file.ts'
import {type NetworkFacts, reportStatus, type StatusReport} from '../miner/status-report.ts'

const ASK_TIMEOUT_MS = 5000

/**
 * What a node is doing and has earned, from its folder and, when it answers, from the coordinator.
 * @throws {CreoError} `not_found` when no miner was ever started with this folder.
 */
export async function minerStatus(directory: string, nowMs: number, signal: AbortSignal): Promise<StatusReport> {
  const [settings, status] = [await loadSettings(directory), await readStatus(directory)]
  if (settings === undefined || status === undefined) {
    const what = settings === undefined ? 'No miner was started with' : 'The miner has left no status that can be read in'
    throw new CreoError('not_found', `${what} the folder ${directory}.`, {hint: 'creo mine start'})
  }
  const facts = await askNetwork(settings, status.node, AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]))
  signal.throwIfAborted()
  return reportStatus(status, facts, shownTerms(termsOf(settings)), nowMs)
}

async function askNetwork(settings: MinerSettings, node: string, signal: AbortSignal): Promise<NetworkFacts | undefined> {
  const {coordinatorUrl, networkId} = settings
  const client = createClient({coordinatorUrl, networkId, coordinatorKey: settings.coordinatorKey ?? '', now: Date.now, signal})
  try {
    const {owner, reputation} = await client.node(node)
    const [{balances}, {incentives}] = await Promise.all([client.balances(owner), client.incentives()])
    const decimals = new Map(incentives.map((incentive) => [incentive.id, incentive.decimals]))
    const available = balances
      .filter(({kind, amountMinor}) => kind === 'available' && amountMinor > 0)
      .map(({asset, amountMinor}) => ({asset, amountMinor, decimals: asset === GUTTA ? GUTTA_DECIMALS : (decimals.get(asset) ?? 0)}))
    return {owner, decimals, available, reputation: reputation ?? null}
  } catch (error) {
    if (isCreoError(error)) return undefined
    throw error
  } finally {
    await client.close()
  }
}
