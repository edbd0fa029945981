import type {CommandBody, CommandOf} from '../../src/core/protocol/commands.ts'
import {World} from './world.ts'

const PLACE =
  /^(?<label>\w+) (?<side>buy|sell) (?<lots>\d+) @ (?<price>\d+) by (?<who>\w+)(?<market> market)?(?<post> post-only)?( (?<tif>IOC|FOK))?( until (?<until>\d+)s)?( own (?<own>cancel-oldest|cancel-both))?$/
const CANCEL = /^cancel (?<label>\w+) by (?<who>\w+)$/
const CANCEL_ALL = /^cancel all( (?<side>buy|sell)s)? by (?<who>\w+)$/
const REPLACE =
  /^replace (?<label>\w+) by (?<who>\w+)( (?<lots>\d+))?( @ (?<price>\d+))?(?<post> post-only)?( own (?<own>cancel-oldest|cancel-both))?$/
const AFTER = /^after (?<seconds>\d+)s$/
const LIMIT = /^limit (?<limit>\d+)( share (?<share>\d+))?$/

/** Of the orders that scripts have placed in a world. */
const LABELS = new WeakMap<World, Map<string, string>>()

/** A world with org `acme` whose incentive `acme/LEAF` trades in lots of 10, and traders with plenty of both. */
export function marketWorld(...options: ConstructorParameters<typeof World>): World {
  const world = new World(...options)
  for (const name of ['creometry', 'acme', 'ann', 'bob', 'cyd']) world.account(name)
  world.issue('acme', {supplyMinor: 1_000_000_000})
  for (const name of ['ann', 'bob', 'cyd']) {
    world.allot(name, 1_000_000_000)
    give(world, name, 100_000)
    advance(world)
  }
  return world
}

/** Ends all that is due, an opening auction among it. */
export function advance(world: World): void {
  while (world.must('coordinator', {type: 'time.advance'}).more === true);
}

/** Lets a trader have lots of the incentive by buying them from its org. */
function give(world: World, name: string, lots: number): void {
  const terms = {type: 'order.place', incentive: 'acme/LEAF', priceMicroGutta: 1, lots, kind: 'limit', timeInForce: 'GTC'} as const
  world.must('acme', {...terms, side: 'sell'})
  world.must(name, {...terms, side: 'buy'})
  world.nowMs += 100 * 24 * 3_600_000
}

/**
 * Runs a market written as lines: `s1 sell 5 @ 100 by ann`, with ` market`, ` post-only`, ` IOC`, ` FOK`, ` until 60s`; ` own cancel-oldest`; `cancel s1 by ann`, `cancel all by ann`,
 * `cancel all buys by ann`; `replace s1 by ann 3 @ 101`; `after 60s`; `limit 500`, `limit 500 share 250`. Answers what happened, one line each: `b1 buys 5 of s1 @ 100`, `b1 open 2`, `s1 expired 3: time`, `b1 rejected: CODE`.
 */
export function run(script: readonly string[], world: World = marketWorld()): string[] {
  const labels = LABELS.get(world) ?? new Map<string, string>()
  LABELS.set(world, labels)
  const startMs = world.nowMs
  return script.flatMap((text) => {
    const step = bodyOf(text, labels, startMs)
    if (step === undefined) {
      world.nowMs += Number(AFTER.exec(text)?.groups?.seconds) * 1000
      advance(world)
      return tell(world, labels)
    }
    world.effects.length = 0
    const answer = world.do(step.who, step.body)
    if (answer.status === 'rejected') return [`${step.label} rejected: ${answer.code}`]
    if (step.body.type === 'order.place') labels.set(String(answer.result.order), step.label)
    return tell(world, labels)
  })
}

function bodyOf(
  text: string,
  labels: ReadonlyMap<string, string>,
  startMs: number
): {label: string; who: string; body: CommandBody} | undefined {
  const place = PLACE.exec(text)?.groups
  if (place !== undefined) return {label: place.label ?? '', who: place.who ?? '', body: placing(place, startMs)}
  const all = CANCEL_ALL.exec(text)?.groups
  if (all !== undefined) {
    const side = all.side === 'buy' || all.side === 'sell' ? all.side : undefined
    return {label: 'cancel all', who: all.who ?? '', body: {type: 'orders.cancel', ...(side !== undefined && {side})}}
  }
  const cancel = CANCEL.exec(text)?.groups
  if (cancel !== undefined) {
    const order = [...labels].findLast(([, label]) => label === cancel.label)?.[0] ?? 'ord_0'
    return {label: `cancel ${cancel.label}`, who: cancel.who ?? '', body: {type: 'order.cancel', order}}
  }
  const replace = REPLACE.exec(text)?.groups
  if (replace !== undefined) {
    const order = [...labels].findLast(([, label]) => label === replace.label)?.[0] ?? 'ord_0'
    return {label: `replace ${replace.label}`, who: replace.who ?? '', body: {type: 'order.replace', order, ...replacing(replace)}}
  }
  const limit = LIMIT.exec(text)?.groups
  if (limit !== undefined) {
    const terms = {tradeVolumeLimitMicroGutta: Number(limit.limit), ...(limit.share && {ownerSharePermille: Number(limit.share)})}
    return {label: 'limit', who: 'acme', body: {type: 'incentive.limit', incentive: 'acme/LEAF', ...terms}}
  }
  if (!AFTER.test(text)) throw new Error(`Not a line of a market script: ${text}`)
  return undefined
}

function placing(place: Readonly<Record<string, string | undefined>>, startMs: number): CommandBody {
  return {
    type: 'order.place',
    incentive: 'acme/LEAF',
    side: place.side === 'buy' ? 'buy' : 'sell',
    priceMicroGutta: Number(place.price),
    lots: Number(place.lots),
    kind: place.market ? 'market' : place.post ? 'post-only' : 'limit',
    timeInForce: place.until ? 'GTT' : place.tif === 'IOC' || place.tif === 'FOK' ? place.tif : place.market ? 'IOC' : 'GTC',
    ...(place.until ? {expiresAtMs: startMs + Number(place.until) * 1000} : {}),
    ...(place.own === 'cancel-oldest' || place.own === 'cancel-both' ? {selfTrade: place.own} : {})
  }
}

function replacing({
  price,
  lots,
  post,
  own
}: Readonly<Record<string, string | undefined>>): Omit<CommandOf<'order.replace'>, 'type' | 'order'> {
  return {
    ...(price === undefined ? {} : {priceMicroGutta: Number(price)}),
    ...(lots === undefined ? {} : {lots: Number(lots)}),
    ...(post === undefined ? {} : {postOnly: true as const}),
    ...(own === 'cancel-oldest' || own === 'cancel-both' ? {selfTrade: own} : {})
  }
}

function tell(world: World, labels: ReadonlyMap<string, string>): string[] {
  const said = world.effects.flatMap((effect) => {
    if (effect.type === 'trade') {
      const verb = effect.takerSide === 'buy' ? 'buys' : 'sells'
      return [`${labels.get(effect.taker)} ${verb} ${effect.lots} of ${labels.get(effect.maker)} @ ${effect.priceMicroGutta}`]
    }
    if (effect.type !== 'order.changed') return []
    return [`${labels.get(effect.id)} ${effect.status} ${effect.remainingLots}${effect.reason === null ? '' : `: ${effect.reason}`}`]
  })
  world.effects.length = 0
  return said
}
