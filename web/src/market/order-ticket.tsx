import {useEffect, useState} from 'preact/hooks'
import type {IncentiveView} from '../../../src/core/protocol/api.ts'
import {GUTTA_DECIMALS} from '../../../src/core/units.ts'
import {useSession} from '../account/session.ts'
import {useAct} from '../account/use-act.ts'
import {useBalances} from '../data/balances.ts'
import {useGenesis} from '../data/genesis.ts'
import {formatLots, formatMinor, priceText, typedDecimal} from '../format.ts'
import {Choice, Field} from '../parts/field.tsx'
import {Opener} from '../parts/opener.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {useWords} from '../words.ts'
import {Foreseen} from './foreseen.tsx'
import {KINDS, type Order, readTicket, SELF_TRADES, type Ticket, type TicketProblem, timesOf} from './order-terms.ts'
import {orderWords} from './order-words.ts'

const HOUR_MS = 3_600_000
const EMPTY: Ticket = {side: 'buy', kind: 'limit', time: 'GTC', amount: '', price: '', hours: '24', selfTrade: 'stop'}

/** A ticket with every kind of order, what it would come to, and what became of it. */
export function OrderTicket({incentive, picked}: {readonly incentive: IncentiveView; readonly picked: number | undefined}) {
  const {t, language} = useWords()
  const [ticket, setTicket] = useState(EMPTY)
  const [isTried, setTried] = useState(false)
  const genesis = useGenesis()
  const {isBusy, outcome, run, clear} = useAct()
  const code = incentive.id.split('/')[1] ?? ''
  useEffect(() => {
    if (picked !== undefined) setTicket((before) => ({...before, price: typedPrice(picked, incentive, language)}))
  }, [picked, incentive, language])
  const order = readTicket(ticket, incentive, language)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTried(true)
    if ('problem' in order) return
    const came = await run(
      (nowMs) => bodyOf({ticket, order, incentive, language, nowMs}),
      t(`ticket.about.${ticket.side}`, {amount: ticket.amount, code})
    )
    if (came?.status !== 'done') return
    setTicket((before) => ({...before, amount: ''}))
    setTried(false)
  }
  const change = (next: Ticket): void => {
    setTicket(next)
    clear()
  }
  return (
    <section class="sheet ticket">
      <h2>{t('ticket.title')}</h2>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Settings
          incentive={incentive}
          ticket={ticket}
          onChange={change}
          problem={'problem' in order ? order.problem : undefined}
          isTried={isTried}
        />
        {!('problem' in order) && genesis !== undefined && (
          <Foreseen ticket={ticket} order={order} incentive={incentive} fees={genesis.fees} />
        )}
        <Opener>
          <button type="submit" class={`main wide ${ticket.side}`} disabled={isBusy}>
            {isBusy ? t('act.busy') : t(`ticket.do.${ticket.side}`, {code})}
          </button>
        </Opener>
        <OutcomeWords of={outcome} done={(result) => orderWords(result, {t, language}, incentive)} />
      </form>
    </section>
  )
}

interface SettingsProps {
  readonly incentive: IncentiveView
  readonly ticket: Ticket
  readonly onChange: (ticket: Ticket) => void
  readonly problem: TicketProblem | undefined
  /** What is still empty is wrong only then. */
  readonly isTried: boolean
}

function Settings({incentive, ticket, onChange, problem, isTried}: SettingsProps) {
  const {t, language} = useWords()
  const session = useSession()
  const change = (part: Partial<Ticket>): void => onChange(fitting({...ticket, ...part}))
  const wrong = (typed: string, ...kinds: readonly TicketProblem[]): string | undefined =>
    problem !== undefined && kinds.includes(problem) && (isTried || typed !== '')
      ? t(`ticket.wrong.${problem}`, {step: formatLots(1, incentive, language)})
      : undefined
  return (
    <>
      <fieldset class="segments sides">
        <legend class="unseen">{t('book.side')}</legend>
        {(['buy', 'sell'] as const).map((side) => (
          <label key={side} class={side}>
            <input type="radio" name="side" checked={ticket.side === side} onChange={() => change({side})} />
            <span>{t(`ticket.${side}`)}</span>
          </label>
        ))}
      </fieldset>
      <Choice
        label={t('ticket.kind')}
        value={ticket.kind}
        of={KINDS}
        words={(kind) => t(`kind.${kind}`)}
        onChange={(kind) => change({kind})}
        hint={t(`kind.${ticket.kind}.why`)}
      />
      <Field
        label={t('book.amount')}
        unit={incentive.id.split('/')[1] ?? ''}
        inputMode="decimal"
        value={ticket.amount}
        onInput={(amount) => change({amount})}
        problem={wrong(ticket.amount, 'amount', 'lot', 'large')}
        hint={<Available incentive={incentive} side={ticket.side} account={session?.account} />}
      />
      <Field
        label={t(ticket.kind === 'market' ? 'ticket.worst' : 'ticket.price')}
        unit={t('unit.gutta')}
        inputMode="decimal"
        value={ticket.price}
        onInput={(price) => change({price})}
        problem={wrong(ticket.price, 'price', 'step')}
      />
      <Times ticket={ticket} onChange={change} problem={wrong(ticket.hours, 'hours')} />
    </>
  )
}

