import * as z from 'zod/mini'
import {accountViewSchema, balanceViewSchema, epochViewSchema} from '../../../src/core/protocol/api.ts'
import {useGenesis} from '../data/genesis.ts'
import {usePulse} from '../data/live.ts'
import {useRead} from '../data/use-read.ts'
import {formatGutta, formatPermille, formatSpan} from '../format.ts'
import {Read} from '../parts/read-state.tsx'
import {useWords} from '../words.ts'

const READ_EVERY_MS = 5_000
const EPOCHS_SHOWN = 24
const epochsSchema = z.object({epochs: z.array(epochViewSchema)})
const accountsSchema = z.object({accounts: z.array(accountViewSchema)})
const balancesSchema = z.object({balances: z.array(balanceViewSchema)})

/** How Gutta comes into being: how much there is, how much there will be, and who earned the last of it. */
export function Emission() {
  const {t, language} = useWords()
  const genesis = useGenesis()
  const news = usePulse(READ_EVERY_MS)
  const epochs = useRead(`/v1/epochs?limit=${EPOCHS_SHOWN}`, epochsSchema, news)
  const accounts = useRead('/v1/accounts?limit=1000', accountsSchema)
  const balances = useRead(genesis && `/v1/accounts/${genesis.exchangeOrg}/balances`, balancesSchema, news)
  const issued = -(balances.value?.balances.find(({asset, kind}) => asset === 'gutta' && kind === 'issued')?.amountMinor ?? 0)
  const nameOf = (id: string): string => accounts.value?.accounts.find((account) => account.id === id)?.name ?? id.slice(0, 12)
  return (
    <section>
      <h1>{t('emission.title')}</h1>
      <p class="lead">{t('emission.lead')}</p>
      {genesis && (
        <dl class="facts sheet">
          <div class="fact-main">
            <dt>{t('emission.supply')}</dt>
            <dd>{formatGutta(issued, language)}</dd>
          </div>
          <div>
            <dt>{t('emission.most')}</dt>
            <dd>{formatGutta(genesis.emission.totalMicroGutta, language)}</dd>
          </div>
          <div>
            <dt>{t('emission.each', {span: formatSpan(genesis.emission.epochMs, language)})}</dt>
            <dd>{formatGutta(genesis.emission.perEpochMicroGutta, language)}</dd>
          </div>
          <div>
            <dt>{t('emission.share')}</dt>
            <dd>{formatPermille(genesis.emission.ownerShareMaxPermille, language)}</dd>
          </div>
        </dl>
      )}
      <h2>{t('emission.last')}</h2>
      <Read of={epochs}>
        {(view) => {
          const paid = view.epochs.filter(({shares}) => shares.length > 0)
          return paid.length === 0 ? (
            <div class="empty">
              <p>{t('emission.none')}</p>
            </div>
          ) : (
            <table class="sheet-table">
              <caption class="unseen">{t('emission.last')}</caption>
              <thead>
                <tr>
                  <th scope="col">{t('emission.epoch')}</th>
                  <th scope="col" class="number">
                    {t('emission.minted')}
                  </th>
                  <th scope="col">{t('emission.who')}</th>
                </tr>
              </thead>
              <tbody>
                {paid.map((epoch) => (
                  <tr key={epoch.epoch}>
                    <td>{epoch.epoch}</td>
                    <td class="number">{formatGutta(epoch.mintedMicroGutta, language)}</td>
                    <td>
                      {epoch.shares.map((share) => (
                        <span class="buy" key={share.account}>
                          {nameOf(share.account)} <span class="cost">{formatGutta(share.amountMicroGutta, language)}</span>
                          {share.probes !== undefined && (
                            <small>{t('emission.probes', {good: share.probes.good, all: share.probes.good + share.probes.failed})}</small>
                          )}
                        </span>
                      ))}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }}
      </Read>
    </section>
  )
}
