import type {z} from 'zod'
import type {CandleSpan} from '../../core/candle-spans.ts'
import type {Effect} from '../../core/exchange/outcome.ts'
import {type EVENT_SCHEMAS, EVENT_TOPICS, type EventTopic} from '../../core/protocol/events.ts'
import type {CommittedCommand, LedgerReads, RecentGroup} from '../../ledger/port.ts'
import type {LastingReads} from '../lasting-reads.ts'
import {eventText} from './event-text.ts'
import {type MarketTopic, marketEvents} from './market-events.ts'

/** One event as it is sent, and what watchers choose it by. */
export interface ToldEvent {
  readonly topic: EventTopic
  /** Of the command that it tells of; undefined when it is in no ledger. */
  readonly seq?: number
  readonly incentive?: string
  readonly span?: CandleSpan
  readonly account?: string
  /** `org/app`. */
  readonly app?: string
  readonly node?: string
  /** Lines `event` and `data` of the stream. */
  readonly text: string
}

export interface TellingTools {
  readonly reads: LedgerReads
  readonly lasting: LastingReads
}

const TOLD: ReadonlySet<Effect['type']> = new Set([
  'trade',
  'market.phase',
  'order',
  'order.changed',
  'lease',
  'lease.ended',
  'app',
  'traffic',
  'app.destroyed',
  'node'
])

/** Whether a topic tells of this effect: all others need not be kept. */
export function isTold({type}: Effect): boolean {
  return TOLD.has(type)
}

/** What a group did, as far as one topic tells of it. */
export function eventsOf(topic: EventTopic, group: RecentGroup, tools: TellingTools): ToldEvent[] {
  if (topic === 'groups') return [groupEvent(group)]
  if (topic === 'books' || topic === 'candles' || topic === 'tickers') return marketEvents(topic, group, tools)
  return group.commands.flatMap((command) => commandEvents(topic, command, tools))
}

function groupEvent({firstSeq, lastSeq, commands}: RecentGroup): ToldEvent {
  const text = eventText('group', {firstSeq, lastSeq, atMs: commands[0]?.atMs ?? 0})
  return {topic: 'groups', seq: lastSeq, text}
}

function commandEvents(topic: Exclude<EventTopic, 'groups' | MarketTopic>, command: CommittedCommand, tools: TellingTools): ToldEvent[] {
  switch (topic) {
    case 'trades':
      return command.effects.flatMap((effect) => (effect.type === 'trade' ? tradeEvent(effect, command) : []))
    case 'phases':
      return command.effects.flatMap((effect) => (effect.type === 'market.phase' ? phaseEvent(effect, command) : []))
    case 'orders':
      return idsOf(command, ['order', 'order.changed']).flatMap((id) => orderEvent(id, command, tools))
    case 'leases':
      return idsOf(command, ['lease', 'lease.ended']).flatMap((id) => leaseEvent(id, command, tools))
    case 'apps':
      return command.effects.flatMap((effect) => appEvent(effect, command))
    case 'nodes':
      return command.effects.flatMap((effect) =>
        effect.type === 'node' ? nodeEvent({node: effect.id, state: 'enrolled', instances: 0}, command.seq) : []
      )
    case 'instances':
      return []
  }
}

type Named = Extract<Effect, {type: 'order' | 'order.changed' | 'lease' | 'lease.ended'}>

function idsOf({effects}: CommittedCommand, types: readonly Named['type'][]): string[] {
  const named = effects.filter((effect): effect is Named => types.some((type) => type === effect.type))
  return [...new Set(named.map(({id}) => id))]
}

function tradeEvent(effect: Extract<Effect, {type: 'trade'}>, {seq, atMs}: CommittedCommand): ToldEvent {
  const {index, incentive, priceMicroGutta, lots, takerSide} = effect
  return {topic: 'trades', seq, incentive, text: eventText('trade', {seq, index, incentive, priceMicroGutta, lots, takerSide, atMs})}
}

function phaseEvent({incentive, phase, endsAtMs}: Extract<Effect, {type: 'market.phase'}>, {seq}: CommittedCommand): ToldEvent {
  const auction = phase === 'continuous' || endsAtMs === null ? {} : {auction: {kind: phase, endsAtMs}}
  return {topic: 'phases', seq, incentive, text: eventText('phase', {incentive, ...auction})}
}

function orderEvent(id: string, {seq}: CommittedCommand, {reads}: TellingTools): ToldEvent[] {
  const order = reads.order(id)
  if (order === undefined) return []
  return [{topic: 'orders', seq, incentive: order.incentive, account: order.account, text: eventText('order', order)}]
}

function leaseEvent(id: string, {seq}: CommittedCommand, {reads, lasting}: TellingTools): ToldEvent[] {
  const lease = reads.lease(id)
  const revision = lease && lasting.revision(lease.revision)
  if (lease === undefined || revision === undefined) return []
  const {budgets: _, ...rest} = lease
  const {org, app, function: name} = revision
  return [{topic: 'leases', seq, app: `${org}/${app}`, node: lease.node, text: eventText('lease', {...rest, org, app, function: name})}]
}

const CHANGES = {app: 'deployed', traffic: 'traffic', 'app.destroyed': 'destroyed'} as const

function appEvent(effect: Effect, {seq}: CommittedCommand): ToldEvent[] {
  if (effect.type !== 'app' && effect.type !== 'traffic' && effect.type !== 'app.destroyed') return []
  const {org, app} = effect
  const revisions = revisionsOf(effect)
  return [{topic: 'apps', seq, app: `${org}/${app}`, text: eventText('app', {org, app, change: CHANGES[effect.type], revisions})}]
}

function revisionsOf(effect: Extract<Effect, {type: 'app' | 'traffic' | 'app.destroyed'}>): string[] {
  if (effect.type === 'app') return effect.revisions.map(({id}) => id)
  return effect.type === 'traffic' ? effect.traffic.map(({revision}) => revision) : []
}

/** `seq` only where the ledger has it. */
export function nodeEvent(data: z.output<(typeof EVENT_SCHEMAS)['node']>, seq?: number): ToldEvent {
  return {topic: 'nodes', ...(seq !== undefined && {seq}), node: data.node, text: eventText(EVENT_TOPICS.nodes, data)}
}

export function instanceEvent(data: z.output<(typeof EVENT_SCHEMAS)['instance']>): ToldEvent {
  return {topic: 'instances', app: `${data.org}/${data.app}`, node: data.node, text: eventText(EVENT_TOPICS.instances, data)}
}
