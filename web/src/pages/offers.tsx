import {useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {type IncentiveView, type OfferView, offerViewSchema} from '../../../src/core/protocol/api.ts'
import {newCode, useSession} from '../account/session.ts'
import {useAct} from '../account/use-act.ts'
import {type Balances, useBalances} from '../data/balances.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor} from '../format.ts'
import {plainText} from '../issuer-text.ts'
import {Issued} from '../parts/issued.tsx'
import {Opener} from '../parts/opener.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {Picture} from '../parts/picture.tsx'
import {Read} from '../parts/read-state.tsx'
import {marketHref} from '../route.ts'
import {useWords} from '../words.ts'
import {incentivesSchema} from './portfolio.tsx'

const READ_EVERY_MS = 5_000
const QUANTITY_MAX = 1_000_000
const OFFERS_AT_ONCE = 60
const offersSchema = z.object({offers: z.array(offerViewSchema), next: z.optional(z.string())})

/** What incentives buy, as a shop, a page of it at a time. */
export function Offers() {
  const {t} = useWords()
  const [cursors, setCursors] = useState<readonly string[]>([''])
  return (
    <section>
      <h1>{t('offers.title')}</h1>
      <p class="lead">{t('offers.lead')}</p>
      {cursors.map((cursor, place) => (
        <ShopPage
          key={cursor}
          cursor={cursor}
          onMore={place === cursors.length - 1 ? (next) => setCursors([...cursors, next]) : undefined}
        />
      ))}
    </section>
  )
}

function ShopPage({cursor, onMore}: {readonly cursor: string; readonly onMore: ((next: string) => void) | undefined}) {
  const {t} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const session = useSession()
  const from = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
  const offers = useSignedRead(`/v1/offers?limit=${OFFERS_AT_ONCE}${from}`, offersSchema, news)
  const incentives = useSignedRead('/v1/incentives?limit=1000', incentivesSchema)
  const balances = useBalances(session?.account)
  return (
    <Read of={offers}>
      {(view) => (
        <>
          {view.offers.length === 0 && cursor === '' ? (
            <div class="empty">
              <p>{t('offers.none')}</p>
            </div>
          ) : (
            <ul class="shop">
              {view.offers.map((offer) => {
                const incentive = incentives.value?.incentives.find(({id}) => id === offer.incentive)
                return incentive && <Offer key={offer.id} offer={offer} incentive={incentive} balances={balances.value} />
              })}
            </ul>
          )}
          {view.next !== undefined && onMore !== undefined && (
            <button type="button" onClick={() => onMore(view.next ?? '')}>
              {t('offers.next')}
            </button>
          )}
        </>
      )}
    </Read>
  )
}

function Offer({
  offer,
  incentive,
  balances
}: {
  readonly offer: OfferView
  readonly incentive: IncentiveView
  readonly balances: Balances | undefined
}) {
  const {t, language} = useWords()
  const [quantity, setQuantity] = useState(1)
  const {isBusy, outcome, run} = useAct()
  const [org, code] = offer.incentive.split('/')
  const total = quantity * offer.priceMinor
  const has = balances?.of(offer.incentive, 'available')
  const isShort = has !== undefined && has < total
  const most = Math.max(1, Math.min(QUANTITY_MAX, offer.stock))
  const redeem = async (event: Event): Promise<void> => {
    event.preventDefault()
    const code = await newCode().catch(() => undefined)
    // No more than what is shown here, whatever it costs by now.
    const measure = {decimals: incentive.decimals, lotMinor: String(incentive.lotMinor)}
    const body = {type: 'redemption.request', offer: offer.id, quantity, priceAtMostMinor: String(offer.priceMinor), measure} as const
    const came = await run(code === undefined ? body : {...body, code}, t('offers.about', {item: plainText(offer.item)}))
    if (came?.status === 'done') location.hash = `#/redemption/${String(came.applied.result.redemption)}`
  }
  return (
    <li class="sheet offer">
      {offer.picture !== undefined && <Picture digest={offer.picture} />}
      <h2>
        <Issued text={offer.item} />
      </h2>
      <p class="faint">
        {org} · {t(offer.where === 'in-store' ? 'offers.inStore' : 'offers.inApp')}
      </p>
      <p class="sum">
        {formatMinor(offer.priceMinor, incentive.decimals, language)} <a href={marketHref(offer.incentive)}>{code}</a>
      </p>
      {offer.stock === 0 || offer.stopped ? (
        <p class="faint">{t('offers.soldOut')}</p>
      ) : (
        <form onSubmit={(event) => void redeem(event)}>
          <p class="faint small">{t('offers.left', {count: offer.stock})}</p>
          <div class="row">
            <label class="quantity">
              <span>{t('offers.quantity')}</span>
              <input
                type="number"
                min={1}
                max={most}
                step={1}
                value={quantity}
                onInput={(event) => setQuantity(Math.min(most, Math.max(1, Math.floor(event.currentTarget.valueAsNumber || 1))))}
              />
            </label>
            <Opener>
              <button type="submit" class="main" disabled={isBusy || isShort}>
                {isBusy ? t('act.busy') : t('offers.redeem', {amount: formatMinor(total, incentive.decimals, language), code: code ?? ''})}
              </button>
            </Opener>
          </div>
          {isShort && (
            <p class="faint small">{t('offers.short', {amount: formatMinor(has, incentive.decimals, language), code: code ?? ''})}</p>
          )}
          <OutcomeWords of={outcome} done={() => t('redemption.held')} />
        </form>
      )}
    </li>
  )
}
