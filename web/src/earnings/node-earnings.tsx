import * as z from 'zod/mini'
import {type IncentiveView, type NodeView, nodeViewSchema, type ReceiptView, receiptViewSchema} from '../../../src/core/protocol/api.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {formatMinor, formatTime} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'

const READ_EVERY_MS = 10_000
const RECEIPTS_READ = 200
const RECEIPTS_SHOWN = 5
const presenceSchema = z.nullable(z.object({lastHeartbeatMs: z.int(), instances: z.int(), noWorkReason: z.nullable(z.string())}))
const receiptsSchema = z.object({receipts: z.array(receiptViewSchema)})
const nodeSchema = z.object({node: nodeViewSchema, presence: presenceSchema})
/** The coordinator lays the node and what it last said into one object. */
const withPresence = {
  parse: (value: unknown) =>
    nodeSchema.parse({node: nodeViewSchema.parse(value), presence: (value as {readonly presence?: unknown}).presence})
}

/** One machine: what it does now, and what it was paid last. */
export function NodeEarnings({node, known}: {readonly node: NodeView; readonly known: readonly IncentiveView[]}) {
  const {t, language} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const state = useSignedRead(`/v1/nodes/${node.id}`, withPresence, news)
  const receipts = useSignedRead(`/v1/receipts?node=${node.id}&limit=${RECEIPTS_READ}`, receiptsSchema, news)
  const amount = (incentive: string, minor: number): string =>
    `${formatMinor(minor, known.find(({id}) => id === incentive)?.decimals ?? 0, language)} ${incentive.split('/')[1] ?? ''}`
  return (
    <article class="sheet">
      <h3>
        <bdi>{node.name}</bdi> <small>{node.architecture}</small>
      </h3>
      <Read of={state} lines={1}>
        {({presence}) => (
          <p>
            {presence === null ? t('node.away') : t('node.runs', {count: presence.instances})}
            {presence !== null && <small> {t('node.seen', {time: formatTime(presence.lastHeartbeatMs, language)})}</small>}
            {presence?.noWorkReason && (
              <small lang="en" dir="ltr">
                {' '}
                {presence.noWorkReason}
              </small>
            )}
          </p>
        )}
      </Read>
      <Read of={receipts} lines={2}>
        {(view) =>
          view.receipts.length === 0 ? (
            <p class="faint">{t('node.unpaid')}</p>
          ) : (
            <>
              <p>
                {t('node.paid', {
                  count: view.receipts.length,
                  sums: paidOf(view.receipts)
                    .map(([id, minor]) => amount(id, minor))
                    .join(' + ')
                })}
              </p>
              <ul class="plain-list">
                {view.receipts.slice(0, RECEIPTS_SHOWN).map((receipt) => (
                  <li key={receipt.id}>
                    {receipt.paid.map((paid) => amount(paid.incentive, paid.amountMinor)).join(' + ') || '0'}
                    <small>
                      {formatTime(receipt.atMs, language)} · {t('node.requests', {count: receipt.requests})}
                    </small>
                  </li>
                ))}
              </ul>
            </>
          )
        }
      </Read>
    </article>
  )
}

/** By incentive, in minor units. */
function paidOf(receipts: readonly ReceiptView[]): readonly (readonly [string, number])[] {
  const sums = new Map<string, number>()
  for (const {paid} of receipts) for (const {incentive, amountMinor} of paid) sums.set(incentive, (sums.get(incentive) ?? 0) + amountMinor)
  return [...sums]
}
