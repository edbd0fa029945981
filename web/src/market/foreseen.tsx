import {type BookView, bookViewSchema, type IncentiveView} from '../../../src/core/protocol/api.ts'
import type {Genesis} from '../../../src/core/protocol/genesis.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatGutta, formatLots} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'
import {type Order, previewOrder, type Ticket} from './order-terms.ts'

const READ_EVERY_MS = 3_000

interface ForeseenProps {
  readonly ticket: Ticket
  readonly order: Order
  readonly incentive: IncentiveView
  readonly fees: Genesis['fees']
}

/** What an order would come to, by the book that the coordinator signed: what is shown of it beside is told by a stranger's machine. */
export function Foreseen(of: ForeseenProps) {
  const news = usePulse(READ_EVERY_MS)
  const book = useSignedRead(`/v1/markets/${of.incentive.id}/book`, bookViewSchema, news)
  return (
    <Read of={book} lines={2}>
      {(view) => <Preview {...of} book={view} />}
    </Read>
  )
}

function Preview({ticket, order, book, incentive, fees}: ForeseenProps & {readonly book: BookView}) {
  const {t, language} = useWords()
  // In an auction nothing trades before its end.
  const others = book.auction === undefined ? (ticket.side === 'buy' ? book.asks : book.bids) : []
  const seen = previewOrder(ticket, order, others, fees)
  const code = incentive.id.split('/')[1]
  const gutta = (micro: number): string => `${formatGutta(micro, language)} ${t('unit.gutta')}`
  const crosses = ticket.kind === 'post-only' && isCrossing(ticket, order, book)
  return (
    <dl class="foreseen">
      {book.auction === undefined && (
        <>
          <dt>{t('preview.now')}</dt>
          <dd>
            {formatLots(seen.filledLots, incentive, language)} {code}
            {seen.filledLots > 0 && ` · ${gutta(seen.notionalMicroGutta)}`}
          </dd>
        </>
      )}
      {seen.feeMicroGutta > 0 && (
        <>
          <dt>{t('preview.fee')}</dt>
          <dd>{gutta(seen.feeMicroGutta)}</dd>
        </>
      )}
      {seen.restingLots > 0 && (
        <>
          <dt>{t(book.auction === undefined ? 'preview.waits' : 'preview.auction')}</dt>
          <dd>
            {formatLots(seen.restingLots, incentive, language)} {code}
          </dd>
        </>
      )}
      {ticket.side === 'buy' && (
        <>
          <dt>{t('preview.held')}</dt>
          <dd>{gutta(seen.heldMicroGutta)}</dd>
        </>
      )}
      {crosses && <dd class="wrong">{t('preview.crosses')}</dd>}
      {book.auction !== undefined && seen.restingLots === 0 && <dd class="wrong">{t('trouble.in_auction')}</dd>}
    </dl>
  )
}

function isCrossing({side}: Ticket, {priceMicroGutta}: Order, {asks, bids}: BookView): boolean {
  const [ask, bid] = [asks[0], bids[0]]
  return side === 'buy'
    ? ask !== undefined && ask.priceMicroGutta <= priceMicroGutta
    : bid !== undefined && bid.priceMicroGutta >= priceMicroGutta
}
