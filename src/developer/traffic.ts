import {CreoError} from '../core/errors.ts'
import {meantOr} from '../core/nearest.ts'
import type {ReleaseView} from '../core/protocol/api.ts'
import type {CommandOf} from '../core/protocol/commands.ts'
import type {Tag, TrafficShare} from '../core/protocol/revisions.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {revisionBefore} from '../core/traffic.ts'
import {appAddress} from './addresses.ts'
import {type AppName, noFunction} from './app-name.ts'
import {assertNotDestroyed, refuseDestroyed} from './apps.ts'
import type {AccountContext, Context} from './context.ts'

const WHOLE_PERCENT = 100

export interface FunctionTraffic {
  readonly function: string
  readonly traffic: readonly TrafficShare[]
  readonly tags: readonly (Tag & {/** Null while the network has no gateway. */ readonly address: string | null})[]
}

export interface Rollback {
  readonly function: string
  readonly from: readonly TrafficShare[]
  readonly to: string
}

/** What was typed of a change: `NAME=VALUE` texts. */
export interface TypedChange {
  readonly to: readonly string[]
  readonly tag: readonly string[]
  readonly untag: readonly string[]
}

/** Where the traffic of an app's functions goes, or of one of them. @throws {CreoError} `not_found` for an app or function that is not there, or gone. */
export async function readTraffic(
  {client}: Context,
  name: AppName,
  only: string | undefined,
  signal: AbortSignal
): Promise<FunctionTraffic[]> {
  const [{revisions, routes}, {gateways}] = await Promise.all([client.app(name.org, name.app, signal), client.gateways(signal)])
  refuseDestroyed(name, {routes})
  const functions = Map.groupBy(revisions, (revision) => revision.function)
  if (only !== undefined && !functions.has(only)) throw noFunction(name, only, [...functions.keys()])
  const [gateway] = gateways
  return [...functions].flatMap(([fn, own]) => {
    if (only !== undefined && fn !== only) return []
    const traffic = own.filter(({percent}) => percent > 0).map(({id, percent}) => ({revision: id, percent}))
    const tags = own.flatMap(({id, tags: names}) =>
      names.map((tag) => ({tag, revision: id, address: gateway ? `${appAddress(gateway.publicUrl, {...name, function: fn, tag})}/` : null}))
    )
    return [{function: fn, traffic, tags}]
  })
}

/** Changes one function's traffic and tags in one step. @throws {CreoError} `invalid_input` for what was typed, `not_found` for unknown names. */
export async function changeTraffic(
  {client}: AccountContext,
  name: AppName,
  typed: TypedChange & {readonly function: string | undefined},
  signal: AbortSignal
): Promise<number> {
  const {revisions} = await client.releases(name.org, name.app, {}, signal)
  const functions = [...new Set(revisions.map((revision) => revision.function))]
  const fn = typed.function ?? (functions.length === 1 ? functions[0] : undefined)
  if (fn === undefined)
    throw new CreoError('usage', `${name.app} has several functions.`, {hint: `Name one of them: ${functions.toSorted().join(', ')}`})
  if (!functions.includes(fn)) throw noFunction(name, fn, functions)
  const own = revisions.filter((revision) => revision.function === fn)
  const traffic = typed.to.map((text) => shareOf(text, own, name))
  const tags = typed.tag.map((text) => tagOf(text, own, name))
  checkSum(traffic)
  const change = {
    function: fn,
    ...(traffic.length > 0 && {traffic}),
    ...(tags.length > 0 && {tags}),
    ...(typed.untag.length > 0 && {untag: [...typed.untag]})
  }
  const {seq} = await client.submit({type: 'traffic.set', app: name.app, functions: [change]}, {signal})
  return seq
}

/**
 * Sends all traffic of an app's functions, or of one, back to the revision that served before: of several
 * that serve the second newest, else the newest older one that has served. Functions without one are left as they are.
 * @throws {CreoError} `conflict` when there is nothing to go back to.
 */
export async function rollBack(
  {client}: AccountContext,
  name: AppName,
  only: string | undefined,
  signal: AbortSignal
): Promise<{readonly functions: readonly Rollback[]; readonly seq: number}> {
  const {revisions} = await client.releases(name.org, name.app, {}, signal)
  const all = [...new Set(revisions.map((revision) => revision.function))]
  if (revisions.every(({percent}) => percent === 0)) await assertNotDestroyed(client, name, signal)
  if (only !== undefined && !all.includes(only)) throw noFunction(name, only, all)
  const functions = (only === undefined ? all.toSorted() : [only]).flatMap((fn): Rollback[] => {
    const before = revisionBefore(revisions, fn)
    const serving = revisions.filter((revision) => revision.function === fn && revision.percent > 0)
    const from = serving.map(({id, percent}) => ({revision: id, percent}))
    return before === undefined ? [] : [{function: fn, from, to: before.id}]
  })
  if (functions.length === 0) {
    throw new CreoError('conflict', `No revision of ${only ?? name.app} has served before the one that serves now.`, {
      hint: `creo releases ${name.org}/${name.app}`
    })
  }
  const changes: CommandOf<'traffic.set'>['functions'] = functions.map((one) => ({
    function: one.function,
    traffic: [{revision: one.to, percent: WHOLE_PERCENT}]
  }))
  const {seq} = await client.submit({type: 'traffic.set', app: name.app, functions: changes}, {signal})
  return {functions, seq}
}

/** `rev_448=20`, or a tag in the revision's place; without a number all of it. */
function shareOf(text: string, revisions: readonly ReleaseView[], name: AppName): TrafficShare {
  const [who = '', percent = String(WHOLE_PERCENT), ...rest] = text.split('=')
  const isPercent = /^\d{1,3}$/.test(percent) && Number(percent) >= 1 && Number(percent) <= WHOLE_PERCENT
  if (rest.length > 0 || !isPercent)
    throw new CreoError('invalid_input', `"${text}" is not a share.`, {
      hint: 'Write REVISION=PERCENT, for example rev_448=20, from 1 to 100.'
    })
  return {revision: revisionOf(who, revisions, name), percent: Number(percent)}
}

function tagOf(text: string, revisions: readonly ReleaseView[], name: AppName): Tag {
  const [tag = '', who = '', ...rest] = text.split('=')
  if (rest.length > 0 || who === '' || !nameSchema.safeParse(tag).success)
    throw new CreoError('invalid_input', `"${text}" is not a tag.`, {
      hint: 'Write NAME=REVISION, for example next=rev_448: 2 to 20 lower-case letters, digits and single hyphens, starting with a letter.'
    })
  return {tag, revision: revisionOf(who, revisions, name)}
}

/** By its id, or by a tag that it has. */
function revisionOf(typed: string, revisions: readonly ReleaseView[], {org, app}: AppName): string {
  const found = revisions.find(({id, tags}) => id === typed || tags.includes(typed))
  if (found !== undefined) return found.id
  const known = revisions.flatMap(({id, tags}) => [...tags, id])
  throw new CreoError('not_found', `There is no revision or tag "${typed}" of this function.`, {
    hint: meantOr(typed, known, `creo releases ${org}/${app}`)
  })
}

function checkSum(traffic: readonly TrafficShare[]): void {
  const sum = traffic.reduce((total, {percent}) => total + percent, 0)
  if (traffic.length > 0 && sum !== WHOLE_PERCENT)
    throw new CreoError('invalid_input', `The shares make ${sum} %, not ${WHOLE_PERCENT} %.`, {
      hint: 'Say where all requests go: give --to once for each revision.'
    })
}
