import type {ComponentChildren} from 'preact'
import {useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {type AppAsk, answerHref, answerSignIn, readAsk} from '../../../src/app-client/client.ts'
import {
  type IncentiveView,
  incentiveViewSchema,
  type OfferView,
  offerViewSchema,
  type RedemptionView,
  redemptionViewSchema
} from '../../../src/core/protocol/api.ts'
import {Passphrase} from '../account/passphrase.tsx'
import {newCode, type Session, useSession} from '../account/session.ts'
import {useAct} from '../account/use-act.ts'
import {useBalances} from '../data/balances.ts'
import {network} from '../data/network.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor, formatTime} from '../format.ts'
import {plainText} from '../issuer-text.ts'
import {Issued} from '../parts/issued.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {Picture} from '../parts/picture.tsx'
import {Read} from '../parts/read-state.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'

type Ask<K extends AppAsk['ask']> = Extract<AppAsk, {readonly ask: K}>
type Opened = Session & {readonly key: NonNullable<Session['key']>}
interface Asked<K extends AppAsk['ask']> {
  readonly ask: Ask<K>
  readonly origin: string
  readonly session: Opened
}
const offersSchema = z.object({offers: z.array(offerViewSchema)})
const ANSWERED = 'creo.answered.'

/** What another app asks of the key that this browser keeps: shown, done when the person wants it, and answered to that app alone. */
export function ForApp({rest: [encoded = '']}: {readonly rest: readonly string[]}) {
  const {t} = useWords()
  const session = useSession()
  const found = readOrNot(encoded)
  if (found === undefined) return <p class="empty">{t('ask.broken')}</p>
  const {ask, origin} = found
  return (
    <section class="narrow">
      <h1>{t(ask.ask === 'sign-in' ? 'ask.signIn' : `ask.${ask.ask}`)}</h1>
      <p class="lead asker">
        <bdi>{t('ask.by', {host: new URL(origin).host})}</bdi>
      </p>
      <Answer ask={ask} origin={origin} session={session} />
    </section>
  )
}

function Answer({ask, origin, session}: {readonly ask: AppAsk; readonly origin: string; readonly session: Session | undefined}) {
  const {t} = useWords()
  if (session === undefined) {
    return (
      <>
        <p>{t('ask.account')}</p>
        <div class="row">
          <a class="button main" href="#/account">
            {t('opener.none')}
          </a>
          <No ask={ask} />
        </div>
      </>
    )
  }
  const {key} = session
  if (key === undefined) {
    return (
      <>
        <p>
          <strong>{session.name}</strong> · {t('account.locked')}
        </p>
        <Passphrase onOpen={() => undefined} word={t('account.unlock')} />
        <No ask={ask} />
      </>
    )
  }
  const opened = {...session, key}
  if (ask.ask === 'sign-in') return <SignInAsk ask={ask} origin={origin} session={opened} />
  if (ask.ask === 'redeem') return <RedeemAsk ask={ask} origin={origin} session={opened} />
  return <CaptureAsk ask={ask} origin={origin} session={opened} />
}

function SignInAsk({ask, origin, session}: Asked<'sign-in'>) {
  const {t} = useWords()
  const [code, setCode] = useState<string>()
  const signIn = async (): Promise<void> => {
    try {
      const answer = await answerSignIn(ask.challenge, {signer: session, origin, network: (await network()).id})
      goBack(ask, {...answer})
    } catch (error) {
      setCode(codeOf(error))
    }
  }
  return (
    <div class="sheet">
      <p>{t('ask.signIn.why', {name: session.name})}</p>
      <Buttons ask={ask}>
        <button type="button" class="main" onClick={() => void signIn()}>
          {t('ask.signIn.do', {name: session.name})}
        </button>
      </Buttons>
      {code !== undefined && <p class="trouble">{troubleWords(t, code)}</p>}
    </div>
  )
}

function RedeemAsk({ask, session}: Asked<'redeem'>) {
  return (
    <WithOffer incentive={ask.incentive} id={ask.offer}>
      {(offer, incentive) => <Redeem ask={ask} session={session} offer={offer} incentive={incentive} />}
    </WithOffer>
  )
}

function Redeem({
  ask,
  session,
  offer,
  incentive
}: Omit<Asked<'redeem'>, 'origin'> & {readonly offer: OfferView; readonly incentive: IncentiveView}) {
  const {t, language} = useWords()
  const balances = useBalances(session.account)
  const {isBusy, outcome, run} = useAct()
  const [org, code = ''] = incentive.id.split('/')
  const total = ask.quantity * offer.priceMinor
  const has = balances.value?.of(incentive.id, 'available')
  const isShort = has !== undefined && has < total
  const redeem = async (): Promise<void> => {
    const made = await newCode().catch(() => undefined)
    const measure = {decimals: incentive.decimals, lotMinor: String(incentive.lotMinor)}
    const {offer: id, quantity} = ask
    const body = {type: 'redemption.request', offer: id, quantity, priceAtMostMinor: String(offer.priceMinor), measure} as const
    const came = await run(made === undefined ? body : {...body, code: made}, t('offers.about', {item: plainText(offer.item)}))
    if (came?.status === 'done') goBack(ask, {redemption: came.applied.result.redemption})
  }
  const answered = answeredBefore(ask)
  const isGone = offer.stopped === true || offer.stock < ask.quantity
  return (
    <div class="sheet">
      {offer.picture !== undefined && <Picture digest={offer.picture} />}
      <h2>
        {ask.quantity} × <Issued text={offer.item} />
      </h2>
      <p class="faint">
        {org} · {t(offer.where === 'in-store' ? 'offers.inStore' : 'offers.inApp')}
      </p>
      <p class="sum">
        {formatMinor(total, incentive.decimals, language)} {code}
      </p>
      {has !== undefined && <p class="faint small">{t('offers.short', {amount: formatMinor(has, incentive.decimals, language), code})}</p>}
      {isGone && answered === undefined && <p class="faint">{t('offers.soldOut')}</p>}
      <Buttons ask={ask}>
        <button
          type="button"
          class="main"
          disabled={answered === undefined && (isBusy || isShort || isGone)}
          onClick={() => (answered === undefined ? void redeem() : goBack(ask, answered))}
        >
          {answered !== undefined
            ? t('ask.goBack')
            : isBusy
              ? t('act.busy')
              : t('offers.redeem', {amount: formatMinor(total, incentive.decimals, language), code})}
        </button>
      </Buttons>
      <OutcomeWords of={outcome} done={() => t('redemption.held')} />
    </div>
  )
}

function CaptureAsk({ask, session}: Asked<'capture'>) {
  const {t} = useWords()
  const redemption = useSignedRead(`/v1/redemptions/${ask.redemption}`, redemptionViewSchema)
  return (
    <Read of={redemption}>
      {(found) =>
        found.status === 'held' ? (
          <WithOffer incentive={found.incentive} id={found.offer}>
            {(offer, incentive) => <Capture ask={ask} session={session} redemption={found} offer={offer} incentive={incentive} />}
          </WithOffer>
        ) : (
          <div class="sheet">
            <p>{t('ask.ended')}</p>
            <No ask={ask} word={t('ask.goBack')} />
          </div>
        )
      }
    </Read>
  )
}

function Capture({
  ask,
  redemption,
  offer,
  incentive
}: Omit<Asked<'capture'>, 'origin'> & {
  readonly redemption: RedemptionView
  readonly offer: OfferView
  readonly incentive: IncentiveView
}) {
  const {t, language} = useWords()
  const {isBusy, outcome, run} = useAct()
  const capture = async (): Promise<void> => {
    const came = await run({type: 'redemption.capture', redemption: ask.redemption}, t('capture.about', {redemption: ask.redemption}))
    if (came?.status === 'done') goBack(ask, {redemption: ask.redemption})
  }
  return (
    <div class="sheet">
      <h2>
        {redemption.quantity} × <Issued text={offer.item} />
      </h2>
      <p class="sum">
        {formatMinor(redemption.amountMinor, incentive.decimals, language)} {incentive.id.split('/')[1]}
      </p>
      <p class="faint small">
        {redemption.id} · {formatTime(redemption.requestedAtMs, language)}
      </p>
      <Buttons ask={ask}>
        <button type="button" class="main" disabled={isBusy} onClick={() => void capture()}>
          {isBusy ? t('act.busy') : t('ask.capture.do')}
        </button>
      </Buttons>
      <OutcomeWords of={outcome} done={() => t('capture.done')} />
    </div>
  )
}

function WithOffer({
  incentive,
  id,
  children
}: {
  readonly incentive: string
  readonly id: string
  readonly children: (offer: OfferView, incentive: IncentiveView) => ComponentChildren
}) {
  const {t} = useWords()
  const offers = useSignedRead(`/v1/offers?incentive=${encodeURIComponent(incentive)}&limit=1000`, offersSchema)
  const measure = useSignedRead(`/v1/incentives/${incentive}`, incentiveViewSchema)
  return (
    <Read of={offers}>
      {({offers: all}) => (
        <Read of={measure}>
          {(found) => {
            const offer = all.find((one) => one.id === id)
            return offer === undefined ? <p class="empty">{t('trouble.not_found')}</p> : children(offer, found)
          }}
        </Read>
      )}
    </Read>
  )
}

function Buttons({ask, children}: {readonly ask: AppAsk; readonly children: ComponentChildren}) {
  return (
    <div class="row">
      {children}
      <No ask={ask} />
    </div>
  )
}

function No({ask, word}: {readonly ask: AppAsk; readonly word?: string}) {
  const {t} = useWords()
  return (
    <button type="button" onClick={() => location.assign(answerHref(ask, null))}>
      {word ?? t('ask.no')}
    </button>
  )
}

/** The answer is kept in this tab: who comes back by the browser's own button does nothing a second time. */
function goBack(ask: AppAsk, result: Readonly<Record<string, unknown>>): void {
  if (ask.ask !== 'sign-in') sessionStorage.setItem(ANSWERED + ask.state, JSON.stringify(result))
  location.assign(answerHref(ask, result))
}

function answeredBefore(ask: AppAsk): Readonly<Record<string, unknown>> | undefined {
  const kept = sessionStorage.getItem(ANSWERED + ask.state)
  return kept === null ? undefined : (JSON.parse(kept) as Record<string, unknown>)
}

function readOrNot(encoded: string): ReturnType<typeof readAsk> | undefined {
  try {
    return readAsk(encoded)
  } catch {
    return undefined
  }
}
