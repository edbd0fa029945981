import * as z from 'zod/mini'
import {type IncentiveView, redemptionViewSchema} from '../../../src/core/protocol/api.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor, formatTime} from '../format.ts'
import {useWords} from '../words.ts'
import {Read} from './read-state.tsx'

const READ_EVERY_MS = 3_000
const redemptionsSchema = z.object({redemptions: z.array(redemptionViewSchema)})

/** What was redeemed, newest first, each with the way to its code. */
export function Redemptions({path, known}: {readonly path: string; readonly known: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const read = useSignedRead(path, redemptionsSchema, news)
  return (
    <Read of={read} lines={2}>
      {({redemptions}) =>
        redemptions.length === 0 ? (
          <p class="faint">{t('redemptions.none')}</p>
        ) : (
          <ul class="plain-list">
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
    </Read>
  )
}
