import {isCreoError} from '../core/errors.ts'
import type {AppView} from '../core/protocol/api.ts'
import type {CommandOf} from '../core/protocol/commands.ts'
import {appAddress} from './addresses.ts'
import type {AppName} from './app-name.ts'
import type {AccountContext} from './context.ts'
import {awaitFirstAnswers, type FirstAnswer} from './first-answers.ts'
import {madeRevisions} from './made-revisions.ts'
import {withoutInstance} from './start-trouble.ts'
import type {StepPort} from './steps.ts'
import {troubleError} from './trouble-error.ts'

export type NewRevision = CommandOf<'revision.deploy'>['revisions'][number]

export interface ReleaseOptions {
  readonly context: AccountContext
  readonly name: AppName
  readonly routes: AppView['routes']
  /** Leaves the routes as they are when the revisions are made: those given were only read, and somebody else may have changed them since. */
  readonly keepsRoutes?: boolean
  /** Of functions that are not named the app keeps what it has. */
  readonly revisions: readonly NewRevision[]
  /** How long to wait for each function's first answer; 0 does not wait. */
  readonly waitMs: number
  /** Ends the wait when nothing can come. */
  readonly givesUp?: boolean
  readonly steps: StepPort
  readonly signal: AbortSignal
}

export interface Released {
  readonly seq: number
  /** By function. */
  readonly ids: ReadonlyMap<string, string>
  readonly addresses: readonly string[]
  /** Only with a tag, and while the network has a gateway. */
  readonly tagAddresses: readonly {readonly function: string; readonly tag: string; readonly address: string}[]
  readonly firstAnswers: readonly FirstAnswer[]
}

/** How often a change of what serves is made anew because somebody else's came first. */
const CHANGE_ATTEMPTS_MAX = 8

/** Does `change` again while somebody else changes the same revision first. It must read anew what serves. */
export async function untilUnchanged<T>(change: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await change()
    } catch (error) {
      if (attempt === CHANGE_ATTEMPTS_MAX || !isCreoError(error) || error.code !== 'revision_changed') throw error
    }
  }
}

/**
 * One command makes new revisions and switches to them, unless they say otherwise; then their first answers are waited for.
 * @throws {CreoError} `deploy_failed` or `still_running`, with the trouble beside: the revisions are made all the same.
 */
export async function release(options: ReleaseOptions): Promise<Released> {
  const {context, name, revisions, waitMs, steps, signal} = options
  const {client} = context
  const place = await placeInLogs(options)
  const leavesTraffic = revisions.every(({noTraffic}) => noTraffic === true)
  const {seq, ids} = await steps.step(leavesTraffic ? 'Make the new revisions' : 'Switch to the new revisions', () =>
    makeRevisions(options)
  )
  const [{addresses}, {gateways}] = await Promise.all([client.app(name.org, name.app, signal), client.gateways(signal)])
  const publicUrl = gateways[0]?.publicUrl
  const tagAddresses = publicUrl === undefined ? [] : tagAddressesOf(options, publicUrl)
  const made = {seq, ids, addresses, tagAddresses}
  const isAsked = waitMs > 0 && revisions.some(({noTraffic, tag}) => noTraffic !== true || tag !== undefined)
  if (!isAsked) return {...made, firstAnswers: []}
  return {...made, firstAnswers: await steps.step('First answers', (note) => firstAnswers(options, {...made, publicUrl, place, note}))}
}

/** What nodes have said until now is not about the new revisions. An app that is deployed for the first time has no logs yet. */
async function placeInLogs({context, name, signal}: ReleaseOptions): Promise<number> {
  try {
    return (await context.client.readiness(name, {after: -1}, signal)).next
  } catch (error) {
    if (isCreoError(error) && error.code === 'not_found') return -1
    throw error
  }
}

/** One command makes all of them. Returns their ids by function. */
async function makeRevisions({
  context,
  name,
  routes,
  keepsRoutes,
  revisions,
  signal
}: ReleaseOptions): Promise<Pick<Released, 'seq' | 'ids'>> {
  const body = {
    type: 'revision.deploy' as const,
    app: name.app,
    revisions: [...revisions],
    ...(keepsRoutes !== true && {routes: [...routes]})
  }
  const {seq, result} = await context.client.submit(body, {signal})
  return {seq, ids: new Map(madeRevisions(result).map((one) => [one.function, one.revision]))}
}

function tagAddressesOf({name, revisions}: ReleaseOptions, publicUrl: string): Released['tagAddresses'] {
  return revisions.flatMap(({function: fn, tag}) =>
    tag === undefined ? [] : [{function: fn, tag, address: `${appAddress(publicUrl, {...name, function: fn, tag})}/`}]
  )
}

async function firstAnswers(
  options: ReleaseOptions,
  made: Omit<Released, 'firstAnswers'> & {
    readonly publicUrl: string | undefined
    readonly place: number
    readonly note: (text: string) => void
  }
): Promise<readonly FirstAnswer[]> {
  const {context, name, routes, revisions, waitMs, givesUp = false, signal} = options
  const {publicUrl, ids, place, note} = made
  const deployed = new Map(
    revisions.map((one) => [one.function, {function: one.function, revision: ids.get(one.function) ?? '', port: one.spec.port}])
  )
  const [first] = deployed.values()
  if (publicUrl === undefined && first !== undefined) {
    throw await troubleError(options, made, withoutInstance(first, 'no_gateway', 'The network has no gateway yet that could ask it.'))
  }
  const addressOf = (fn: string): string => {
    const own = revisions.find((one) => one.function === fn)
    return appAddress(publicUrl ?? '', own?.noTraffic === true && own.tag !== undefined ? {...name, function: fn, tag: own.tag} : name)
  }
  const look = (until: AbortSignal) => context.client.readiness(name, {after: place}, until)
  const watched = {topics: ['instances', 'leases'] as const, app: `${name.org}/${name.app}`, after: made.seq}
  const happens = (until: AbortSignal) => context.client.watch(watched, until)
  const {answers, trouble} = await awaitFirstAnswers({routes, deployed, addressOf, waitMs, givesUp, note, look, happens, signal})
  if (trouble !== undefined) throw await troubleError(options, made, trouble)
  return answers
}
