import type {BookView, IncentiveView, TradeView} from '../../../src/core/protocol/api.ts'
import {formatClock, formatLots, formatPrice} from '../format.ts'
import {useWords} from '../words.ts'

const LEVELS_SHOWN = 10

interface Level {
  readonly priceMicroGutta: number
  readonly lots: number
}

/** Both sides, best prices in the middle; a bar says how much there is up to a price. A price that is pressed goes into the ticket. */
export function Book({
  book,
  incentive,
  onPick
}: {
  readonly book: BookView
  readonly incentive: IncentiveView
  readonly onPick: (priceMicroGutta: number) => void
}) {
  const {t, language} = useWords()
  const [asks, bids] = [book.asks.slice(0, LEVELS_SHOWN), book.bids.slice(0, LEVELS_SHOWN)]
  const most = Math.max(1, sumOf(asks), sumOf(bids))
  const [bestAsk, bestBid] = [asks[0], bids[0]]
  const side = (levels: readonly Level[], kind: 'ask' | 'bid') =>
    levels.map((level, place) => ({level, upTo: sumOf(levels.slice(0, place + 1)) / most, kind}))
  return (
    <table class="book">
      <caption class="unseen">{t('book.title')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('book.side')}</th>
          <th scope="col" class="number">
            {t('unit.each')}
          </th>
          <th scope="col" class="number">
            {t('book.amount')}
          </th>
        </tr>
      </thead>
      <tbody>
        {asks.length === 0 && <Nobody words={t('book.noAsks')} />}
        {side(asks, 'ask')
          .reverse()
          .map((row) => (
            <Row key={`a${row.level.priceMicroGutta}`} {...row} incentive={incentive} onPick={onPick} />
          ))}
        {bestAsk !== undefined && bestBid !== undefined && bestAsk.priceMicroGutta > bestBid.priceMicroGutta && (
          <tr class="spread">
            <td colSpan={3}>
              {t('book.spread', {gutta: formatPrice(bestAsk.priceMicroGutta - bestBid.priceMicroGutta, incentive, language)})}
            </td>
          </tr>
        )}
        {side(bids, 'bid').map((row) => (
          <Row key={`b${row.level.priceMicroGutta}`} {...row} incentive={incentive} onPick={onPick} />
        ))}
        {bids.length === 0 && <Nobody words={t('book.noBids')} />}
      </tbody>
    </table>
  )
}

function Row({
  level,
  upTo,
  kind,
  incentive,
  onPick
}: {
  readonly level: Level
  readonly upTo: number
  readonly kind: 'ask' | 'bid'
  readonly incentive: IncentiveView
  readonly onPick: (priceMicroGutta: number) => void
}) {
  const {t, language} = useWords()
  const price = formatPrice(level.priceMicroGutta, incentive, language)
  return (
    <tr class={kind} style={{'--depth': `${Math.round(upTo * 100)}%`}}>
      <td>{t(`book.${kind}`)}</td>
      <td class="number">
        <button type="button" class="level" onClick={() => onPick(level.priceMicroGutta)} aria-label={t('book.take', {price})}>
          {price}
        </button>
      </td>
      <td class="number">{formatLots(level.lots, incentive, language)}</td>
    </tr>
  )
}

function Nobody({words}: {readonly words: string}) {
  return (
    <tr>
      <td colSpan={3} class="faint">
        {words}
      </td>
    </tr>
  )
}

function sumOf(levels: readonly Level[]): number {
  return levels.reduce((sum, {lots}) => sum + lots, 0)
}

export function Trades({trades, incentive}: {readonly trades: readonly TradeView[]; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  if (trades.length === 0) return <p class="faint">{t('trades.none')}</p>
  return (
    <table>
      <caption class="unseen">{t('trades.title')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('trades.time')}</th>
          <th scope="col" class="number">
            {t('unit.each')}
          </th>
          <th scope="col" class="number">
            {t('book.amount')}
          </th>
        </tr>
      </thead>
      <tbody>
        {trades.map((trade) => (
          <tr key={`${trade.seq}.${trade.index}`}>
            <td>
              <time dateTime={new Date(trade.atMs).toISOString()}>{formatClock(trade.atMs, language)}</time>
            </td>
            <td class={`number change-${trade.takerSide === 'buy' ? 'up' : 'down'}`}>
              <span class="unseen">{t(trade.takerSide === 'buy' ? 'trades.bought' : 'trades.sold')} </span>
              {formatPrice(trade.priceMicroGutta, incentive, language)}
            </td>
            <td class="number">{formatLots(trade.lots, incentive, language)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
