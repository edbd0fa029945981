import {useEffect, useState} from 'preact/hooks'
import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {type SwapQuote, swapQuoteSchema} from '../../../src/core/protocol/market-data.ts'
import {parseDecimal} from '../../../src/core/units.ts'
import {useSession} from '../account/session.ts'
import {useAct} from '../account/use-act.ts'
import {useBalances} from '../data/balances.ts'
import {usePulse} from '../data/live.ts'
import {type Reading, useSignedRead} from '../data/use-read.ts'
import {formatGutta, formatLots, formatMinor, typedDecimal} from '../format.ts'
import {Choice, Field} from '../parts/field.tsx'
import {Opener} from '../parts/opener.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'
import {incentivesSchema} from './portfolio.tsx'

const READ_EVERY_MS = 3_000
const TYPING_MS = 350
/** How much worse than the quote is still accepted, per mille. */
const TOLERANCES = [0, 5, 10, 50] as const
const PERMILLE = 1000

type Exact = 'send' | 'receive'

/** One incentive for another in one step, through Gutta: whole or not at all. */
export function Swap() {
  const {t} = useWords()
  const incentives = useSignedRead('/v1/incentives?limit=1000', incentivesSchema)
  return (
    <section class="narrow">
      <h1>{t('nav.swap')}</h1>
      <p class="lead">{t('swap.lead')}</p>
      <Read of={incentives}>
        {(view) =>
          view.incentives.length < 2 ? (
            <div class="empty">
              <p>{t('swap.few')}</p>
            </div>
          ) : (
            <SwapForm incentives={view.incentives} />
          )
        }
      </Read>
    </section>
  )
}

function SwapForm({incentives}: {readonly incentives: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  const session = useSession()
  const balances = useBalances(session?.account)
  const ids = incentives.map(({id}) => id)
  const [fromId, setFrom] = useState(ids[0] ?? '')
  const [toId, setTo] = useState(ids[1] ?? '')
  const [exact, setExact] = useState<Exact>('send')
  const [amount, setAmount] = useState('')
  const [tolerance, setTolerance] = useState<string>(String(TOLERANCES[2]))
  const {isBusy, outcome, run} = useAct()
  const [from, to] = [incentives.find(({id}) => id === fromId), incentives.find(({id}) => id === toId)]
  const lots = from && to ? lotsOf(amount, exact === 'send' ? from : to, language) : undefined
  const quote = useQuote({from: fromId, to: toId, exact, lots, account: session?.account})
  if (from === undefined || to === undefined) return null
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (quote.value === undefined) return
    const worst = worstOf(quote.value, exact, Number(tolerance))
    const [fromMeasure, toMeasure] = [from, to].map(({decimals, lotMinor}) => ({decimals, lotMinor: String(lotMinor)}))
    await run({type: 'swap', from: fromId, to: toId, exact, ...worst, fromMeasure, toMeasure}, t('swap.about', {from: fromId, to: toId}))
  }
  const has = balances.value?.of(fromId, 'available')
  return (
    <form class="sheet" onSubmit={(event) => void submit(event)}>
      <Choice
        label={t('swap.from')}
        value={fromId}
        of={ids}
        words={String}
        onChange={setFrom}
        {...(has === undefined ? {} : {hint: t('ticket.have', {amount: formatMinor(has, from.decimals, language)})})}
      />
      <Choice label={t('swap.to')} value={toId} of={ids} words={String} onChange={setTo} />
      <Choice label={t('swap.exact')} value={exact} of={['send', 'receive']} words={(one) => t(`swap.${one}`)} onChange={setExact} />
      <Field
        label={t('book.amount')}
        unit={(exact === 'send' ? fromId : toId).split('/')[1] ?? ''}
        inputMode="decimal"
        value={amount}
        onInput={setAmount}
        problem={
          amount !== '' && lots === undefined
            ? t('ticket.wrong.lot', {step: formatLots(1, exact === 'send' ? from : to, language)})
            : undefined
        }
      />
      <Choice
        label={t('swap.tolerance')}
        value={tolerance}
        of={TOLERANCES.map(String)}
        words={(one) => new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: 1}).format(Number(one) / PERMILLE)}
        onChange={setTolerance}
      />
      {fromId === toId && <p class="warn">{t('swap.same')}</p>}
      {lots !== undefined && fromId !== toId && <Quoted of={quote} from={from} to={to} exact={exact} permille={Number(tolerance)} />}
      <Opener>
        <button type="submit" class="main wide" disabled={isBusy || quote.value === undefined || lots === undefined || fromId === toId}>
          {isBusy ? t('act.busy') : t('nav.swap')}
        </button>
      </Opener>
      <OutcomeWords
        of={outcome}
        done={(result) => t('swap.done', {amount: formatLots(Number(result.deliveredLots), to, language), code: toId.split('/')[1] ?? ''})}
      />
    </form>
  )
}

