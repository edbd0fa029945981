import * as z from 'zod/mini'
import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {redemptionRecordSchema} from '../../../src/core/protocol/market-data.ts'
import {useSession} from '../account/session.ts'
import {useBalances} from '../data/balances.ts'
import {usePulse} from '../data/live.ts'
import {useRead, useSignedRead} from '../data/use-read.ts'
import {formatGutta, formatMinor} from '../format.ts'
import {Captures} from '../issuer/captures.tsx'
import {Pools} from '../issuer/pools.tsx'
import {Issued} from '../parts/issued.tsx'
import {Read} from '../parts/read-state.tsx'
import {marketHref} from '../route.ts'
import {useWords} from '../words.ts'
import {incentivesSchema, NoAccount} from './portfolio.tsx'

const READ_EVERY_MS = 5_000
const APPS_SHOWN = 20
const appsSchema = z.object({apps: z.array(z.object({org: z.string(), app: z.string()}))})

/** What an org issued: how much there is, how long its pools last, what is left of its limits, and what waits to be handed over. */
export function Issuer() {
  const {t} = useWords()
  const session = useSession()
  const news = usePulse(READ_EVERY_MS)
  const incentives = useSignedRead(session && '/v1/incentives?limit=1000', incentivesSchema, news)
  const apps = useSignedRead(session && `/v1/apps?org=${session.name}&limit=${APPS_SHOWN}`, appsSchema)
  if (session === undefined) return <NoAccount />
  return (
    <section>
      <h1>{t('nav.issuer')}</h1>
      <Read of={incentives}>
        {(view) => {
          const own = view.incentives.filter(({id}) => id.split('/')[0] === session.name)
          if (own.length === 0)
            return (
              <div class="empty">
                <p>{t('issuer.none')}</p>
                <p>
                  <code>creo incentive issue</code>
                </p>
              </div>
            )
          return (
            <>
              {own.map((incentive) => (
                <OwnIncentive key={incentive.id} incentive={incentive} account={session.account} />
              ))}
              {apps.value !== undefined && <Pools apps={apps.value.apps} incentives={own} />}
            </>
          )
        }}
      </Read>
    </section>
  )
}

function OwnIncentive({incentive, account}: {readonly incentive: IncentiveView; readonly account: string}) {
  const {t, language} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const balances = useBalances(account)
  const record = useRead(`/v1/incentives/${incentive.id}/record`, redemptionRecordSchema, news)
  const code = incentive.id.split('/')[1] ?? ''
  const amount = (minor: number): string => formatMinor(minor, incentive.decimals, language)
  const of = (kind: 'available' | 'pool' | 'reserved'): string => amount(balances.value?.of(incentive.id, kind) ?? 0)
  return (
    <article class="sheet">
      <h2>
        <a href={marketHref(incentive.id)}>{code}</a>{' '}
        <small>
          <Issued text={incentive.name} />
        </small>
      </h2>
      <dl class="facts">
        <div>
          <dt>{t('issuer.supply')}</dt>
          <dd>{amount(incentive.supplyMinor)}</dd>
        </div>
        <div>
          <dt>{t('issuer.pool')}</dt>
          <dd>{balances.value === undefined ? '…' : of('pool')}</dd>
        </div>
        <div>
          <dt>{t('issuer.reserved')}</dt>
          <dd>{balances.value === undefined ? '…' : of('reserved')}</dd>
        </div>
        <div>
          <dt>{t('issuer.own')}</dt>
          <dd>{balances.value === undefined ? '…' : of('available')}</dd>
        </div>
        <div>
          <dt>{t('limit.title')}</dt>
          <dd>
            {t('issuer.limit', {
              used: formatGutta(incentive.tradeVolumeUsedMicroGutta, language),
              limit: formatGutta(incentive.tradeVolumeLimitMicroGutta, language)
            })}
          </dd>
        </div>
        {record.value !== undefined && (
          <div>
            <dt>{t('markets.kept')}</dt>
            <dd>{t('record.count', {count: record.value.captured})}</dd>
          </div>
        )}
      </dl>
      <Captures incentive={incentive} />
    </article>
  )
}
