import type {CommandOf} from '../protocol/commands.ts'
import type {RevisionSpec} from '../protocol/revisions.ts'
import {refuseBlocked} from './block-commands.ts'
import {DNS_LABEL_MAX, FUNCTIONS_PER_APP_MAX, REVISIONS_PER_DEPLOY_MAX} from './limits.ts'
import {type Effect, type RevisionDeployed, refuse} from './outcome.ts'
import type {AccountState, AppState, CommandContext, FunctionState, LedgerState, Result} from './state.ts'
import {checkTags, direct, type Place, trafficEffect} from './traffic-commands.ts'

/**
 * Makes a revision of each function named and sends the function's traffic to it, or leaves it where it is, all in one step. A function that is
 * named exactly as its newest revision is keeps that; functions that are not named keep theirs, and so does the app its routes when none are given.
 */
export function deployRevisions(context: CommandContext, org: AccountState, body: CommandOf<'revision.deploy'>): Result {
  const {state, effects} = context
  const key = `${org.name}/${body.app}`
  const app: AppState = state.apps.get(key) ?? {org: org.index, name: body.app, functions: new Map(), routes: []}
  checkFunctions(org, app, body)
  for (const revision of body.revisions) refuseBlocked(state, {...revision, org: org.name})
  for (const revision of body.revisions) {
    checkRewards(state, org, body.app, revision.function, revision.spec)
    const stranger = revision.spec.owners?.find((id) => !state.accountsById.has(id))
    if (stranger !== undefined) refuse('not_found', `${revision.function} is kept for ${stranger}, which is no account.`)
  }
  const planned = body.revisions.map((revision, index) =>
    plan(context, app, {org: org.name, app: body.app, function: revision.function}, {revision, index})
  )
  const routes = body.routes ?? app.routes
  if (routes.length === 0) refuse('invalid_input', `${body.app} has no routes that could stay as they are.`)
  const changes = planned.map((one) => put(context, app, org, one))
  app.routes = routes
  state.apps.set(key, app)
  const made = changes.flatMap((change) => change.made ?? [])
  effects.push({type: 'app', org: org.name, app: body.app, routes, revisions: made})
  effects.push(...changes.flatMap((change) => change.directed ?? []))
  return {org: org.name, app: body.app, revisions: planned.map(({id, revision}) => ({function: revision.function, revision: id}))}
}

type DeployedAs = CommandOf<'revision.deploy'>['revisions'][number]

interface Planned {
  readonly place: Place
  readonly revision: DeployedAs
  readonly id: string
  /** False when the newest revision is the same already. */
  readonly isNew: boolean
  readonly fn: FunctionState
  /** Where the function's traffic goes and what tags it has from then on. */
  readonly split: Pick<FunctionState, 'traffic' | 'tags'>
}

function plan(
  {state, seq}: CommandContext,
  app: AppState,
  place: Place,
  {revision, index}: {readonly revision: DeployedAs; readonly index: number}
): Planned {
  const known = app.functions.get(place.function)
  const newest = state.revisions.get(known?.revisions.at(-1) ?? '')
  const isSame = newest?.imageDigest === revision.imageDigest && JSON.stringify(newest.spec) === JSON.stringify(revision.spec)
  if (!(isSame && servesAlone(known, newest.id))) checkExpected(place, known, revision.expected)
  const id = isSame ? newest.id : `rev_${seq * REVISIONS_PER_DEPLOY_MAX + index}`
  if (revision.noTraffic === true && known === undefined)
    refuse('invalid_input', `${place.function} is deployed for the first time: its first revision takes its traffic.`)
  const fn = known ?? {revisions: [], traffic: [], tags: new Map<string, string>()}
  const tags = new Map(fn.tags)
  if (revision.tag !== undefined) tags.set(revision.tag, id)
  checkTags(place, tags)
  const traffic = revision.noTraffic === true ? fn.traffic : [{revision: id, percent: 100}]
  return {place, revision, id, isNew: !isSame, fn, split: {traffic, tags}}
}

