import type {Effect} from '../../core/exchange/outcome.ts'
import type {RedemptionView} from '../../core/protocol/api.ts'
import {type WebhookEventType, webhookEventSchema} from '../../core/protocol/webhooks.ts'
import type {CommittedCommand, LedgerReads} from '../../ledger/port.ts'
import type {NewDelivery} from './webhook-store.ts'

type Told = Extract<Effect, {readonly type: 'redemption' | 'redemption.ended'}>

/** What of a command an org may want to be told: nothing else of it is kept until it is. */
export interface ToldCommand extends Pick<CommittedCommand, 'seq' | 'atMs'> {
  readonly effects: readonly {readonly effect: Told /** Among the command's. */; readonly index: number}[]
}

/** Undefined for a command that no org is told of. */
export function toldOf({seq, atMs, effects}: CommittedCommand): ToldCommand | undefined {
  const told = effects.flatMap((effect, index) =>
    effect.type === 'redemption' || effect.type === 'redemption.ended' ? [{effect, index}] : []
  )
  return told.length === 0 ? undefined : {seq, atMs, effects: told}
}

/** One event a change of a redemption, for the org whose incentive it is; only of orgs that want it. */
export function eventsOf(
  {seq, atMs, effects}: ToldCommand,
  tools: {
    readonly reads: Pick<LedgerReads, 'redemption' | 'offer'>
    readonly network: string
    readonly timeoutMs: number
    readonly isWanted: (org: string) => boolean
  }
): NewDelivery[] {
  return effects.flatMap(({effect, index}) => {
    const redemption = tools.reads.redemption(effect.id)
    const [org = ''] = redemption?.incentive.split('/') ?? []
    if (redemption === undefined || !tools.isWanted(org)) return []
    const item = tools.reads.offer(redemption.offer)?.item ?? ''
    const type = typeOf(effect, {atMs, redemption, timeoutMs: tools.timeoutMs})
    const {id: of, offer, incentive, quantity, amountMinor, holder, requestedAtMs} = redemption
    const body = webhookEventSchema.encode({
      v: 1,
      id: `evt_${seq}_${index}`,
      network: tools.network,
      org,
      type,
      atMs,
      seq,
      redemption: {
        ...{id: of, offer, item, incentive, quantity, amountMinor, holder, requestedAtMs},
        ...(type === 'redemption.requested' && {timeoutAtMs: requestedAtMs + tools.timeoutMs}),
        ...(effect.type === 'redemption.ended' && effect.reason !== undefined && {reason: effect.reason})
      }
    })
    return [{id: body.id, seq, org, type, redemption: of, body: JSON.stringify(body), atMs}]
  })
}

/** Nobody releases by a reason of the clock's: what was given back without one when its time was over has expired. */
function typeOf(
  effect: Told,
  {atMs, redemption, timeoutMs}: {readonly atMs: number; readonly redemption: RedemptionView; readonly timeoutMs: number}
): WebhookEventType {
  if (effect.type === 'redemption') return 'redemption.requested'
  if (effect.status === 'captured') return 'redemption.captured'
  const isOver = effect.reason === undefined && atMs >= redemption.requestedAtMs + timeoutMs
  return isOver ? 'redemption.expired' : 'redemption.released'
}
