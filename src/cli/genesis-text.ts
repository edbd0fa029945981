import type {ShownTerms} from '../developer/network-terms.ts'
import {wrap} from './error-words.ts'
import {formatSpanMs} from './format.ts'

const COLUMNS = 80
const DAY_MS = 24 * 3_600_000
const YEAR_MS = 365.25 * DAY_MS
/** Below, a time is said in the smaller unit. */
const UNITS_MIN = 2

/** What nobody can change any more once a network is there, in sentences of at most 80 columns. */
export function genesisText(terms: ShownTerms): string[] {
  const {makerFeePercent, takerFeePercent, protection, emission} = terms
  const {epochMs, perEpochGutta, halvingEpochs, totalGutta, finalGutta, halfAfterMs, allAfterMs, ownerShareMaxPercent} = emission
  const halved = halvingEpochs === 0 ? '' : `, half as much after each ${halvingEpochs} epochs (${longSpan(halvingEpochs * epochMs)})`
  const most = finalGutta === totalGutta ? totalGutta : `${finalGutta}, for halving ends before the ${totalGutta} that were allowed`
  return [
    `New Gutta: at most ${perEpochGutta} an epoch of ${formatSpanMs(epochMs)}${halved}.`,
    `In all at most ${most}: half of it after ${longSpan(halfAfterMs)}, all after ${longSpan(allAfterMs)}, at the earliest.`,
    `One owner gets at most ${ownerShareMaxPercent} % of what an epoch brings.`,
    `Fee of each fill, in Gutta, rounded down: ${takerFeePercent} % from whoever meets an order, ${makerFeePercent} % from whoever waited in the book.`,
    ...(protection === null ? ['Markets trade at once, at any price.'] : protectionText(protection)),
    `A trade counts against its incentive's volume limit for ${longSpan(terms.volumeWindowMs)}, freed in steps of ${formatSpanMs(terms.volumeBucketMs)}.`,
    `A redemption that nobody captures is released after ${longSpan(terms.redemptionTimeoutMs)}; receipts are paid until ${longSpan(terms.receiptGraceMs)} after a lease; an owner has ${longSpan(terms.recoveryDelayMs)} to say no to a recovery.`
  ].flatMap((line) => wrap(line, COLUMNS))
}

function protectionText({openingMs, auctionMs, staticPercent, dynamicPercent}: NonNullable<ShownTerms['protection']>): string[] {
  const bands = [
    ...(staticPercent === null ? [] : [`${staticPercent} % of the last auction's price`]),
    ...(dynamicPercent === null ? [] : [`${dynamicPercent} % of the last trade's`])
  ]
  const opening = `Markets open by an auction of ${formatSpanMs(openingMs)}.`
  if (bands.length === 0) return [opening]
  return [opening, `Trades stay within ${bands.join(' and ')}; what would go beyond begins an auction of ${formatSpanMs(auctionMs)}.`]
}

/** "3 days", "4.0 years": exact only below two days. */
function longSpan(ms: number): string {
  if (ms >= UNITS_MIN * YEAR_MS) return `${(ms / YEAR_MS).toFixed(1)} years`
  if (ms >= UNITS_MIN * DAY_MS) return `${Math.round(ms / DAY_MS)} days`
  return formatSpanMs(ms)
}
