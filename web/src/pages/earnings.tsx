import * as z from 'zod/mini'
import {epochViewSchema, type IncentiveView, nodeViewSchema} from '../../../src/core/protocol/api.ts'
import {useSession} from '../account/session.ts'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {NodeEarnings} from '../earnings/node-earnings.tsx'
import {formatGutta} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'
import {incentivesSchema, NoAccount} from './portfolio.tsx'

const READ_EVERY_MS = 10_000
const NODES_SHOWN = 50
const EPOCHS_SHOWN = 24
const nodesSchema = z.object({nodes: z.array(nodeViewSchema)})
const epochsSchema = z.object({epochs: z.array(epochViewSchema)})

/** What an owner's machines do and earn. */
export function Earnings() {
  const {t} = useWords()
  const session = useSession()
  const news = usePulse(READ_EVERY_MS)
  const nodes = useSignedRead(session && `/v1/nodes?owner=${session.account}&limit=${NODES_SHOWN}`, nodesSchema, news)
  const incentives = useSignedRead(session && '/v1/incentives?limit=1000', incentivesSchema)
  if (session === undefined) return <NoAccount />
  const known: readonly IncentiveView[] = incentives.value?.incentives ?? []
  return (
    <section>
      <h1>{t('nav.earnings')}</h1>
      <p class="lead">{t('earnings.lead')}</p>
      <OwnGutta account={session.account} />
      <h2>{t('earnings.nodes')}</h2>
      <Read of={nodes} lines={3}>
        {(view) =>
          view.nodes.length === 0 ? (
            <div class="empty">
              <p>{t('earnings.none')}</p>
              <p>
                <code>creo mine start</code>
              </p>
            </div>
          ) : (
            view.nodes.map((node) => <NodeEarnings key={node.id} node={node} known={known} />)
          )
        }
      </Read>
    </section>
  )
}

/** What of the last epochs went to this owner. */
function OwnGutta({account}: {readonly account: string}) {
  const {t, language} = useWords()
  const news = usePulse(READ_EVERY_MS)
  const epochs = useSignedRead(`/v1/epochs?limit=${EPOCHS_SHOWN}`, epochsSchema, news)
  return (
    <Read of={epochs} lines={1}>
      {(view) => {
        const shares = view.epochs.flatMap((epoch) => epoch.shares.filter((share) => share.account === account))
        const sum = shares.reduce((total, share) => total + share.amountMicroGutta, 0)
        return (
          <dl class="facts sheet">
            <div class="fact-main">
              <dt>{view.epochs.length === 0 ? t('earnings.noEpoch') : t('earnings.gutta', {count: view.epochs.length})}</dt>
              <dd>
                {formatGutta(sum, language)} {t('unit.gutta')}
              </dd>
            </div>
          </dl>
        )
      }}
    </Read>
  )
}
