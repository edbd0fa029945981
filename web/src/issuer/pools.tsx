import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {type Spending, spendingSchema} from '../../../src/core/protocol/app-reports.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {type Speech, useWords} from '../words.ts'

interface AppName {
  readonly org: string
  readonly app: string
}

/** How long the pools of an org's apps last, by what they paid within the last day. */
export function Pools({apps, incentives}: {readonly apps: readonly AppName[]; readonly incentives: readonly IncentiveView[]}) {
  const {t} = useWords()
  if (apps.length === 0) return null
  return (
    <>
      <h2>{t('pools.title')}</h2>
      {apps.map((app) => (
        <AppPools key={app.app} of={app} incentives={incentives} />
      ))}
    </>
  )
}

function AppPools({of, incentives}: {readonly of: AppName; readonly incentives: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  const spending = useSignedRead(`/v1/apps/${of.org}/${of.app}/spending`, spendingSchema)
  return (
    <Read of={spending} lines={1}>
      {({pools}) =>
        pools.length === 0 ? null : (
          <table class="cards sheet-table">
            <caption>{of.app}</caption>
            <thead>
              <tr>
                {(['pools.pool', 'pools.left', 'pools.paid', 'pools.lasts'] as const).map((key) => (
                  <th scope="col" class={key === 'pools.left' || key === 'pools.paid' ? 'number' : ''} key={key}>
                    {t(key)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {pools.map((pool) => {
                const decimals = incentives.find(({id}) => id === pool.incentive)?.decimals ?? 0
                return (
                  <tr key={pool.incentive}>
                    <th scope="row">{pool.incentive}</th>
                    <td class="number" data-label={t('pools.left')}>
                      {formatMinor(pool.poolMinor + pool.reservedMinor, decimals, language)}
                    </td>
                    <td class="number" data-label={t('pools.paid')}>
                      {formatMinor(pool.paidMinor, decimals, language)}
                    </td>
                    <td data-label={t('pools.lasts')}>{lasts(pool, {t, language})}</td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        )
      }
    </Read>
  )
}

/** In days, to a tenth, as they were spent within the last one. */
function lasts({poolMinor, reservedMinor, paidMinor}: Spending['pools'][number], {t, language}: Speech): string {
  if (paidMinor <= 0) return t('pools.unspent')
  const days = Math.floor((10 * (poolMinor + reservedMinor)) / paidMinor) / 10
  return new Intl.NumberFormat(language, {style: 'unit', unit: 'day', unitDisplay: 'long'}).format(days)
}
