import type {CommandOf} from '../protocol/commands.ts'
import {TAGS_PER_FUNCTION_MAX, type TrafficShare} from '../protocol/revisions.ts'
import {refuseBlocked, refuseBlockedAccount} from './block-commands.ts'
import {DNS_LABEL_MAX, REVISIONS_KEPT_MAX} from './limits.ts'
import {type Effect, refuse} from './outcome.ts'
import {forgetIfSuperseded} from './revision-work.ts'
import type {AccountState, AppState, CommandContext, FunctionState, LedgerState, Result} from './state.ts'

const WHOLE_PERCENT = 100

type Change = CommandOf<'traffic.set'>['functions'][number]
type Wanted = Pick<FunctionState, 'traffic' | 'tags'>

/** A function of an org's app, as messages and addresses name it. */
export interface Place {
  readonly org: string
  readonly app: string
  readonly function: string
}

/** Sends the traffic of an app's functions elsewhere and gives, moves or takes their tags: all that is named, or nothing. */
export function setTraffic(context: CommandContext, org: AccountState, body: CommandOf<'traffic.set'>): Result {
  const {state, effects} = context
  refuseBlockedAccount(state, org.name)
  const app = state.apps.get(`${org.name}/${body.app}`)
  if (app === undefined) refuse('not_found', `${org.name} has no app "${body.app}".`)
  if (new Set(body.functions.map((change) => change.function)).size !== body.functions.length)
    refuse('invalid_input', 'A function is named twice.')
  const wanted = body.functions.map((change) => wantedBy(org, app, change))
  for (const {traffic = [], tags = []} of body.functions)
    for (const {revision} of [...traffic, ...tags]) {
      const known = state.revisions.get(revision)
      if (known !== undefined) refuseBlocked(state, {...known, org: org.name})
    }
  const functions = wanted.map(({place, fn, ...split}) => {
    const effect = trafficEffect(place, split)
    const isNew = JSON.stringify(effect) !== JSON.stringify(trafficEffect(place, fn))
    direct(state, fn, split)
    if (isNew) effects.push(effect)
    return {function: effect.function, traffic: effect.traffic, tags: effect.tags}
  })
  return {org: org.name, app: body.app, functions}
}

function wantedBy(org: AccountState, app: AppState, change: Change): Wanted & {readonly place: Place; readonly fn: FunctionState} {
  const place = {org: org.name, app: app.name, function: change.function}
  const fn = app.functions.get(change.function)
  if (fn === undefined) refuse('not_found', `${app.name} has no function "${change.function}".`)
  const {traffic = fn.traffic, tags: given = [], untag = []} = change
  for (const {revision} of [...traffic, ...given]) {
    if (!fn.revisions.includes(revision))
      refuse('not_found', `${change.function} has no revision ${revision}, or one so old that it is not kept: deploy it again.`)
  }
  checkShares(change.function, traffic)
  const tags = new Map(fn.tags)
  for (const tag of untag) if (!tags.delete(tag)) refuse('not_found', `${change.function} has no tag "${tag}".`)
  for (const {tag, revision} of given) {
    if (untag.includes(tag)) refuse('invalid_input', `The tag "${tag}" is given and taken at once.`)
    tags.set(tag, revision)
  }
  if (new Set(given.map(({tag}) => tag)).size !== given.length) refuse('invalid_input', 'A tag is given twice.')
  checkTags(place, tags)
  return {place, fn, traffic, tags}
}

function checkShares(name: string, traffic: readonly TrafficShare[]): void {
  const percent = traffic.reduce((sum, share) => sum + share.percent, 0)
  if (percent !== WHOLE_PERCENT) refuse('invalid_input', `The shares of ${name} make ${percent} %, not ${WHOLE_PERCENT} %.`)
  if (new Set(traffic.map((share) => share.revision)).size !== traffic.length)
    refuse('invalid_input', `${name} has two shares of one revision.`)
}

/** A tag must make an address: one label of a host name. */
export function checkTags({org, app, function: name}: Place, tags: ReadonlyMap<string, string>): void {
  if (tags.size > TAGS_PER_FUNCTION_MAX)
    refuse('invalid_input', `${name} would have ${tags.size} tags; a function has at most ${TAGS_PER_FUNCTION_MAX}.`)
  for (const tag of tags.keys()) {
    const label = `${tag}--${name}--${app}--${org}`
    if (label.length > DNS_LABEL_MAX)
      refuse(
        'invalid_input',
        `"${label}" is ${label.length} letters long; a host name's label has at most ${DNS_LABEL_MAX}. Choose a shorter tag.`
      )
  }
}

export function trafficEffect(place: Place, {traffic, tags}: Wanted): Extract<Effect, {type: 'traffic'}> {
  return {type: 'traffic', ...place, traffic, tags: [...tags].map(([tag, revision]) => ({tag, revision}))}
}

/** Sends a function's traffic, and lets go of what can no longer be gone back to. */
export function direct(state: LedgerState, fn: FunctionState, {traffic, tags}: Wanted): void {
  fn.traffic = traffic
  fn.tags = tags
  const current = new Set([...traffic.map((share) => share.revision), ...tags.values()])
  const spare = fn.revisions.filter((id) => !current.has(id))
  const dropped = new Set(spare.slice(0, Math.max(0, spare.length - REVISIONS_KEPT_MAX)))
  for (const id of fn.revisions) {
    const revision = state.revisions.get(id)
    if (revision === undefined) continue
    revision.isCurrent = current.has(id)
    revision.isKept = !dropped.has(id)
    forgetIfSuperseded(state, revision)
  }
  fn.revisions = fn.revisions.filter((id) => !dropped.has(id))
}
