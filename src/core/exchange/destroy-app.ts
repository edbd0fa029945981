import type {CommandOf} from '../protocol/commands.ts'
import {refuse} from './outcome.ts'
import {forgetIfSuperseded} from './revision-work.ts'
import type {AccountState, CommandContext, Result} from './state.ts'

/**
 * Takes an app's functions, routes and tags away, in one step and for good: none of its revisions can get traffic any more. Their leases end like those of
 * revisions that were replaced, their last receipts are paid, and what is left returns to the pool. The name may be deployed anew. A second time changes nothing.
 */
export function destroyApp({state, effects}: CommandContext, org: AccountState, {app: name}: CommandOf<'app.destroy'>): Result {
  const app = state.apps.get(`${org.name}/${name}`)
  if (app === undefined) refuse('not_found', `${org.name} has no app "${name}".`)
  if (app.functions.size === 0) return {org: org.name, app: name, status: 'already_destroyed'}
  for (const {revisions} of app.functions.values()) {
    for (const id of revisions) {
      const revision = state.revisions.get(id)
      if (revision === undefined) continue
      revision.isCurrent = false
      revision.isKept = false
      forgetIfSuperseded(state, revision)
    }
  }
  app.functions.clear()
  app.routes = []
  effects.push({type: 'app.destroyed', org: org.name, app: name})
  return {org: org.name, app: name, status: 'destroyed'}
}
