import type {CommandOf} from '../protocol/commands.ts'
import type {RevisionSpec} from '../protocol/revisions.ts'
import {DNS_LABEL_MAX, FUNCTIONS_PER_APP_MAX, REVISIONS_PER_DEPLOY_MAX} from './limits.ts'
import {type RevisionDeployed, refuse} from './outcome.ts'
import {forgetIfSuperseded} from './revision-work.ts'
import type {AccountState, AppState, CommandContext, LedgerState, Result} from './state.ts'

/**
 * Makes a revision of each function named and sends the function's traffic to it, all in one step. A function that is named exactly as it
 * already runs keeps its revision; functions that are not named keep theirs.
 */
export function deployRevisions(context: CommandContext, org: AccountState, body: CommandOf<'revision.deploy'>): Result {
  const {state, effects} = context
  const key = `${org.name}/${body.app}`
  const app: AppState = state.apps.get(key) ?? {org: org.index, name: body.app, functions: new Map(), routes: []}
  checkFunctions(org, app, body)
  for (const revision of body.revisions) checkRewards(state, org, body.app, revision.function, revision.spec)
  const deployed: RevisionDeployed[] = []
  for (const [index, revision] of body.revisions.entries()) {
    const current = state.revisions.get(app.functions.get(revision.function) ?? '')
    if (current?.imageDigest === revision.imageDigest && JSON.stringify(current.spec) === JSON.stringify(revision.spec)) continue
    const id = `rev_${context.seq * REVISIONS_PER_DEPLOY_MAX + index}`
    deployed.push({id, ...revision})
    state.revisions.set(id, {id, org: org.index, app: body.app, ...revision, isCurrent: true, work: new Map()})
    if (current !== undefined) {
      current.isCurrent = false
      forgetIfSuperseded(state, current)
    }
    app.functions.set(revision.function, id)
  }
  app.routes = body.routes
  state.apps.set(key, app)
  effects.push({type: 'app', org: org.name, app: body.app, routes: body.routes, revisions: deployed})
  const revisions = body.revisions.map((revision) => ({function: revision.function, revision: app.functions.get(revision.function)}))
  return {org: org.name, app: body.app, revisions}
}

function checkFunctions(org: AccountState, app: AppState, body: CommandOf<'revision.deploy'>): void {
  const named = body.revisions.map((revision) => revision.function)
  const functions = new Set([...app.functions.keys(), ...named])
  if (new Set(named).size !== named.length) refuse('invalid_input', 'A function is named twice.')
  if (functions.size > FUNCTIONS_PER_APP_MAX) refuse('invalid_input', `An app has at most ${FUNCTIONS_PER_APP_MAX} functions.`)
  const tooLong = named.find((name) => `${name}--${body.app}--${org.name}`.length > DNS_LABEL_MAX)
  if (tooLong !== undefined)
    refuse('invalid_input', `"${tooLong}--${body.app}--${org.name}" is longer than a host name's label of ${DNS_LABEL_MAX} letters.`)
  const lost = body.routes.find((route) => !functions.has(route.function))
  if (lost !== undefined)
    refuse('invalid_input', `The route ${lost.path} leads to "${lost.function}", which is no function of ${body.app}.`)
  if (new Set(body.routes.map((route) => route.path)).size !== body.routes.length) refuse('invalid_input', 'A path is routed twice.')
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
