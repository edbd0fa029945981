import {useState} from 'preact/hooks'
import * as z from 'zod/mini'
import {type IncentiveView, incentiveViewSchema, type OrderView, orderViewSchema} from '../../../src/core/protocol/api.ts'
import {GUTTA_DECIMALS} from '../../../src/core/units.ts'
import {useSession} from '../account/session.ts'
import {useAct} from '../account/use-act.ts'
import {type Balances, useBalances} from '../data/balances.ts'
import {type Reading, useSignedRead} from '../data/use-read.ts'
import {formatLots, formatMinor, formatPrice, formatTime} from '../format.ts'
import {reasonWords} from '../market/order-words.ts'
import {ReplaceOrder} from '../market/replace-order.tsx'
import {OutcomeWords} from '../parts/outcome.tsx'
import {Pages} from '../parts/pages.tsx'
import {Read} from '../parts/read-state.tsx'
import {Redemptions} from '../parts/redemptions.tsx'
import {marketHref} from '../route.ts'
import {useWords} from '../words.ts'

const ORDERS_SHOWN = 20
const ordersSchema = z.object({orders: z.array(orderViewSchema), next: z.optional(z.string())})
export const incentivesSchema = z.object({incentives: z.array(incentiveViewSchema)})

/** What an account has, wants and did. */
export function Portfolio() {
  const {t} = useWords()
  const session = useSession()
  const balances = useBalances(session?.account)
  const incentives = useSignedRead(session === undefined ? undefined : '/v1/incentives?limit=1000', incentivesSchema)
  if (session === undefined) return <NoAccount />
  const known = incentives.value?.incentives ?? []
  return (
    <section>
      <h1>{t('nav.portfolio')}</h1>
      <nav class="row links" aria-label={t('nav.more')}>
        <a href="#/earnings">{t('nav.earnings')}</a>
        <a href="#/issuer">{t('nav.issuer')}</a>
      </nav>
      <Holdings balances={balances} known={known} />
      <Orders account={session.account} known={known} canAct={session.key !== undefined} />
      <h2>{t('redemptions.mine')}</h2>
      <Redemptions account={session.account} known={known} />
    </section>
  )
}

export function NoAccount() {
  const {t} = useWords()
  return (
    <section class="empty">
      <p>{t('account.lead')}</p>
      <a class="button main" href="#/account">
        {t('opener.none')}
      </a>
    </section>
  )
}

