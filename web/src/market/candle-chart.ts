import {CandlestickSeries, createChart, type UTCTimestamp} from 'lightweight-charts'

export interface Point {
  readonly atMs: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

export interface CandleChart {
  readonly show: (points: readonly Point[]) => void
  readonly remove: () => void
}

const PRICE_DIGITS = 4
const MS_PER_SECOND = 1000
/** The chart itself knows only UTC. */
const MS_PER_MINUTE = 60_000

/** A chart in the page's own colours, as wide as its place. */
export function drawCandles(place: HTMLElement, language: string): CandleChart {
  const colour = (name: string): string => getComputedStyle(place).getPropertyValue(name).trim()
  const prices = new Intl.NumberFormat(language, {minimumFractionDigits: PRICE_DIGITS, maximumFractionDigits: PRICE_DIGITS})
  const chart = createChart(place, {
    autoSize: true,
    layout: {
      attributionLogo: false,
      background: {color: 'transparent'},
      textColor: colour('--soft'),
      fontFamily: getComputedStyle(place).fontFamily
    },
    localization: {locale: language, priceFormatter: (price: number) => prices.format(price)},
    grid: {vertLines: {visible: false}, horzLines: {color: colour('--rule')}},
    rightPriceScale: {borderVisible: false},
    timeScale: {borderColor: colour('--rule'), timeVisible: true, secondsVisible: false}
  })
  const [up, down] = [colour('--up'), colour('--down')]
  const series = chart.addSeries(CandlestickSeries, {
    upColor: 'transparent',
    borderUpColor: up,
    wickUpColor: up,
    downColor: down,
    borderDownColor: down,
    wickDownColor: down,
    priceFormat: {type: 'price', precision: PRICE_DIGITS, minMove: 10 ** -PRICE_DIGITS}
  })
  let isShown = false
  return {
    show: (points) => {
      series.setData(points.map(({atMs, ...prices}) => ({time: localSeconds(atMs), ...prices})))
      if (!isShown) chart.timeScale().fitContent()
      isShown = true
    },
    remove: () => chart.remove()
  }
}

function localSeconds(atMs: number): UTCTimestamp {
  return ((atMs - new Date(atMs).getTimezoneOffset() * MS_PER_MINUTE) / MS_PER_SECOND) as UTCTimestamp
}
