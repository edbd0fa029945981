import {CreoError, type ErrorCode} from '../core/errors.ts'
import type {LogLine} from '../core/protocol/api.ts'
import {revisionBefore} from '../core/traffic.ts'
import {NO_GATEWAY_HINT} from './addresses.ts'
import {isPaidByEpochs} from './first-deploy.ts'
import type {Released, ReleaseOptions} from './release.ts'
import type {Trouble} from './start-trouble.ts'

/** Lines of the failed instance's log that are told. */
const LOG_LINES_MAX = 50
/** Pages of the log that are looked through for them: the coordinator keeps one of a revision. */
const LOG_PAGES_MAX = 5

/** Those that waiting does not mend. */
const FAILED: ReadonlySet<string> = new Set(['crash', 'out_of_memory', 'port_not_opened', 'wrong_architecture', 'unhealthy'])

export interface ToldTrouble extends Omit<Trouble, 'isFinal'> {
  /** What the failed instance printed last, its boot included, oldest first. */
  readonly log: readonly string[]
  /** How to go back; null when there is nothing before. */
  readonly rollback: string | null
}

/** As an error of the command; beside it the trouble, with the log of the instance that failed, and what was made. */
export async function troubleError(
  options: ReleaseOptions,
  {seq, ids, addresses}: Pick<Released, 'seq' | 'ids' | 'addresses'>,
  {isFinal: _, ...trouble}: Trouble
): Promise<CreoError> {
  const {org, app} = options.name
  const [log, rollback, hint] = await Promise.all([lastWords(options, trouble), wayBack(options, trouble), hintOf(options, trouble)])
  const told: ToldTrouble = {...trouble, log, rollback}
  const code: ErrorCode = FAILED.has(trouble.reason) ? 'deploy_failed' : 'still_running'
  const revisions = [...ids].map(([name, revision]) => ({function: name, revision}))
  const words = `${trouble.revision} is deployed, but ${trouble.function} does not answer (${trouble.reason}). ${trouble.message}`
  return new CreoError(code, words, {hint, beside: {org, app, seq, revisions, addresses, trouble: told}})
}

/** Where a function pays nothing and no epoch pays for it, no node would ever take it, whatever its owner selected. */
async function hintOf(options: ReleaseOptions, trouble: Pick<Trouble, 'function' | 'reason'>): Promise<string> {
  const {context, revisions, signal} = options
  const spec = revisions.find((one) => one.function === trouble.function)?.spec
  const lacksPay = trouble.reason === 'no_node' && spec?.rewards.length === 0
  if (!lacksPay || (await isPaidByEpochs(context, signal).catch(() => true))) return hintFor(options, trouble)
  return `Nobody hosts what pays nothing: say under functions.${trouble.function}.rewards in creo.yaml what hosts get, and deploy again.`
}

function hintFor({name: {org, app}, revisions}: ReleaseOptions, {function: fn, reason}: Pick<Trouble, 'function' | 'reason'>): string {
  const spec = revisions.find((one) => one.function === fn)?.spec
  const incentive = spec?.rewards[0]?.incentive
  const wanted = incentive ?? `org:${org}`
  switch (reason) {
    case 'crash':
      return `Mend ${fn} and deploy again; creo logs ${org}/${app} shows more of what it printed.`
    case 'out_of_memory':
      return `Raise functions.${fn}.memory in creo.yaml and deploy again.`
    case 'port_not_opened':
      return `Let it listen on $PORT (${spec?.port}) of 127.0.0.1, or name its port as functions.${fn}.port in creo.yaml.`
    case 'unhealthy':
      return `Answer GET ${spec?.health} with 2xx once ${fn} can serve, or take health: out of creo.yaml.`
    case 'wrong_architecture':
      return `Build ${fn} for the architecture of the nodes and deploy again.`
    case 'too_large':
      return `Lower functions.${fn}.memory or cpu in creo.yaml and deploy again.`
    case 'pool_empty':
      return incentive === undefined ? 'creo incentive fund' : `creo incentive fund ${incentive} AMOUNT`
    case 'day_spent':
      return `Raise dailyBudget of functions.${fn}.rewards in creo.yaml, or wait until tomorrow.`
    case 'no_node':
      return `creo mine start --earn ${wanted}; on a node that runs already: creo mine set --earn ${wanted}`
    case 'no_gateway':
      return NO_GATEWAY_HINT
    default:
      return `creo logs ${org}/${app} --follow`
  }
}

/** The end of what the instance printed; nothing when no instance failed or the coordinator does not answer now. */
async function lastWords(
  {context, name, signal}: ReleaseOptions,
  {revision, instance}: Pick<Trouble, 'revision' | 'instance'>
): Promise<string[]> {
  if (instance === null) return []
  let own: LogLine[] = []
  let after = -1
  for (let page = 0; page < LOG_PAGES_MAX; page += 1) {
    const read = await context.client.logs(name, {revision, after, waitMs: 0}, signal).catch(() => undefined)
    if (read === undefined || read.lines.length === 0) break
    own = [...own, ...read.lines.filter((line) => line.instance === instance && line.failure === undefined)].slice(-LOG_LINES_MAX)
    after = read.next
  }
  return own.map(({line}) => line)
}

async function wayBack(
  {context, name: {org, app}, signal}: ReleaseOptions,
  {function: fn}: Pick<Trouble, 'function'>
): Promise<string | null> {
  const {revisions} = await context.client.releases(org, app, {}, signal).catch(() => ({revisions: []}))
  return revisionBefore(revisions, fn) === undefined ? null : `creo rollback ${org}/${app} ${fn}`
}
