import type {EndedRedemptions} from '../developer/redemptions.ts'
import type {ShownWebhook} from '../developer/webhooks.ts'
import type {MiningOffers, ShownChoice} from '../miner/mining-offers.ts'
import {formatDurationMs} from './format.ts'
import {plainLine} from './plain-line.ts'

/** What each incentive buys and how it was redeemed, then what the work pays here, and only then what somebody would give for it. */
export function offersText({gutta, choices}: MiningOffers): string {
  return [guttaText(gutta), ...choices.map(choiceText)].join('\n\n')
}

export function guttaText({exchangeOrg, functions, epochMs, lastEpoch, expectedPerDay}: MiningOffers['gutta']): string {
  const last = lastEpoch === null ? 'No epoch has ended yet.' : `The last one minted ${lastEpoch.minted} among ${lastEpoch.owners} owners.`
  return [
    'gutta: what every market is priced in  (--earn gutta)',
    `  Work    the ${functions} functions of ${exchangeOrg}, paid every ${formatDurationMs(epochMs)} for verified work. ${last}`,
    `  Here    about ${expectedPerDay} a day, with an owner's equal part`
  ].join('\n')
}

export function choiceText(choice: ShownChoice): string {
  const {earn, name, buys, work, expectedPerDay, mostPerDay, bestBid, lastTrade} = choice
  const items = buys.map(({item, price, stock, where}) => `${item} for ${price} (${stock} left, ${where})`)
  const pays = work.map((one) => {
    const standby = Number(one.perStandbyHour) > 0 ? `, ${one.perStandbyHour} an hour of standing by` : ''
    const rates = `${one.perMillionRequests} a million requests, ${one.perGibHour} a GiB-hour${standby}`
    return `${one.function}: ${rates}, ${one.nodes === 1 ? '1 node' : `${one.nodes} nodes`}, at most ${one.dailyBudget} a day for all`
  })
  const price = [bestBid === null ? 'nobody bids' : `best bid ${bestBid} Gutta`, ...(lastTrade === null ? [] : [`last trade ${lastTrade}`])]
  return [
    `${earn}: ${name}  (--earn ${earn})`,
    `  Buys    ${items.join('; ') || 'nothing is offered'}`,
    `  Kept    ${keptText(choice)}`,
    ...(pays.length === 0 ? ['  Work    no function pays it now'] : pays.map((line) => `  Work    ${line}`)),
    `  Here    about ${expectedPerDay} a day by what was paid so far or standing by, at most ${mostPerDay} by time`,
    `  Price   ${price.join(', ')}`
  ]
    .map(plainLine)
    .join('\n')
}

/** What became of several redemptions, one a line where it failed. */
export function endedLines({ended, failed}: EndedRedemptions, past: 'captured' | 'released'): readonly string[] {
  const done = ended.length === 1 ? `${ended[0]?.redemption} is ${past}.` : `${ended.length} redemptions are ${past}.`
  return [
    ended.length + failed.length === 0 ? 'None waits.' : done,
    ...failed.map(({redemption, message}) => plainLine(`${redemption}: ${message}`))
  ]
}

function keptText({redeemed}: ShownChoice): string {
  const {captured, released, held, capturedShare, medianMs} = redeemed
  const open = held === 0 ? '' : `, ${held} open`
  if (capturedShare === null) return `nothing was redeemed yet${open}`
  const time = medianMs === null ? '' : `, half of them within ${formatDurationMs(medianMs)}`
  return `${captured} of ${captured + released} redemptions were honoured (${Math.floor(capturedShare * 100)} %)${time}${open}`
}

/** Where an org is told of its redemptions, how that goes, and what its server verifies by. */
export function webhookLines(webhook: ShownWebhook): readonly string[] {
  const {org, url, waiting, givenUp, dropped, lastDeliveredAt, failing, networkId, coordinatorKey} = webhook
  const counts = [`${waiting} waiting`, `${givenUp} given up`, ...(dropped === 0 ? [] : [`${dropped} dropped for want of room`])]
  return [
    `${org} is told of its redemptions at ${url}`,
    `Events     ${counts.join(', ')}; ${lastDeliveredAt === null ? 'none has arrived yet' : `the last one arrived ${lastDeliveredAt}`}`,
    ...(failing === null ? [] : [`Failing    since ${failing.since}, ${failing.attempts} attempts; the last: ${failing.said}`]),
    `Network    ${networkId}`,
    `Signed by  ${coordinatorKey}`
  ].map(plainLine)
}
