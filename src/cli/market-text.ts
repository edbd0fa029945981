import {styleText} from 'node:util'
import type {ShownBest, ShownBook, ShownPhase, ShownTicker, ShownTrade} from '../developer/markets.ts'

/** Eighths of a cell, as the block elements of Unicode have them: U+2581 to U+2588. */
const HEIGHTS = [...'▁▂▃▄▅▆▇█']
const BAR_MAX = 24
const SPACE = 2

/** "0.52 Gutta, +4 % in 24 hours: 12 trades, 30 for 15.6 Gutta, 0.5 to 0.53". */
export function tickerText({last, day}: ShownTicker): string {
  if (last === null) return 'Nothing was traded yet.'
  if (day === null) return `${last} Gutta; nothing was traded within 24 hours.`
  const {trades, amount, gutta, low, high} = day
  const traded = `${trades} ${trades === 1 ? 'trade' : 'trades'}, ${amount} for ${gutta} Gutta, ${low === high ? `at ${low}` : `${low} to ${high}`}`
  return `${last} Gutta, ${changeText(day.changePercent)} in 24 hours: ${traded}`
}

/** "In its opening auction until 12:30:00 UTC: …"; `undefined` where orders trade as they come. */
export function auctionText({phase, auctionEnds}: ShownPhase): string | undefined {
  if (phase === 'continuous' || auctionEnds === null) return undefined
  const which = phase === 'opening' ? 'In its opening auction' : 'In an auction'
  return `${which} until ${auctionEnds.slice(0, 10)} ${auctionEnds.slice(11, 19)} UTC: orders gather, and then trade at one price.`
}

/** "If it ended now: 30 at 0.5; 4 more wanted at that price."; `undefined` outside an auction, and where more crosses than is known. */
export function indicativeText({phase, indicative, bids, asks}: Omit<ShownBook, keyof ShownTicker> & ShownPhase): string | undefined {
  if (phase === 'continuous') return undefined
  if (indicative === null) {
    const crosses = Number(bids[0]?.price ?? 0) >= Number(asks[0]?.price ?? Number.POSITIVE_INFINITY)
    return crosses ? undefined : 'If it ended now, nothing would trade.'
  }
  const {price, amount, left, leftSide} = indicative
  const rest = leftSide === null ? '' : `; ${left} more ${leftSide === 'buy' ? 'wanted' : 'for sale'} at that price`
  return `If it ended now: ${amount} at ${price}${rest}.`
}

/** Asks above bids, best prices in the middle; each bar is how much one gets down to that price, as far as the width has room. */
export function depthText(
  {bids, asks}: Pick<ShownBook, 'bids' | 'asks'>,
  {width, levels}: {readonly width: number; readonly levels: number}
): string {
  const sides = [
    {rows: asks.slice(0, levels), name: 'sell', color: 'red'},
    {rows: bids.slice(0, levels), name: 'buy', color: 'green'}
  ] as const
  const all = sides.flatMap(({rows}) => rows)
  const [priceWidth, amountWidth] = [widest(all.map(({price}) => price)), widest(all.map(({amount}) => amount))]
  const most = Math.max(...sides.map(({rows}) => rows.reduce((sum, {amount}) => sum + Number(amount), 0)))
  const room = Math.max(1, Math.min(BAR_MAX, width - priceWidth - amountWidth - 4 - 3 * SPACE))
  const lines = sides.map(({rows, name, color}) => {
    let reached = 0
    return rows.map(({price, amount}) => {
      reached += Number(amount)
      const bar = '█'.repeat(Math.max(1, Math.round((reached / most) * room)))
      return `${name.padEnd(4)}  ${price.padStart(priceWidth)}  ${amount.padStart(amountWidth)}  ${styleText(color, bar, {stream: process.stdout})}`
    })
  })
  return [...(lines[0] ?? []).reverse(), ...(lines[1] ?? [])].join('\n')
}

/** "10 wanted at 0.49, 4 for sale at 0.51": what is offered at best. */
export function bestText({bid, ask}: ShownBest): string {
  const wanted = bid === null ? 'nobody buys' : `${bid.amount} wanted at ${bid.price}`
  return `${wanted}, ${ask === null ? 'nobody sells' : `${ask.amount} for sale at ${ask.price}`}`
}

export function tradeText({at, price, amount, side}: ShownTrade): string {
  return `${at.slice(11, 19)}  ${side === 'buy' ? 'bought' : 'sold  '}  ${amount} at ${price}`
}

/** The last prices as a line of bars, oldest first. */
export function sparkline(prices: readonly number[]): string {
  const [low, high] = [Math.min(...prices), Math.max(...prices)]
  const step = (price: number): number => (high === low ? 0 : Math.round(((price - low) / (high - low)) * (HEIGHTS.length - 1)))
  return prices.map((price) => HEIGHTS[step(price)]).join('')
}

function changeText(percent: number): string {
  return `${percent > 0 ? '+' : ''}${percent} %`
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length))
}
