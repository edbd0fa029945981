import {readFile, stat} from 'node:fs/promises'
import {isMap, parseDocument} from 'yaml'
import {writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {type FirstRewards, type FirstTerms, firstRewards, firstTerms, type PaidFunction} from '../core/first-terms.ts'
import type {ManifestFunction} from '../core/manifest.ts'
import {nearestOf} from '../core/nearest.ts'
import type {IncentiveView} from '../core/protocol/api.ts'
import {genesisSchema} from '../core/protocol/genesis.ts'
import {incentiveCodeSchema, labelSchema} from '../core/protocol/scalars.ts'
import {formatDecimal, parseDecimal} from '../core/units.ts'
import type {AccountContext} from './context.ts'
import {issueIncentive, OWNER_SHARE_PERCENT} from './incentives.ts'
import {readVolumeWindowMs} from './network-terms.ts'
import {type FoundManifest, readManifest} from './read-manifest.ts'

/** Entries of an incentive that are looked through for one of its pool; who has more has paid somebody. */
const ENTRIES_MAX = 1000

/** What a manifest lacks for anybody to host it: an incentive that it names, rewards at all, or what they are paid from. */
export interface FirstNeed {
  /** `org/CODE` that hosts are to be paid in. */
  readonly incentive: string
  readonly code: string
  /** Where the manifest names it, if it does. */
  readonly at: readonly (string | number)[] | undefined
  /** The code of an incentive of the org's that is like it, and may be meant. */
  readonly like: string | undefined
  /** Codes that could be paid in as well, where nobody said which. */
  readonly others: readonly string[]
  /** Undefined when it is to be issued. With no function unpaid, its pool was never filled. */
  readonly issued: IncentiveView | undefined
  /** Those whose rewards are to be written into the manifest; none when it has some. */
  readonly unpaid: readonly PaidFunction[]
  /** The app was deployed before, and pays nothing: its org is not asked again. */
  readonly isDeployed: boolean
  /** Digits behind the point of the amounts that stand in the manifest. */
  readonly decimals: number
}

export interface FirstAnswersOfFounder {
  /** What one unit buys; needed only for what is to be issued. */
  readonly buys: string | undefined
  readonly perMonth: number
}

/** What will be signed and written when the founder agrees. */
export interface FirstPlan {
  readonly need: FirstNeed
  readonly perMonth: number
  /** Only of an incentive that is to be issued. */
  readonly issue: {readonly buys: string; readonly terms: FirstTerms; readonly volumeWindowMs: number} | undefined
  /** What goes into the pool, beside what it holds. */
  readonly fund: string
  /** By function: what is written into the manifest. */
  readonly rewards: ReadonlyMap<string, FirstRewards>
}

export interface FirstDone {
  readonly incentive: string
  readonly issued: boolean
  readonly perMonth: number
  readonly funded: string
  /** Functions whose rewards were written into creo.yaml. */
  readonly rewardsWritten: readonly string[]
}

/**
 * What keeps anybody from hosting the app that a founder's two answers could mend; undefined when there is nothing of the kind: what is named is issued, and
 * its pool was filled once, unless an earlier run was cut between the two; or the
 * org is the exchange's, whose hosts the epochs pay, and no answer `isGiven`.
 * @throws {CreoError} `not_found` when several incentives are to be issued.
 */
export async function firstNeed(
  context: AccountContext,
  found: FoundManifest,
  {payIn, isGiven, signal}: {readonly payIn: string | undefined; readonly isGiven: boolean; readonly signal: AbortSignal}
): Promise<FirstNeed | undefined> {
  const {account, client} = context
  const functions = Object.entries(found.manifest.functions)
  const {incentives} = await client.incentives(signal)
  const lacking = lackingLines(found, incentives)
  const isPaying = functions.some(([, {rewards}]) => rewards.length > 0)
  const unfilled = lacking.length === 0 && isPaying ? await unfilledOf(context, found, signal) : undefined
  const isPaid = isPaying ? unfilled === undefined : !isGiven && (await isPaidByEpochs(context, signal))
  if (lacking.length === 0 && isPaid) return undefined
  const {apps} = await client.apps({org: found.manifest.org}, signal)
  const own = incentives.filter((one) => one.org === account.id)
  const codes = own.map(({id}) => codeIn(id))
  const forAll = own.filter(({scope}) => scope === null).map(({id}) => codeIn(id))
  const named = lacking[0]?.reward.incentive ?? unfilled
  const code = checkedCode(named === undefined ? (payIn ?? forAll[0] ?? codeOf(account.name)) : codeIn(named))
  const incentive = `${account.name}/${code}`
  const amounts = lacking.flatMap(({reward}) => [...Object.values(reward.perMillion), reward.dailyBudget])
  return {
    incentive,
    code,
    at: lacking[0]?.at,
    like: codes.includes(code) ? undefined : nearestOf(code, codes),
    others: named === undefined && payIn === undefined ? forAll.slice(1) : [],
    issued: own.find(({id}) => id === incentive),
    unpaid: isPaying
      ? []
      : functions.map(([name, {memory, scale, concurrency}]) => ({name, memoryBytes: memory, scaleMax: scale.max, concurrency})),
    isDeployed: apps.some(({app, routes}) => app === found.manifest.app && routes.length > 0),
    decimals: Math.max(0, ...amounts.map((text) => text.split('.')[1]?.length ?? 0))
  }
}

interface Lacking {
  readonly at: readonly (string | number)[]
  readonly reward: ManifestFunction['rewards'][number]
}

/** The reward lines in an incentive of the org's own that is not issued; all in one. */
function lackingLines({manifest, problem}: FoundManifest, incentives: readonly IncentiveView[]): readonly Lacking[] {
  const lines = Object.entries(manifest.functions).flatMap(([name, {rewards}]) =>
    rewards.map((reward, index) => ({at: ['functions', name, 'rewards', index, 'incentive'], reward}))
  )
  const lacking = lines.filter(
    ({reward: {incentive}}) => incentive.startsWith(`${manifest.org}/`) && !incentives.some(({id}) => id === incentive)
  )
  const [first] = lacking
  const other = lacking.find(({reward}) => reward.incentive !== first?.reward.incentive)
  if (other === undefined) return lacking
  const what = `Neither ${first?.reward.incentive} nor ${other.reward.incentive} is issued, and a deploy issues one at most.`
  throw problem(other.at, 'not_found', what, 'creo incentive issue')
}

/** An incentive that the rewards name and whose pool was never filled, where that is so of all that they name. */
async function unfilledOf({client, account}: AccountContext, {manifest}: FoundManifest, signal: AbortSignal): Promise<string | undefined> {
  const lines = Object.values(manifest.functions).flatMap(({rewards}) => rewards.map(({incentive}) => incentive))
  const named = [...new Set(lines)]
  if (named.some((incentive) => !incentive.startsWith(`${account.name}/`))) return undefined
  for (const asset of named) {
    const {entries} = await client.entries(account.id, {asset, limit: ENTRIES_MAX}, signal)
    if (entries.length === ENTRIES_MAX || entries.some(({kind}) => kind === 'pool')) return undefined
  }
  return named[0]
}

/** True for the exchange's org: the epochs pay its hosts. */
export async function isPaidByEpochs({client, account}: AccountContext, signal: AbortSignal): Promise<boolean> {
  const {genesis} = await client.network(signal)
  return genesisSchema.parse(JSON.parse(genesis)).exchangeOrg === account.name
}

/** The terms that follow from the answers. @throws {CreoError} `invalid_input` for answers that can't be. */
export async function planFirst(
  {account, client}: AccountContext,
  need: FirstNeed,
  answers: FirstAnswersOfFounder,
  signal: AbortSignal
): Promise<FirstPlan> {
  const {issued, unpaid, incentive} = need
  const {buys, perMonth} = answers
  const terms = firstTerms(perMonth, unpaid, need.decimals)
  const rewards = firstRewards(perMonth, unpaid, issued?.decimals ?? terms.decimals)
  if (issued === undefined) {
    const item = labelSchema.safeParse(buys)
    if (!item.success)
      throw new CreoError('invalid_input', 'What one buys must be one line of plain text.', {hint: 'For example: A delivery in town'})
    const volumeWindowMs = await readVolumeWindowMs({client}, signal)
    return {need, perMonth, issue: {buys: item.data, terms, volumeWindowMs}, fund: terms.firstMonth, rewards}
  }
  const {balances} = await client.balances(account.id, signal)
  const pool = balances.find(({asset, kind}) => asset === incentive && kind === 'pool')?.amountMinor ?? 0
  const lackingMinor = Math.max(0, parseDecimal(String(perMonth), issued.decimals) - pool)
  const fund = formatDecimal(lackingMinor, issued.decimals)
  const available = balances.find(({asset, kind}) => asset === incentive && kind === 'available')?.amountMinor ?? 0
  if (available < lackingMinor)
    throw new CreoError(
      'insufficient_funds',
      `The reward pool lacks ${fund} ${incentive}, and you have ${formatDecimal(available, issued.decimals)}.`,
      {
        hint: 'Give fewer a month, or choose another incentive with --pay-in.'
      }
    )
  return {need, perMonth, issue: undefined, fund, rewards}
}

/** Writes the rewards, issues what is not there, and fills the pool; what was done already is not done again. Answers with the manifest as it is then. */
export async function carryOutFirst(
  context: AccountContext,
  found: FoundManifest,
  {need, perMonth, issue, fund, rewards}: FirstPlan
): Promise<{readonly found: FoundManifest; readonly done: FirstDone}> {
  const {incentive, code, issued} = need
  if (rewards.size > 0) await writeRewards(found, incentive, rewards)
  if (issue !== undefined) {
    const {decimals, supply, lot, limitGutta: limit, stock} = issue.terms
    const offer = {item: issue.buys, price: '1', stock, where: 'in-app' as const}
    await issueIncentive(context, {
      code,
      name: code,
      decimals,
      supply,
      lot,
      limit,
      ownerSharePercent: OWNER_SHARE_PERCENT,
      scope: undefined,
      captured: 'burn',
      transferable: false,
      offer
    })
  }
  const amountMinor = parseDecimal(fund, issued?.decimals ?? issue?.terms.decimals ?? 0)
  if (amountMinor > 0) await context.client.submit({type: 'pool.fund', incentive, amountMinor})
  const done = {incentive, issued: issue !== undefined, perMonth, funded: fund, rewardsWritten: [...rewards.keys()]}
  return {found: await readManifest(found.folder), done}
}

/** The rest of the file, its comments too, stays as it is. @throws {CreoError} `invalid_manifest` where a function is an alias of another one. */
async function writeRewards({path, problem}: FoundManifest, incentive: string, rewards: FirstPlan['rewards']): Promise<void> {
  const document = parseDocument(await readFile(path, 'utf8'))
  for (const [name, {perMillion, dailyBudget}] of rewards) {
    if (!isMap(document.getIn(['functions', name], true))) {
      const what = `The rewards of ${name} can't be written into an alias of another function.`
      throw problem(['functions', name], 'invalid_manifest', what, 'Write the function out, or its rewards by hand.')
    }
    document.setIn(['functions', name, 'rewards'], document.createNode([{incentive, perMillion, dailyBudget}]))
  }
  await writeFileDurably(path, Buffer.from(document.toString({lineWidth: 0})), {mode: (await stat(path)).mode & 0o777})
}

function codeIn(incentive: string): string {
  return incentive.slice(incentive.indexOf('/') + 1)
}

/** A code made of the org's name. */
function codeOf(org: string): string {
  return org.replaceAll('-', '').toUpperCase().slice(0, 10)
}

function checkedCode(code: string): string {
  if (incentiveCodeSchema.safeParse(code).success) return code
  throw new CreoError('invalid_input', `"${code}" is not a code.`, {hint: 'Use 2 to 10 capital letters and digits, for example LEAF.'})
}
