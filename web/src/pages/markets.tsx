import {useState} from 'preact/hooks'
import {usePulse} from '../data/live.ts'
import {type BoardMarket, boardSchema} from '../data/quotes.ts'
import {useRead} from '../data/use-read.ts'
import {formatChange, formatGutta, formatMinor, formatPermille, formatPrice, formatSpan} from '../format.ts'
import {Issued} from '../parts/issued.tsx'
import {Read} from '../parts/read-state.tsx'
import {marketHref} from '../route.ts'
import {useWords} from '../words.ts'

const READ_EVERY_MS = 4_000
/** With fewer markets nobody needs to search. */
const SEARCH_FROM = 8

/** All markets: what each costs, whether its promise is kept, and what it buys. */
export function Markets() {
  const {t} = useWords()
  const [cursors, setCursors] = useState<readonly string[]>([''])
  return (
    <section>
      <h1>{t('markets.title')}</h1>
      <p class="lead">{t('markets.lead')}</p>
      {cursors.map((cursor, place) => (
        <BoardPage
          key={cursor}
          cursor={cursor}
          onMore={place === cursors.length - 1 ? (next) => setCursors([...cursors, next]) : undefined}
        />
      ))}
    </section>
  )
}

function BoardPage({cursor, onMore}: {readonly cursor: string; readonly onMore: ((next: string) => void) | undefined}) {
  const {t} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const [sought, setSought] = useState('')
  const board = useRead(cursor === '' ? '/board' : `/board?cursor=${encodeURIComponent(cursor)}`, boardSchema, news)
  return (
    <Read of={board} lines={6}>
      {({markets, next}) => {
        const found = markets.filter(({incentive}) => `${incentive.id} ${incentive.name}`.toLowerCase().includes(sought.toLowerCase()))
        return (
          <>
            {markets.length >= SEARCH_FROM && (
              <input
                class="search"
                type="search"
                aria-label={t('markets.search')}
                placeholder={t('markets.search')}
                value={sought}
                onInput={(event) => setSought(event.currentTarget.value)}
              />
            )}
            {markets.length === 0 && cursor === '' && (
              <div class="empty">
                <p>{t('markets.none')}</p>
                <p>{t('markets.none.next')}</p>
              </div>
            )}
            {markets.length > 0 && found.length === 0 && <p class="empty">{t('markets.noMatch', {text: sought})}</p>}
            {found.length > 0 && <MarketTable markets={found} />}
            {next !== undefined && onMore !== undefined && (
              <button type="button" onClick={() => onMore(next)}>
                {t('markets.next')}
              </button>
            )}
          </>
        )
      }}
    </Read>
  )
}

function MarketTable({markets}: {readonly markets: readonly BoardMarket[]}) {
  const {t} = useWords()
  return (
    <table class="market-list cards">
      <caption class="unseen">{t('markets.title')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('markets.market')}</th>
          <th scope="col" class="number">
            {t('markets.price')}
          </th>
          <th scope="col" class="number">
            {t('markets.change')}
          </th>
          <th scope="col" class="number">
            {t('markets.volume')}
          </th>
          <th scope="col">{t('markets.kept')}</th>
          <th scope="col">{t('markets.buys')}</th>
        </tr>
      </thead>
      <tbody>
        {markets.map((market) => (
          <MarketRow key={market.incentive.id} market={market} />
        ))}
      </tbody>
    </table>
  )
}

function MarketRow({market: {incentive, ticker, record, offers, offersInAll}}: {readonly market: BoardMarket}) {
  const {t, language} = useWords()
  const [org, code] = incentive.id.split('/')
  const {last, day} = ticker
  const more = offersInAll - offers.length
  return (
    <tr>
      <th scope="row">
        <a class="market-name" href={marketHref(incentive.id)}>
          <strong>{code}</strong> <span class="org">{org}</span>
        </a>
        <small>
          <Issued text={incentive.name} />
        </small>
      </th>
      <td class="number price" data-label={t('markets.price')}>
        {last === null ? <span class="faint">{t('markets.noTrade')}</span> : formatPrice(last.priceMicroGutta, incentive, language)}
      </td>
      <td class="number" data-label={t('markets.change')}>
        {last === null || day === null ? <span class="faint">–</span> : <Change before={day.beforeMicroGutta} now={last.priceMicroGutta} />}
      </td>
      <td class="number" data-label={t('markets.volume')}>
        {day === null ? <span class="faint">–</span> : `${formatGutta(day.notionalMicroGutta, language)} ${t('unit.gutta')}`}
      </td>
      <td data-label={t('markets.kept')}>
        <Record record={record} />
      </td>
      <td class="buys" data-label={t('markets.buys')}>
        {offers.length === 0 && <span class="faint">{t('markets.noOffer')}</span>}
        {offers.map((offer) => (
          <span class="buy" key={offer.id}>
            <Issued text={offer.item} />{' '}
            <span class="cost">
              {formatMinor(offer.priceMinor, incentive.decimals, language)} {code}
            </span>
          </span>
        ))}
        {more > 0 && <span class="faint">{t('markets.more', {count: more})}</span>}
      </td>
    </tr>
  )
}

export function Change({before, now}: {readonly before: number; readonly now: number}) {
  const {language} = useWords()
  const way = now > before ? 'up' : now < before ? 'down' : 'even'
  return (
    <span class={`change change-${way}`}>
      <span aria-hidden="true">{{up: '▲ ', down: '▼ ', even: ''}[way]}</span>
      {formatChange(before, now, language)}
    </span>
  )
}

/** Whether the issuer keeps the promise: how much of what was redeemed was captured, and how soon. */
export function Record({record}: {readonly record: BoardMarket['record']}) {
  const {t, language} = useWords()
  if (record.capturedPermille === null)
    return <span class="faint">{record.held > 0 ? t('record.open', {count: record.held}) : t('record.none')}</span>
  return (
    <span>
      {t('record.kept', {share: formatPermille(record.capturedPermille, language)})}
      <small>
        {t('record.count', {count: record.captured})}
        {record.medianCaptureMs !== null && `, ${t('record.fast', {span: formatSpan(record.medianCaptureMs, language)})}`}
      </small>
    </span>
  )
}