/** What it would come to, and the worst of it that is signed. */
function Quoted({
  of,
  from,
  to,
  exact,
  permille
}: {
  readonly of: Reading<SwapQuote>
  readonly from: IncentiveView
  readonly to: IncentiveView
  readonly exact: Exact
  readonly permille: number
}) {
  const {t, language} = useWords()
  const worst = (value: SwapQuote): string => {
    const {sendLots, receiveLots} = worstOf(value, exact, permille)
    const [lots, incentive] = exact === 'send' ? [receiveLots, to] : [sendLots, from]
    return `${formatLots(Number(lots), incentive, language)} ${incentive.id.split('/')[1]}`
  }
  return (
    <Read of={of} lines={1}>
      {(value) => (
        <dl class="foreseen">
          <dt>{t('swap.sent')}</dt>
          <dd>
            {formatLots(value.sentLots, from, language)} {from.id.split('/')[1]}
          </dd>
          <dt>{t('swap.delivered')}</dt>
          <dd>
            {formatLots(value.deliveredLots, to, language)} {to.id.split('/')[1]}
          </dd>
          <dt>{t(exact === 'send' ? 'swap.least' : 'swap.most')}</dt>
          <dd>{worst(value)}</dd>
          <dt>{t('preview.fee')}</dt>
          <dd>
            {formatGutta(value.feeMicroGutta, language)} {t('unit.gutta')}
          </dd>
          <dt>{t('swap.left')}</dt>
          <dd>
            {formatGutta(value.leftMicroGutta, language)} {t('unit.gutta')}
          </dd>
        </dl>
      )}
    </Read>
  )
}

interface Wanted {
  readonly from: string
  readonly to: string
  readonly exact: Exact
  readonly lots: number | undefined
  readonly account: string | undefined
}

/** What it would come to now, asked when the typing pauses and when the markets move. */
function useQuote({from, to, exact, lots, account}: Wanted) {
  const news = usePulse(READ_EVERY_MS)
  const query = new URLSearchParams({from, to, exact, lots: String(lots ?? 0), ...(account === undefined ? {} : {account})})
  const wanted = lots === undefined || from === to ? undefined : `/v1/swaps/quote?${query}`
  const [path, setPath] = useState<string>()
  useEffect(() => {
    const timer = setTimeout(() => setPath(wanted), TYPING_MS)
    return () => clearTimeout(timer)
  }, [wanted])
  const read = useSignedRead(path, swapQuoteSchema, news)
  return path === wanted && path !== undefined && read.trouble === undefined ? read : {...read, value: undefined}
}

function worstOf({sentLots, deliveredLots}: SwapQuote, exact: Exact, permille: number) {
  const slack = (lots: number, by: number): string => String((BigInt(lots) * BigInt(by)) / BigInt(PERMILLE))
  return exact === 'send'
    ? {
        sendLots: String(sentLots),
        receiveLots: slack(deliveredLots, PERMILLE - permille) === '0' ? '1' : slack(deliveredLots, PERMILLE - permille)
      }
    : {sendLots: slack(sentLots, PERMILLE + permille), receiveLots: String(deliveredLots)}
}

function lotsOf(amount: string, incentive: IncentiveView, language: string): number | undefined {
  try {
    const minor = parseDecimal(typedDecimal(amount, language), incentive.decimals)
    return minor > 0 && minor % incentive.lotMinor === 0 ? minor / incentive.lotMinor : undefined
  } catch {
    return undefined
  }
}
