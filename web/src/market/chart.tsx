import {useEffect, useRef, useState} from 'preact/hooks'
import {type CandleSpan, candleSpans} from '../../../src/core/candle-spans.ts'
import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import type {Candle} from '../../../src/core/protocol/market-data.ts'
import {useRead} from '../data/use-read.ts'
import {formatGutta, formatPrice, formatTime, priceText} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {useStore} from '../store.ts'
import {theme} from '../theme.ts'
import {useWords} from '../words.ts'
import type {CandleChart} from './candle-chart.ts'
import {candlesSchema} from './volume-limit.tsx'

const CANDLES_SHOWN = 300
const ROWS_SHOWN = 24

/** Prices by spans of time, drawn, and the same as a table. */
export function Chart({incentive, news}: {readonly incentive: IncentiveView; readonly news: number}) {
  const {t} = useWords()
  const [span, setSpan] = useState<CandleSpan>('1h')
  const candles = useRead(`/v1/markets/${incentive.id}/candles?span=${span}&limit=${CANDLES_SHOWN}`, candlesSchema, news)
  return (
    <section class="sheet chart">
      <div class="chart-head">
        <h2>{t('chart.title')}</h2>
        <fieldset class="segments">
          <legend class="unseen">{t('chart.span')}</legend>
          {candleSpans.map((name) => (
            <label key={name}>
              <input type="radio" name="span" checked={name === span} onChange={() => setSpan(name)} />
              <span>{t(`span.${name}`)}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <Read of={candles} lines={5}>
        {(view) =>
          view.candles.length === 0 ? (
            <p class="empty">{t('trades.none')}</p>
          ) : (
            <>
              <Drawing candles={view.candles} incentive={incentive} />
              <details>
                <summary>{t('chart.table')}</summary>
                <CandleTable candles={view.candles.slice(0, ROWS_SHOWN)} incentive={incentive} />
              </details>
              <p class="faint small">
                {t('chart.by')} <a href="https://www.tradingview.com/">TradingView Lightweight Charts™</a>
              </p>
            </>
          )
        }
      </Read>
    </section>
  )
}

function Drawing({candles, incentive}: {readonly candles: readonly Candle[]; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  const place = useRef<HTMLDivElement>(null)
  const [chart, setChart] = useState<CandleChart>()
  const shownTheme = useStore(theme)
  useEffect(() => {
    let made: CandleChart | undefined
    let isGone = false
    void import('./candle-chart.ts').then(({drawCandles}) => {
      if (isGone || place.current === null) return
      made = drawCandles(place.current, language)
      setChart(made)
    })
    return () => {
      isGone = true
      made?.remove()
      setChart(undefined)
    }
  }, [language, shownTheme])
  useEffect(() => {
    chart?.show(candles.map((candle) => pointOf(candle, incentive)).reverse())
  }, [chart, candles, incentive.id])
  return <div class="drawing" ref={place} role="img" aria-label={t('chart.drawn')} />
}

/** For drawing alone, where a fraction of a pixel is lost anyway. */
function pointOf({startMs, openMicroGutta, highMicroGutta, lowMicroGutta, closeMicroGutta}: Candle, incentive: IncentiveView) {
  const price = (micro: number): number => Number(priceText(micro, incentive))
  return {atMs: startMs, open: price(openMicroGutta), high: price(highMicroGutta), low: price(lowMicroGutta), close: price(closeMicroGutta)}
}

function CandleTable({candles, incentive}: {readonly candles: readonly Candle[]; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  const price = (micro: number): string => formatPrice(micro, incentive, language)
  return (
    <table class="cards">
      <caption class="unseen">{t('chart.table')}</caption>
      <thead>
        <tr>
          {(['trades.time', 'chart.open', 'chart.high', 'chart.low', 'chart.close', 'markets.volume'] as const).map((key) => (
            <th scope="col" class={key === 'trades.time' ? '' : 'number'} key={key}>
              {t(key)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {candles.map((candle) => (
          <tr key={candle.startMs}>
            <th scope="row">{formatTime(candle.startMs, language)}</th>
            <td class="number" data-label={t('chart.open')}>
              {price(candle.openMicroGutta)}
            </td>
            <td class="number" data-label={t('chart.high')}>
              {price(candle.highMicroGutta)}
            </td>
            <td class="number" data-label={t('chart.low')}>
              {price(candle.lowMicroGutta)}
            </td>
            <td class="number" data-label={t('chart.close')}>
              {price(candle.closeMicroGutta)}
            </td>
            <td class="number" data-label={t('markets.volume')}>
              {formatGutta(candle.notionalMicroGutta, language)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
