import {useEffect, useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {offerViewSchema, type RedemptionView, redemptionViewSchema} from '../../../src/core/protocol/api.ts'
import {codeAgain, useSession} from '../account/session.ts'
import {useGenesis} from '../data/genesis.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatTime} from '../format.ts'
import {Issued} from '../parts/issued.tsx'
import {Opener} from '../parts/opener.tsx'
import {QrCode} from '../parts/qr.tsx'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'
import {NoAccount} from './portfolio.tsx'

const READ_EVERY_MS = 1_500
const REDEMPTION = /^red_\d{1,16}$/
const offersSchema = z.object({offers: z.array(offerViewSchema)})

/** Its number is public, so what is shown at the shop is the code, which the key alone can make; its number where there is none. */
function Code({redemption}: {readonly redemption: RedemptionView}) {
  const key = useSession()?.key
  const [code, setCode] = useState<string>()
  const {id, codeSalt, codeHash} = redemption
  useEffect(() => {
    let isShown = true
    const show = (made: string | undefined): void => {
      if (isShown) setCode(made ?? id)
    }
    if (codeSalt && key === undefined) setCode(undefined)
    else codeAgain({codeSalt: codeSalt ?? null, codeHash: codeHash ?? null}).then(show, () => show(undefined))
    return () => {
      isShown = false
    }
  }, [key, id, codeSalt, codeHash])
  if (codeSalt && key === undefined) return <Opener>{null}</Opener>
  if (code === undefined) return null
  return (
    <>
      <QrCode text={code} />
      <p class="code">{code}</p>
    </>
  )
}

/** One redemption, with the code that is shown at the shop. */
export function Redemption({rest: [wanted = '']}: {readonly rest: readonly string[]}) {
  const {t, language} = useWords()
  const session = useSession()
  const genesis = useGenesis()
  const news = usePulse(READ_EVERY_MS)
  const isNumber = REDEMPTION.test(wanted)
  const read = useSignedRead(session && isNumber ? `/v1/redemptions/${wanted}` : undefined, redemptionViewSchema, news)
  const incentive = read.value?.incentive
  const offers = useSignedRead(incentive && `/v1/offers?incentive=${encodeURIComponent(incentive)}&limit=1000`, offersSchema)
  if (session === undefined) return <NoAccount />
  if (!isNumber) return <p class="empty">{t('trouble.not_found')}</p>
  return (
    <Read of={read}>
      {(found) => {
        if (found.holder !== session.account) return <p class="empty">{t('trouble.not_found')}</p>
        const offer = offers.value?.offers.find(({id}) => id === found.offer)
        return (
          <section class="narrow redemption">
            <h1>
              {found.quantity} × {offer ? <Issued text={offer.item} /> : found.offer}
            </h1>
            <p role="status">
              <span class={`badge badge-${found.status}`}>{t(`redemption.${found.status}`)}</span>{' '}
              {t(`redemption.${found.status}.why`, {org: found.incentive.split('/')[0] ?? ''})}
            </p>
            {found.status === 'held' && (
              <div class="sheet code-sheet">
                <Code redemption={found} />
                {genesis && (
                  <p class="faint small">
                    {t('redemption.until', {time: formatTime(found.requestedAtMs + genesis.redemptionTimeoutMs, language)})}
                  </p>
                )}
              </div>
            )}
            <p class="links">
              <a href="#/portfolio">{t('nav.portfolio')}</a>
            </p>
          </section>
        )
      }}
    </Read>
  )
}
