import {z} from 'zod'
import {isCreoError} from '../core/errors.ts'
import {formatBytes} from '../core/units.ts'
import type {Deployed} from '../developer/deploy.ts'
import {plainLine} from './plain-line.ts'
import type {Progress} from './progress.ts'

/** Of an error of a deploy what stands beside it. */
const besideSchema = z.object({
  trouble: z.object({
    revision: z.string(),
    node: z.string().nullable(),
    log: z.array(z.string()),
    rollback: z.string().nullable()
  })
})

/** Waits for a deploy. When it fails, what the failed instance printed last, and how to go back, are said before the error is. */
export async function tellingTrouble<T>(deploying: Promise<T>, progress: Pick<Progress, 'say'>): Promise<T> {
  try {
    return await deploying
  } catch (error) {
    if (isCreoError(error)) for (const line of troubleLines(error.beside)) progress.say(line)
    throw error
  }
}

function troubleLines(beside: unknown): string[] {
  const parsed = besideSchema.safeParse(beside)
  if (!parsed.success) return []
  const {revision, node, log, rollback} = parsed.data.trouble
  const lines = log.map((line) => `  ${plainLine(line)}`)
  const title = `The last ${log.length === 1 ? 'line' : `${log.length} lines`} of ${revision} on ${node ?? 'its node'}:`
  const printed = node === null ? [] : log.length === 0 ? [`It printed nothing on ${node}.`] : [title, ...lines]
  return [...printed, ...(rollback === null ? [] : [`Go back: ${rollback}`])]
}

/** What was deployed, where it answers, what it costs, how long that can be paid, and how to go back. */
export function deployedText(deployed: Deployed, {hasTraffic}: {readonly hasTraffic: boolean}): string {
  const {org, app, revisions, addresses, tagAddresses, costs, pools, rollback} = deployed
  return [
    ...revisions.map((one) => `${one.function}  ${one.revision}  ${one.imageDigest.slice(0, DIGEST_SHOWN_CHARS)}  ${pushText(one)}`),
    ...revisions.flatMap(lackingBaseLines),
    ...(hasTraffic
      ? addresses.map((address) => `It answers at ${address}`)
      : [`No request goes to them yet: creo traffic ${org}/${app} FUNCTION --to REVISION=PERCENT`]),
    ...tagAddresses.map(({function: name, address}) => `${name} answers alone at ${address}`),
    ...(costs ?? []).map(costText),
    ...(pools ?? []).map(runwayText),
    ...(rollback === null || !hasTraffic ? [] : [`Go back: ${rollback}`])
  ].join('\n')
}

/** Enough to tell images apart; all of it is in --json. */
const DIGEST_SHOWN_CHARS = 'sha256:'.length + 12

function pushText({bytesPushed, pulls}: Deployed['revisions'][number]): string {
  const [first] = pulls
  if (bytesPushed === 0 && first !== undefined && pulls.every(({newBytes}) => newBytes === 0))
    return 'unchanged: nothing to push or to pull'
  const pushed = bytesPushed === 0 ? 'nothing to push' : `pushed ${formatBytes(bytesPushed)}`
  if (first === undefined) return pushed
  const each = pulls.map(({architecture, bytes, newBytes}) => {
    const name = pulls.length > 1 && architecture !== null ? ` (${architecture})` : ''
    return newBytes < bytes ? `${formatBytes(newBytes)} new of ${formatBytes(bytes)}${name}` : `${formatBytes(bytes)}${name}`
  })
  return `${pushed}; each node pulls ${each.join(', ')}`
}

/** What a function is not made for that it could be. */
export function lackingBaseLines({
  function: name,
  lackingBase
}: {
  readonly function: string
  readonly lackingBase: readonly string[]
}): string[] {
  if (lackingBase.length === 0) return []
  return [
    `${name} is not made for ${lackingBase.join(' and ')}: its base is not here for that, so such nodes leave it out.`,
    'To serve from these too: creo bases node, and once more.'
  ]
}

function costText({
  function: name,
  incentive,
  perThousandCalls,
  forRequests,
  forTime,
  msPerCall,
  isMeasured
}: NonNullable<Deployed['costs']>[number]): string {
  const code = incentive.slice(incentive.indexOf('/') + 1)
  const time = isMeasured ? `${msPerCall} ms of running time each, as within the last day` : `${msPerCall} ms each, one at a time (assumed)`
  return `A thousand calls of ${name} cost ${perThousandCalls} ${code}: ${forRequests} for requests, ${forTime} for ${time}`
}

/** What lasts longer than that is not said to the day. */
const DAYS_TOLD_MAX = 3650

function runwayText({incentive, pool, reserved, paidLastDay, days}: NonNullable<Deployed['pools']>[number]): string {
  const left = `${incentive}: ${pool} in the pool and ${reserved} reserved`
  if (days === null) return `${left}; no traffic yet`
  if (days > DAYS_TOLD_MAX) return `${left} last more than ten years at the last day's ${paidLastDay}`
  return `${left} last ${days} ${days === 1 ? 'day' : 'days'} at the last day's ${paidLastDay}`
}
