import {useEffect, useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {
  type BookView,
  bookViewSchema,
  type IncentiveView,
  incentiveViewSchema,
  offerViewSchema,
  type TradeView,
  tradeViewSchema
} from '../../../src/core/protocol/api.ts'
import {redemptionRecordSchema, tickerSchema} from '../../../src/core/protocol/market-data.ts'
import {onNews, usePulse, watch} from '../data/live.ts'
import {useRead, useSignedRead} from '../data/use-read.ts'
import {formatGutta, formatMinor, formatPrice} from '../format.ts'
import {Book, Trades} from '../market/book.tsx'
import {Chart} from '../market/chart.tsx'
import {OrderTicket} from '../market/order-ticket.tsx'
import {Phase} from '../market/phase.tsx'
import {VolumeLimit} from '../market/volume-limit.tsx'
import {Issued} from '../parts/issued.tsx'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'
import {Change, Record} from './markets.tsx'

const READ_EVERY_MS = 3_000
const TRADES_SHOWN = 12
const tradesSchema = z.object({trades: z.array(tradeViewSchema)})
const offersSchema = z.object({offers: z.array(offerViewSchema)})

/** One market: what it does, what is left of its limit, what it buys, and a ticket. */
export function Market({rest: [org = '', code = '']}: {readonly rest: readonly string[]}) {
  const id = `${org}/${code}`
  const news = usePulse(READ_EVERY_MS)
  const incentive = useSignedRead(`/v1/incentives/${id}`, incentiveViewSchema, news)
  useEffect(() => {
    watch({incentive: id})
    return () => watch({incentive: undefined})
  }, [id])
  return <Read of={incentive}>{(view) => <Shown incentive={view} news={news} />}</Read>
}

function Shown({incentive, news}: {readonly incentive: IncentiveView; readonly news: number}) {
  const {t} = useWords()
  const {id} = incentive
  const [org, code] = id.split('/')
  const book = useBook(id)
  const [picked, setPicked] = useState<number>()
  useEffect(() => {
    document.title = `${id} · ${t('app.name')}`
    return () => {
      document.title = t('app.name')
    }
  }, [id, t])
  return (
    <article class="market">
      <header class="market-head">
        <div>
          <h1>
            {code} <span class="org">{org}</span>
          </h1>
          <p class="faint">
            <Issued text={incentive.name} />
          </p>
        </div>
        <Facts incentive={incentive} news={news} />
      </header>
      <Phase book={book.value} incentive={incentive} />
      <VolumeLimit incentive={incentive} news={news} />
      <div class="market-main">
        <Chart incentive={incentive} news={news} />
        <Trading incentive={incentive} trades={useTrades(id)} />
      </div>
      <div class="market-side">
        <OrderTicket incentive={incentive} picked={picked} />
        <section class="sheet">
          <h2>{t('book.title')}</h2>
          <Read of={book}>{(view) => <Book book={view} incentive={incentive} onPick={setPicked} />}</Read>
        </section>
      </div>
    </article>
  )
}

function Facts({incentive, news}: {readonly incentive: IncentiveView; readonly news: number}) {
  const {t, language} = useWords()
  const ticker = useRead(`/v1/markets/${incentive.id}/ticker`, tickerSchema, news)
  const record = useRead(`/v1/incentives/${incentive.id}/record`, redemptionRecordSchema, news)
  const {last, day} = ticker.value ?? {last: null, day: null}
  return (
    <dl class="facts">
      <div class="fact-main">
        <dt>{t('markets.price')}</dt>
        <dd>
          {last === null ? <span class="faint">{t('markets.noTrade')}</span> : formatPrice(last.priceMicroGutta, incentive, language)}
        </dd>
      </div>
      {last !== null && day !== null && (
        <>
          <div>
            <dt>{t('markets.change')}</dt>
            <dd>
              <Change before={day.beforeMicroGutta} now={last.priceMicroGutta} />
            </dd>
          </div>
          <div>
            <dt>{t('market.range')}</dt>
            <dd>
              {formatPrice(day.lowMicroGutta, incentive, language)} – {formatPrice(day.highMicroGutta, incentive, language)}
            </dd>
          </div>
          <div>
            <dt>{t('markets.volume')}</dt>
            <dd>{formatGutta(day.notionalMicroGutta, language)}</dd>
          </div>
        </>
      )}
      {record.value !== undefined && (
        <div>
          <dt>{t('markets.kept')}</dt>
          <dd>
            <Record record={record.value} />
          </dd>
        </div>
      )}
    </dl>
  )
}

function Trading({incentive, trades}: {readonly incentive: IncentiveView; readonly trades: ReturnType<typeof useTrades>}) {
  const {t, language} = useWords()
  const offers = useSignedRead(`/v1/offers?incentive=${incentive.id}&limit=20`, offersSchema)
  const code = incentive.id.split('/')[1]
  return (
    <div class="two">
      <section class="sheet">
        <h2>{t('trades.title')}</h2>
        <Read of={trades}>{(view) => <Trades trades={view.trades.slice(0, TRADES_SHOWN)} incentive={incentive} />}</Read>
      </section>
      <section class="sheet">
        <h2>{t('market.buys', {code: code ?? ''})}</h2>
        <Read of={offers}>
          {({offers: found}) => (
            <ul class="plain-list">
              {found.length === 0 && <li class="faint">{t('markets.noOffer')}</li>}
              {found.map((offer) => (
                <li key={offer.id}>
                  <Issued text={offer.item} />{' '}
                  <span class="cost">
                    {formatMinor(offer.priceMinor, incentive.decimals, language)} {code}
                  </span>
                  <small>{offer.stock === 0 || offer.stopped ? t('offers.soldOut') : t('offers.left', {count: offer.stock})}</small>
                </li>
              ))}
            </ul>
          )}
        </Read>
      </section>
    </div>
  )
}

/** The book as it was read, or as it was told since. */
function useBook(id: string) {
  const [told, setTold] = useState<BookView>()
  const read = useRead(`/v1/markets/${id}/book`, bookViewSchema)
  useEffect(
    () =>
      onNews((news) => {
        if (news.kind === 'book' && news.book.incentive === id) setTold(news.book)
        if (news.kind === 'reset') read.again()
      }),
    [id]
  )
  const newest = told?.incentive === id && told.sequence >= (read.value?.sequence ?? 0) ? told : read.value
  return {...read, value: newest}
}

/** The trades as they were read, with those that were told since; each once. */
function useTrades(id: string) {
  const [told, setTold] = useState<readonly TradeView[]>([])
  const read = useRead(`/v1/markets/${id}/trades?limit=${TRADES_SHOWN}`, tradesSchema)
  useEffect(() => {
    setTold([])
    return onNews((news) => {
      if (news.kind === 'trade' && news.trade.incentive === id) setTold((before) => [news.trade, ...before].slice(0, TRADES_SHOWN))
      if (news.kind === 'reset') read.again()
    })
  }, [id])
  const known = new Map([...(read.value?.trades ?? []), ...told].map((trade) => [`${trade.seq}.${trade.index}`, trade]))
  const newestFirst = [...known.values()].sort((a, b) => b.seq - a.seq || b.index - a.index)
  return {...read, value: read.value === undefined ? undefined : {trades: newestFirst}}
}
