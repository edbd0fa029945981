import {useEffect, useRef, useState} from 'preact/hooks'
import type {IncentiveView, OrderView} from '../../../src/core/protocol/api.ts'
import {useAct} from '../account/use-act.ts'
import {formatLots, priceText} from '../format.ts'
import {Field} from '../parts/field.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {useWords} from '../words.ts'
import {keepsPlace, readTicket, type TicketProblem} from './order-terms.ts'

/** Another price or size for an order that waits, at once or not at all; says before whether it keeps its place in the queue. */
export function ReplaceOrder({
  order,
  incentive,
  onClose
}: {
  readonly order: OrderView
  readonly incentive: IncentiveView
  readonly onClose: () => void
}) {
  const {t, language} = useWords()
  const [before] = useState(order)
  const plain = {useGrouping: false, maximumFractionDigits: 6}
  const typed = (text: string): string => new Intl.NumberFormat(language, plain).format(text as Intl.StringNumericLiteral)
  const [price, setPrice] = useState(typed(priceText(before.priceMicroGutta, incentive)))
  const [amount, setAmount] = useState(typed(formatLots(before.lots, incentive, 'en').replaceAll(',', '')))
  const {isBusy, outcome, run} = useAct()
  const form = useRef<HTMLFormElement>(null)
  // The order that is changed may stand far below.
  useEffect(() => form.current?.querySelector('input')?.focus(), [])
  const read = readTicket({side: before.side, kind: 'limit', time: 'GTC', amount, price, hours: '', selfTrade: 'stop'}, incentive, language)
  const problem = (...kinds: readonly TicketProblem[]): string | undefined =>
    'problem' in read && kinds.includes(read.problem)
      ? t(`ticket.wrong.${read.problem}`, {step: formatLots(1, incentive, language)})
      : undefined
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if ('problem' in read) return
    const body = {type: 'order.replace', order: before.id, priceMicroGutta: String(read.priceMicroGutta), lots: String(read.lots)} as const
    await run(body, t('replace.about', {order: before.id}))
  }
  return (
    <form
      ref={form}
      class="sheet replace"
      onSubmit={(event) => void submit(event)}
      noValidate
      aria-label={t('replace.one', {order: before.id})}
    >
      <Field
        label={t('ticket.price')}
        unit={t('unit.gutta')}
        inputMode="decimal"
        value={price}
        onInput={setPrice}
        problem={problem('price', 'step')}
      />
      <Field
        label={t('replace.size')}
        unit={incentive.id.split('/')[1] ?? ''}
        inputMode="decimal"
        value={amount}
        onInput={setAmount}
        problem={problem('amount', 'lot', 'large')}
      />
      <p class="faint" role="status">
        {'problem' in read ? '' : t(keepsPlace(before, read) ? 'replace.keeps' : 'replace.loses')}
      </p>
      <div class="row">
        <button type="submit" class="main" disabled={isBusy || 'problem' in read}>
          {isBusy ? t('act.busy') : t('replace.do')}
        </button>
        <button type="button" onClick={onClose} disabled={isBusy}>
          {t('replace.leave')}
        </button>
      </div>
      <OutcomeWords of={outcome} done={(result) => t(result.keptPriority === true ? 'replace.done.kept' : 'replace.done')} />
    </form>
  )
}
