import * as z from 'zod/mini'
import {type IncentiveView, redemptionViewSchema} from '../../../src/core/protocol/api.ts'
import {formatMinor, formatTime} from '../format.ts'
import {useWords} from '../words.ts'
import {Pages} from './pages.tsx'

const SHOWN = 20
const redemptionsSchema = z.object({redemptions: z.array(redemptionViewSchema), next: z.optional(z.string())})

/** What an account redeemed, newest first, each with the way to its code. */
export function Redemptions({account, known}: {readonly account: string; readonly known: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  return (
    <Pages path={`/v1/accounts/${account}/redemptions?limit=${SHOWN}`} schema={redemptionsSchema} lines={2}>
      {({redemptions}) =>
        redemptions.length === 0 ? (
          <p class="faint">{t('redemptions.none')}</p>
        ) : (
          <ul class="plain-list linked">
            {redemptions.map((one) => {
              const incentive = known.find(({id}) => id === one.incentive)
              return (
                <li key={one.id}>
                  <a href={`#/redemption/${one.id}`}>
                    {formatMinor(one.amountMinor, incentive?.decimals ?? 0, language)} {one.incentive.split('/')[1]}
                  </a>{' '}
                  <span class={`badge badge-${one.status}`}>{t(`redemption.${one.status}`)}</span>
                  <small>
                    {one.id} · {formatTime(one.requestedAtMs, language)}
                  </small>
                </li>
              )
            })}
          </ul>
        )
      }
    </Pages>
  )
}