function Holdings({balances, known}: {readonly balances: Reading<Balances>; readonly known: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  return (
    <Read of={balances} lines={2}>
      {({assets, of}) =>
        assets.filter((asset) => of(asset, 'available') + of(asset, 'held') + of(asset, 'pool') > 0).length === 0 ? (
          <div class="empty">
            <p>{t('holdings.none')}</p>
          </div>
        ) : (
          <ul class="holdings">
            {assets.map((asset) => {
              const incentive = known.find(({id}) => id === asset)
              const decimals = asset === 'gutta' ? GUTTA_DECIMALS : (incentive?.decimals ?? 0)
              if (asset !== 'gutta' && incentive === undefined) return null
              const [org, code] = asset.split('/')
              const held = of(asset, 'held')
              return (
                <li class="sheet" key={asset}>
                  {asset === 'gutta' ? <strong>{t('unit.gutta')}</strong> : <a href={marketHref(asset)}>{code}</a>}{' '}
                  <span class="org">{code === undefined ? '' : org}</span>
                  <p class="sum">{formatMinor(of(asset, 'available'), decimals, language)}</p>
                  {held > 0 && <small>{t('holdings.held', {amount: formatMinor(held, decimals, language)})}</small>}
                </li>
              )
            })}
          </ul>
        )
      }
    </Read>
  )
}

function Orders({account, known, canAct}: {readonly account: string; readonly known: readonly IncentiveView[]; readonly canAct: boolean}) {
  const {t} = useWords()
  const {isBusy, outcome, run} = useAct()
  const [replaced, setReplaced] = useState<OrderView>()
  const measure = known.find(({id}) => id === replaced?.incentive)
  const cancelAll = async (): Promise<void> => {
    await run({type: 'orders.cancel'}, t('orders.about.all'))
  }
  const cancel = async (order: string): Promise<void> => {
    await run({type: 'order.cancel', order}, t('orders.about.one', {order}))
  }
  return (
    <>
      <h2>{t('orders.open')}</h2>
      <OutcomeWords of={outcome} done={() => t('orders.cancelled')} />
      {replaced && measure && (
        <ReplaceOrder key={replaced.id} order={replaced} incentive={measure} onClose={() => setReplaced(undefined)} />
      )}
      <Pages path={`/v1/accounts/${account}/orders?status=open&limit=${ORDERS_SHOWN}`} schema={ordersSchema} lines={2}>
        {({orders}, {isFirst}) => (
          <>
            {canAct && isFirst && orders.length > 1 && (
              <p>
                <button type="button" disabled={isBusy} onClick={() => void cancelAll()}>
                  {t('orders.cancelAll')}
                </button>
              </p>
            )}
            <OrderTable
              title={t('orders.open')}
              orders={orders}
              known={known}
              none={t('orders.none')}
              onCancel={canAct && !isBusy ? (order) => void cancel(order) : undefined}
              onReplace={canAct ? setReplaced : undefined}
            />
          </>
        )}
      </Pages>
      <h2>{t('orders.history')}</h2>
      <Pages path={`/v1/accounts/${account}/orders?limit=${ORDERS_SHOWN}`} schema={ordersSchema}>
        {({orders}, {isFirst, isLast}) => (
          <OrderTable
            title={t('orders.history')}
            orders={orders.filter(({status}) => status !== 'open')}
            known={known}
            none={isFirst && isLast ? t('orders.noHistory') : t('orders.noneHere')}
          />
        )}
      </Pages>
    </>
  )
}

function OrderTable({
  title,
  orders,
  known,
  none,
  onCancel,
  onReplace
}: {
  readonly title: string
  readonly orders: readonly OrderView[]
  readonly known: readonly IncentiveView[]
  readonly none: string
  readonly onCancel?: ((order: string) => void) | undefined
  readonly onReplace?: ((order: OrderView) => void) | undefined
}) {
  const {t} = useWords()
  if (orders.length === 0) return <p class="faint">{none}</p>
  return (
    <table class="cards sheet-table">
      <caption class="unseen">{title}</caption>
      <thead>
        <tr>
          {(['orders.order', 'unit.each', 'book.amount', 'orders.state', 'orders.placed'] as const).map((key) => (
            <th scope="col" class={key === 'unit.each' || key === 'book.amount' ? 'number' : ''} key={key}>
              {t(key)}
            </th>
          ))}
          <th scope="col">
            <span class="unseen">{t('orders.cancel')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {orders.map((order) => (
          <OrderRow
            key={order.id}
            order={order}
            incentive={known.find(({id}) => id === order.incentive)}
            onCancel={onCancel}
            onReplace={onReplace}
          />
        ))}
      </tbody>
    </table>
  )
}

function OrderRow({
  order,
  incentive,
  onCancel,
  onReplace
}: {
  readonly order: OrderView
  readonly incentive: IncentiveView | undefined
  readonly onCancel: ((order: string) => void) | undefined
  readonly onReplace: ((order: OrderView) => void) | undefined
}) {
  const {t, language} = useWords()
  if (incentive === undefined) return null
  const filled = order.lots - order.remainingLots
  const code = incentive.id.split('/')[1] ?? ''
  return (
    <tr>
      <th scope="row">
        <a href={marketHref(order.incentive)}>{t(`orders.${order.side}`, {code})}</a> <small>{order.id}</small>
      </th>
      <td class="number" data-label={t('unit.each')}>
        {formatPrice(order.priceMicroGutta, incentive, language)}
      </td>
      <td class="number" data-label={t('book.amount')}>
        {formatLots(order.lots, incentive, language)}
      </td>
      <td data-label={t('orders.state')}>
        {t(`status.${order.status}`)}
        {filled > 0 && filled < order.lots && <small>{t('orders.part', {filled: formatLots(filled, incentive, language)})}</small>}
        {order.reason !== null && order.status !== 'filled' && <small>{reasonWords(t, order.reason)}</small>}
      </td>
      <td data-label={t('orders.placed')}>{formatTime(order.placedAtMs, language)}</td>
      <td class="acts">
        {onReplace && (
          <button type="button" onClick={() => onReplace(order)} aria-label={t('replace.one', {order: order.id})}>
            {t('replace.change')}
          </button>
        )}{' '}
        {onCancel && (
          <button type="button" onClick={() => onCancel(order.id)} aria-label={t('orders.cancelOne', {order: order.id})}>
            {t('orders.cancel')}
          </button>
        )}
      </td>
    </tr>
  )
}