/** Two who change the same revision at once would undo each other: the second one is told. */
function checkExpected({app, function: name}: Place, fn: FunctionState | undefined, expected: DeployedAs['expected']): void {
  if (expected === undefined || (expected === 'none' ? fn === undefined : servesAlone(fn, expected))) return
  const serving = fn?.traffic.map(({revision, percent}) => (percent === 100 ? revision : `${revision} (${percent} %)`)).join(', ')
  const now = serving === undefined ? 'there is no such function now' : `its requests go to ${serving} now`
  const then = expected === 'none' ? 'there was none' : `they went to ${expected}`
  refuse('revision_changed', `${app}/${name} was changed meanwhile: when this was begun ${then}, and ${now}.`)
}

function servesAlone(fn: FunctionState | undefined, revision: string): boolean {
  return fn?.traffic.length === 1 && fn.traffic[0]?.revision === revision
}

interface Placed {
  readonly made?: RevisionDeployed
  /** Only where more changes than that a new revision takes all of the traffic. */
  readonly directed?: Effect
}

function put({state}: CommandContext, app: AppState, org: AccountState, {place, revision, id, isNew, fn, split}: Planned): Placed {
  const {function: name, imageDigest, spec, noTraffic} = revision
  const said = {traffic: isNew && noTraffic !== true ? split.traffic : fn.traffic, tags: fn.tags}
  if (isNew) {
    state.revisions.set(id, {
      id,
      org: org.index,
      app: app.name,
      function: name,
      imageDigest,
      spec,
      isCurrent: true,
      isKept: true,
      work: new Map()
    })
    fn.revisions = [...fn.revisions, id]
  }
  app.functions.set(name, fn)
  direct(state, fn, split)
  const directed = trafficEffect(place, split)
  const isSaid = JSON.stringify(directed) === JSON.stringify(trafficEffect(place, said))
  return {
    ...(isNew && {made: {id, function: name, imageDigest, spec, ...(noTraffic === true && {noTraffic})}}),
    ...(!isSaid && {directed})
  }
}

function checkFunctions(org: AccountState, app: AppState, body: CommandOf<'revision.deploy'>): void {
  const named = body.revisions.map((revision) => revision.function)
  const functions = new Set([...app.functions.keys(), ...named])
  if (new Set(named).size !== named.length) refuse('invalid_input', 'A function is named twice.')
  if (functions.size > FUNCTIONS_PER_APP_MAX) refuse('invalid_input', `An app has at most ${FUNCTIONS_PER_APP_MAX} functions.`)
  const tooLong = named.find((name) => `${name}--${body.app}--${org.name}`.length > DNS_LABEL_MAX)
  if (tooLong !== undefined)
    refuse('invalid_input', `"${tooLong}--${body.app}--${org.name}" is longer than a host name's label of ${DNS_LABEL_MAX} letters.`)
  const {routes = []} = body
  const lost = routes.find((route) => !functions.has(route.function))
  if (lost !== undefined)
    refuse('invalid_input', `The route ${lost.path} leads to "${lost.function}", which is no function of ${body.app}.`)
  if (new Set(routes.map((route) => route.path)).size !== routes.length) refuse('invalid_input', 'A path is routed twice.')
}

function checkRewards(state: LedgerState, org: AccountState, app: string, name: string, spec: RevisionSpec): void {
  const lines = spec.rewards.map((line) => line.incentive)
  if (new Set(lines).size !== lines.length) refuse('invalid_input', `${name} has two reward lines of one incentive.`)
  for (const id of lines) {
    const incentive = state.incentive(id)
    if (incentive.org !== org.index) refuse('forbidden', `${name} would pay in ${id}, which another org issues.`)
    const {scope} = incentive
    if (scope !== null && (scope.app !== app || scope.function !== name)) {
      refuse('forbidden', `${id} is for ${scope.app}/${scope.function} alone, not for ${app}/${name}.`)
    }
  }
}