/** How long it is good for, and what it does when it meets one's own. */
function Times({
  ticket,
  onChange,
  problem
}: {
  readonly ticket: Ticket
  readonly onChange: (part: Partial<Ticket>) => void
  readonly problem: string | undefined
}) {
  const {t} = useWords()
  return (
    <>
      <Choice
        label={t('ticket.time')}
        value={ticket.time}
        of={timesOf(ticket.kind)}
        words={(time) => t(`time.${time}`)}
        onChange={(time) => onChange({time})}
      />
      {ticket.time === 'GTT' && (
        <Field
          label={t('ticket.hours')}
          inputMode="decimal"
          value={ticket.hours}
          onInput={(hours) => onChange({hours})}
          problem={problem}
        />
      )}
      <details>
        <summary>{t('ticket.more')}</summary>
        <Choice
          label={t('ticket.self')}
          value={ticket.selfTrade}
          of={SELF_TRADES}
          words={(one) => t(`self.${one}`)}
          onChange={(selfTrade) => onChange({selfTrade})}
        />
      </details>
    </>
  )
}

function fitting(ticket: Ticket): Ticket {
  const times = timesOf(ticket.kind)
  return times.includes(ticket.time) ? ticket : {...ticket, time: times[0] ?? ticket.time}
}

/** As it would be typed: without marks between thousands. */
function typedPrice(priceMicroGutta: number, incentive: IncentiveView, language: string): string {
  return new Intl.NumberFormat(language, {useGrouping: false, maximumFractionDigits: GUTTA_DECIMALS}).format(
    priceText(priceMicroGutta, incentive) as Intl.StringNumericLiteral
  )
}

function Available({
  incentive,
  side,
  account
}: {
  readonly incentive: IncentiveView
  readonly side: Ticket['side']
  readonly account: string | undefined
}) {
  const {t, language} = useWords()
  const {value} = useBalances(account)
  if (value === undefined) return null
  const [asset, decimals, unit] =
    side === 'buy' ? ['gutta', GUTTA_DECIMALS, t('unit.gutta')] : [incentive.id, incentive.decimals, incentive.id.split('/')[1]]
  return <>{t('ticket.have', {amount: `${formatMinor(value.of(String(asset), 'available'), Number(decimals), language)} ${unit}`})}</>
}

/** As it is signed; `nowMs` by the network's clock, since this device's may be wrong. */
function bodyOf({
  ticket,
  order: {lots, priceMicroGutta},
  incentive: {id: incentive, decimals, lotMinor},
  language,
  nowMs
}: {
  readonly ticket: Ticket
  readonly order: Order
  readonly incentive: IncentiveView
  readonly language: string
  readonly nowMs: number
}) {
  const hours = Number(typedDecimal(ticket.hours, language))
  return {
    type: 'order.place' as const,
    incentive,
    side: ticket.side,
    priceMicroGutta: String(priceMicroGutta),
    lots: String(lots),
    kind: ticket.kind,
    timeInForce: ticket.time,
    measure: {decimals, lotMinor: String(lotMinor)},
    ...(ticket.time === 'GTT' ? {expiresAtMs: Math.round(nowMs + hours * HOUR_MS)} : {}),
    ...(ticket.selfTrade === 'stop' ? {} : {selfTrade: ticket.selfTrade})
  }
}
