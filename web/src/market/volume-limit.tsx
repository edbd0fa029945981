import * as z from 'zod/mini'
import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {candleSchema} from '../../../src/core/protocol/market-data.ts'
import {useNow} from '../data/clock.ts'
import {useGenesis} from '../data/genesis.ts'
import {useRead} from '../data/use-read.ts'
import {formatClock, formatGutta, formatPermille} from '../format.ts'
import {useWords} from '../words.ts'
import {nextRelease} from './volume-state.ts'

export const candlesSchema = z.object({candles: z.array(candleSchema)})
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/** How much may still be traded, and when more of it is free: "0.8 of 2 Gutta left, next release 14:00". */
export function VolumeLimit({incentive, news}: {readonly incentive: IncentiveView; readonly news: number}) {
  const {t, language} = useWords()
  const genesis = useGenesis()
  const nowMs = useNow(MINUTE_MS)
  const {tradeVolumeLimitMicroGutta: limit, tradeVolumeUsedMicroGutta: used} = incentive
  const rule = genesis && {bucketMs: genesis.volumeBucketMs, buckets: genesis.volumeBuckets}
  const span = rule !== undefined && rule.bucketMs % HOUR_MS === 0 ? '1h' : '1m'
  const candles = useRead(rule && used > 0 ? `/v1/markets/${incentive.id}/candles?span=${span}&limit=100` : undefined, candlesSchema, news)
  const release = rule && candles.value && used > 0 ? nextRelease(candles.value.candles, rule, nowMs) : undefined
  const left = Math.max(0, limit - used)
  const words = {left: formatGutta(left, language), limit: formatGutta(limit, language)}
  const share = incentive.ownerSharePermille
  return (
    <section class="sheet limit" aria-label={t('limit.title')}>
      <p>
        <strong>{t(left === 0 ? 'limit.none' : 'limit.left', words)}</strong>{' '}
        {release && t('limit.release', {time: formatClock(release.atMs, language), gutta: formatGutta(release.microGutta, language)})}
      </p>
      <div class="meter" aria-hidden="true">
        <div style={{inlineSize: `${Math.round((left / limit) * 100)}%`}} />
      </div>
      <p class="faint small">
        {t('limit.why')} {share !== undefined && share < 1000 && t('limit.share', {share: formatPermille(share, language)})}
      </p>
    </section>
  )
}
