import {useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {type IncentiveView, offerViewSchema, type RedemptionView, redemptionViewSchema} from '../../../src/core/protocol/api.ts'
import {useAct} from '../account/use-act.ts'
import {usePulse} from '../data/live.ts'
import {network} from '../data/network.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor, formatTime} from '../format.ts'
import {Field} from '../parts/field.tsx'
import {Issued} from '../parts/issued.tsx'
import {Opener} from '../parts/opener.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {Read} from '../parts/read-state.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'

const READ_EVERY_MS = 3_000
/** Shown, and captured by one press, oldest of the newest last. */
const SHOWN_MAX = 50
const offersSchema = z.object({offers: z.array(offerViewSchema)})
const redemptionsSchema = z.object({redemptions: z.array(redemptionViewSchema)})

/** What waits to be handed over: one by the code that its holder shows, one by one, or all that are shown. */
export function Captures({incentive}: {readonly incentive: IncentiveView}) {
  const {t} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const held = useSignedRead(`/v1/redemptions?incentive=${incentive.id}&status=held&limit=${SHOWN_MAX}`, redemptionsSchema, news)
  const {isBusy, outcome, run} = useAct()
  const [left, setLeft] = useState(0)
  const capture = (redemption: string) => run({type: 'redemption.capture', redemption}, t('capture.about', {redemption}))
  const captureAll = async (all: readonly RedemptionView[]): Promise<void> => {
    for (const [done, {id}] of all.entries()) {
      setLeft(all.length - done)
      // The first that is not done stops it, and says why.
      if ((await capture(id))?.status !== 'done') break
    }
    setLeft(0)
  }
  return (
    <>
      <h3>{t('capture.title')}</h3>
      <Opener>
        <ByCode incentive={incentive} isBusy={isBusy || left > 0} onFound={(id) => void capture(id)} />
      </Opener>
      <p role="status">{left > 0 && t('capture.left', {count: left})}</p>
      <OutcomeWords of={outcome} done={() => t('capture.done')} />
      <Read of={held} lines={2}>
        {({redemptions}) => (
          <Waiting
            redemptions={redemptions}
            incentive={incentive}
            isBusy={isBusy || left > 0}
            onCapture={(id) => void capture(id)}
            onAll={() => void captureAll(redemptions)}
          />
        )}
      </Read>
    </>
  )
}

function ByCode({
  incentive,
  isBusy,
  onFound
}: {
  readonly incentive: IncentiveView
  readonly isBusy: boolean
  readonly onFound: (redemption: string) => void
}) {
  const {t} = useWords()
  const [typed, setTyped] = useState('')
  const [code, setCode] = useState<string>()
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setCode(undefined)
    try {
      const [{redemptionOfCode}, net] = await Promise.all([import('../../../src/app-client/client.ts'), network()])
      onFound(await redemptionOfCode(net.id, typed, await net.redemptions({incentive: incentive.id, status: 'held'})))
      setTyped('')
    } catch (error) {
      setCode(codeOf(error))
    }
  }
  const words = (of: string): string =>
    of === 'invalid_input' || of === 'not_found' || of === 'conflict' ? t(`capture.${of}`) : troubleWords(t, of)
  return (
    <form class="row centred" onSubmit={(event) => void submit(event)}>
      <Field
        label={t('capture.code')}
        value={typed}
        onInput={(text) => {
          setTyped(text)
          setCode(undefined)
        }}
        problem={code === undefined ? undefined : words(code)}
        hint={t('capture.code.hint')}
      />
      <button type="submit" class="main" disabled={isBusy || typed.trim() === ''}>
        {t('capture.do')}
      </button>
    </form>
  )
}

function Waiting({
  redemptions,
  incentive,
  isBusy,
  onCapture,
  onAll
}: {
  readonly redemptions: readonly RedemptionView[]
  readonly incentive: IncentiveView
  readonly isBusy: boolean
  readonly onCapture: (redemption: string) => void
  readonly onAll: () => void
}) {
  const {t, language} = useWords()
  const [isAsked, setAsked] = useState(false)
  const offers = useSignedRead(`/v1/offers?incentive=${encodeURIComponent(incentive.id)}&limit=1000`, offersSchema)
  const itemOf = (id: string): string => offers.value?.offers.find((offer) => offer.id === id)?.item ?? id
  if (redemptions.length === 0) return <p class="faint">{t('capture.none')}</p>
  return (
    <>
      <ul class="plain-list">
        {redemptions.map((one) => (
          <li key={one.id} class="row spread-out">
            <span>
              {one.quantity} × <Issued text={itemOf(one.offer)} /> · {formatMinor(one.amountMinor, incentive.decimals, language)}{' '}
              {incentive.id.split('/')[1]}
              <small>
                {one.id} · {formatTime(one.requestedAtMs, language)}
              </small>
            </span>
            <button type="button" disabled={isBusy} onClick={() => onCapture(one.id)} aria-label={t('capture.one', {redemption: one.id})}>
              {t('capture.do')}
            </button>
          </li>
        ))}
      </ul>
      {redemptions.length > 1 &&
        (isAsked ? (
          <div class="row">
            <button
              type="button"
              class="main"
              disabled={isBusy}
              onClick={() => {
                setAsked(false)
                onAll()
              }}
            >
              {t('capture.all.sure', {count: redemptions.length})}
            </button>
            <button type="button" onClick={() => setAsked(false)}>
              {t('account.forget.no')}
            </button>
          </div>
        ) : (
          <button type="button" disabled={isBusy} onClick={() => setAsked(true)}>
            {t('capture.all', {count: redemptions.length})}
          </button>
        ))}
    </>
  )
}
