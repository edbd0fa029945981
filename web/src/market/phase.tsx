import {indicativeAuction} from '../../../src/core/exchange/auction-price.ts'
import {BOOK_LEVELS_MAX, type BookView, type IncentiveView} from '../../../src/core/protocol/api.ts'
import {tickerSchema} from '../../../src/core/protocol/market-data.ts'
import {useNow} from '../data/clock.ts'
import {useRead} from '../data/use-read.ts'
import {formatClock, formatLots, formatPrice, formatSpan} from '../format.ts'
import {useWords} from '../words.ts'

const SECOND_MS = 1000

/** How a market trades while it does not trade as orders come: why, until when, how long that still is, and what would come of it now. */
export function Phase({book, incentive}: {readonly book: BookView | undefined; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  const auction = book?.auction
  return (
    <div role="status">
      {auction && (
        <p class="warn phase">
          {t(`phase.${auction.kind}`, {time: formatClock(auction.endsAtMs, language)})} <Left untilMs={auction.endsAtMs} />
          <Now book={book} incentive={incentive} />
        </p>
      )}
    </div>
  )
}

function Now({book, incentive}: {readonly book: BookView; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  const ticker = useRead(`/v1/markets/${incentive.id}/ticker`, tickerSchema)
  const [bid, ask] = [book.bids[0]?.priceMicroGutta ?? 0, book.asks[0]?.priceMicroGutta ?? Number.POSITIVE_INFINITY]
  if (bid < ask) return <small class="phase-now">{t('phase.nothing')}</small>
  const found = indicativeAuction(book, {referenceMicroGutta: ticker.value?.last?.priceMicroGutta, levelsMax: BOOK_LEVELS_MAX})
  if (found === undefined || ticker.value === undefined) return null
  const {lots, priceMicroGutta, surplus} = found
  const code = incentive.id.split('/')[1] ?? ''
  const more = {amount: formatLots(Math.abs(surplus), incentive, language)}
  return (
    <small class="phase-now">
      {t('phase.now', {amount: formatLots(lots, incentive, language), code, price: formatPrice(priceMicroGutta, incentive, language)})}{' '}
      {surplus !== 0 && t(surplus > 0 ? 'phase.wanted' : 'phase.offered', more)}
    </small>
  )
}

/** Not read out each second: the time at which it ends stands before it. */
function Left({untilMs}: {readonly untilMs: number}) {
  const {t, language} = useWords()
  const nowMs = useNow(SECOND_MS)
  return (
    <small aria-hidden="true">{untilMs > nowMs ? t('phase.left', {span: formatSpan(untilMs - nowMs, language)}) : t('phase.soon')}</small>
  )
}
