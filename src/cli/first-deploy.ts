import {relative} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {perMonthFrom} from '../core/first-terms.ts'
import type {AccountContext} from '../developer/context.ts'
import {
  carryOutFirst,
  type FirstAnswersOfFounder,
  type FirstDone,
  type FirstNeed,
  type FirstPlan,
  firstNeed,
  planFirst
} from '../developer/first-deploy.ts'
import type {FoundManifest} from '../developer/read-manifest.ts'
import {formatSpanMs} from './format.ts'

export interface FirstDeployOptions {
  readonly context: AccountContext
  readonly found: FoundManifest
  /** As they were given: what is undefined is asked, where somebody can be. */
  readonly flags: {
    readonly buys: string | undefined
    readonly 'per-month': string | undefined
    readonly 'pay-in': string | undefined
    readonly yes: boolean
  }
  /** Undefined where nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

/**
 * The founder's two questions, where nobody could host the app without the answers; nothing where it pays already.
 * @returns the manifest as it is then, and what was done.
 * @throws {CreoError} `not_found` when an incentive is named that does not exist and nobody can be asked; `interrupted` when the founder does not agree.
 */
export async function firstDeploy(options: FirstDeployOptions): Promise<{readonly found: FoundManifest; readonly done?: FirstDone}> {
  const {context, found, flags, say, signal} = options
  const isGiven = flags.buys !== undefined || flags['per-month'] !== undefined
  const need = await firstNeed(context, found, {payIn: flags['pay-in'], isGiven, signal})
  if (need === undefined) {
    if (isGiven) say('There is nothing to issue: the app pays already. What it pays stands in creo.yaml, under rewards:')
    return {found}
  }
  const answers = need.isDeployed && need.at === undefined && !isGiven ? withoutAnswers(need, options) : await answersTo(need, options)
  if (answers === undefined) return {found}
  const plan = await planFirst(context, need, answers, signal)
  say(planText(plan))
  await agree(options)
  const carried = await carryOutFirst(context, found, plan)
  say(doneText(carried.done))
  return carried
}

/** Undefined when nobody answers and the app can be deployed without. */
async function answersTo(need: FirstNeed, options: FirstDeployOptions): Promise<FirstAnswersOfFounder | undefined> {
  const {flags, ask, say} = options
  const {issued, code, others} = need
  const isMissing = flags['per-month'] === undefined || (issued === undefined && flags.buys === undefined)
  if (isMissing && ask === undefined) return withoutAnswers(need, options)
  if (others.length > 0 && ask === undefined)
    throw new CreoError('usage', `Hosts could be paid in ${[code, ...others].join(', ')}.`, {hint: `Choose one: --pay-in ${code}`})
  if (isMissing) say(whyAsked(need))
  const buys = issued === undefined ? (flags.buys ?? (await ask?.(`What does 1 ${code} buy?`))) : undefined
  if (buys === '') return declined(need)
  const perMonth = flags['per-month'] ?? (await ask?.('How many a month can you give?')) ?? ''
  return perMonth === '' ? declined(need) : {buys, perMonth: perMonthFrom(perMonth)}
}

function whyAsked({incentive, code, unpaid, issued, like, others}: FirstNeed): string {
  if (unpaid.length === 0 && issued !== undefined)
    return `The reward pool of ${incentive} was never filled: nobody hosts for it. One answer mends that; an empty one leaves it so.`
  if (unpaid.length === 0) return `${incentive} is not issued yet${like === undefined ? '' : ` (${like} is)`}. Two answers issue it.`
  const answers = issued === undefined ? 'Two answers mend that' : 'One answer mends that'
  const other =
    others.length === 0
      ? `--pay-in CODE chooses another than ${code}.`
      : `Hosts get ${code}; --pay-in chooses another: ${others.join(', ')}.`
  return `Nobody is paid for hosting this app yet. ${answers};\nan empty one leaves it so. ${other}`
}

function withoutAnswers({incentive, code, issued, at, like, unpaid}: FirstNeed, {found, flags, say}: FirstDeployOptions): undefined {
  const command = [
    'creo deploy',
    folderHere(found.folder),
    at === undefined && unpaid.length > 0 ? `--pay-in ${code}` : '',
    '--per-month N'
  ]
  const how = [...command, issued === undefined ? '--buys ITEM' : ''].filter((word) => word !== '').join(' ')
  const meant = like === undefined ? '' : `Did you mean ${like}? Else: `
  if (at !== undefined) throw found.problem(at, 'not_found', `There is no incentive ${incentive}.`, `${meant}${how}`)
  if (flags.buys !== undefined || flags['per-month'] !== undefined)
    throw new CreoError('usage', 'What hosts are to get takes both answers.', {hint: how})
  const why = unpaid.length === 0 ? `The reward pool of ${incentive} was never filled.` : 'Nobody hosts what pays nothing.'
  say(`${why} What hosts get is said with: ${how}`)
  return undefined
}

/** As it is typed where this command was; empty for the folder itself. */
function folderHere(folder: string): string {
  const path = relative(process.cwd(), folder)
  return path.startsWith('..') ? folder : path
}

function declined({unpaid, incentive, issued}: FirstNeed): undefined {
  if (unpaid.length > 0 || issued !== undefined) return undefined
  throw new CreoError('usage', `${incentive} is not issued, and creo.yaml pays in it.`, {
    hint: 'Answer both questions, or take the reward lines out.'
  })
}

async function agree({flags, ask}: FirstDeployOptions): Promise<void> {
  if (flags.yes || ask === undefined) return
  if (/^y(es)?$/i.test(await ask('Do this? [y/N]'))) return
  throw new CreoError('interrupted', 'Nothing was signed and nothing was written.', {
    hint: 'Run the same command again, or issue it by hand: creo incentive issue'
  })
}

/** What will be done, before it is. */
function planText({need, perMonth, issue, fund, rewards}: FirstPlan): string {
  const {incentive, code} = need
  const lines = issue === undefined ? [] : issueLines(code, perMonth, issue)
  lines.push(['Reward pool', fund === '0' ? 'holds a month already' : `${fund} ${code}, for the first month`])
  for (const [name, {perMillion, dailyBudget}] of rewards) {
    lines.push([`${name} pays`, `at most ${dailyBudget} ${code} a day:`])
    lines.push(['', `${perMillion.mibMs} per 10^6 MiB·ms it runs`])
    lines.push(['', `${perMillion.standbyMs} per 10^6 ms a node stands by`])
    lines.push(['', `${perMillion.requests} per 10^6 requests`])
  }
  const width = Math.max(...lines.map(([name]) => name.length))
  const signed = [...(issue === undefined ? [] : [`issue ${incentive}`]), ...(fund === '0' ? [] : ['fill its reward pool'])]
  const written = rewards.size === 0 ? [] : ['write the rewards into creo.yaml']
  const steps = [...written, ...signed, 'deploy'].map((step) => `  ${step}`)
  return [...lines.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`), 'Next:', ...steps].join('\n')
}

function issueLines(code: string, perMonth: number, {buys, terms, volumeWindowMs}: NonNullable<FirstPlan['issue']>): [string, string][] {
  return [
    [`1 ${code} buys`, buys],
    ['Supply', `${terms.supply} ${code}, for ever: ten years of ${perMonth} a month`],
    ['Traded', `in lots of ${terms.lot}, at prices in steps of ${terms.tickGutta} Gutta`],
    ['', `for at most ${terms.limitGutta} Gutta in ${formatSpanMs(volumeWindowMs)}`]
  ]
}

function doneText({incentive, issued, perMonth, funded, rewardsWritten}: FirstDone): string {
  const said = [
    ...(rewardsWritten.length === 0
      ? []
      : [`Wrote the rewards of ${rewardsWritten.join(', ')} into creo.yaml.\nTo change them: edit the file and deploy again.`]),
    ...(issued
      ? [`Issued ${incentive}. Its code, supply and lot stay for ever.\nTo change the limit: creo incentive limit ${incentive} GUTTA`]
      : []),
    ...(funded === '0'
      ? []
      : [`${funded} ${incentive} went into the reward pool.\nEach month: creo incentive fund ${incentive} ${perMonth}`])
  ]
  return said.join('\n')
}
