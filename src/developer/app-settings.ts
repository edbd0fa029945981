import {CreoError} from '../core/errors.ts'
import type {AppView} from '../core/protocol/api.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {type AppName, noFunction} from './app-name.ts'
import {refuseDestroyed} from './apps.ts'
import type {AccountContext, Context} from './context.ts'
import {type Released, type ReleaseOptions, release, untilUnchanged} from './release.ts'

const VARIABLES_MAX = 64

/** What a changed setting made of a function. */
export interface ChangedFunction {
  readonly function: string
  readonly from: string
  readonly to: string
  readonly status: 'changed' | 'already_so'
  /** The command that takes it back; null when nothing changed. */
  readonly undo: string | null
}

export interface SettingsChange extends Pick<ReleaseOptions, 'waitMs' | 'givesUp' | 'steps' | 'signal'> {
  readonly context: AccountContext
  readonly name: AppName
  /** Of this function alone. */
  readonly only: string | undefined
  readonly change: (spec: RevisionSpec) => RevisionSpec
}

interface ChangedSettings extends Pick<Released, 'firstAnswers'> {
  readonly functions: readonly ChangedFunction[]
}

/**
 * Makes a new revision of each function with the same image and other settings, and sends its requests there; without `only`, of all functions of the app.
 * What is so already stays as it is, and so does what somebody else changes at the same time.
 * @throws {CreoError} `conflict` while a function's requests are shared out; `not_found`; `invalid_input`; what `release` throws.
 */
export function changeSettings(options: SettingsChange): Promise<ChangedSettings> {
  return untilUnchanged(() => changeOnce(options))
}

async function changeOnce(options: SettingsChange): Promise<ChangedSettings> {
  const {context, name, only, change, signal} = options
  const {revisions, routes} = await context.client.app(name.org, name.app, signal)
  refuseDestroyed(name, {routes})
  const changes = servingOf(name, revisions, only).map((before) => {
    const spec = change(before.spec)
    if (Object.keys(spec.env).length > VARIABLES_MAX)
      throw new CreoError('invalid_input', `${before.function} would have more than ${VARIABLES_MAX} variables.`, {hint: 'creo env unset'})
    return {before, spec}
  })
  const changed = changes.filter(({before, spec}) => JSON.stringify(spec) !== JSON.stringify(before.spec))
  const wanted = changed.map(({before, spec}) => ({function: before.function, imageDigest: before.imageDigest, spec, expected: before.id}))
  const made = wanted.length === 0 ? undefined : await release({...options, routes, keepsRoutes: true, revisions: wanted})
  const functions = changes.map(({before: {function: fn, id}}): ChangedFunction => {
    const to = changed.some(({before}) => before.function === fn) ? made?.ids.get(fn) : undefined
    if (to === undefined) return {function: fn, from: id, to: id, status: 'already_so', undo: null}
    return {function: fn, from: id, to, status: 'changed', undo: `creo traffic ${name.org}/${name.app} ${fn} --to ${id}`}
  })
  return {functions, firstAnswers: made?.firstAnswers ?? []}
}

/** Variables of each function's environment, as what serves now has them. */
export async function readEnvironment(
  {client}: Context,
  name: AppName,
  only: string | undefined,
  signal: AbortSignal
): Promise<readonly {readonly function: string; readonly name: string; readonly value: string}[]> {
  const {revisions, routes} = await client.app(name.org, name.app, signal)
  refuseDestroyed(name, {routes})
  const serving = revisions.filter(({percent, function: fn}) => percent > 0 && (only === undefined || fn === only))
  if (serving.length === 0) throw nothingServes(name, revisions, only)
  return serving.flatMap(({function: fn, spec}) =>
    Object.entries(spec.env).map(([variable, value]) => ({function: fn, name: variable, value}))
  )
}

/** The revision that all requests of each function go to. */
function servingOf(name: AppName, revisions: AppView['revisions'], only: string | undefined): AppView['revisions'] {
  const serving = revisions.filter(({percent, function: fn}) => percent > 0 && (only === undefined || fn === only))
  if (serving.length === 0) throw nothingServes(name, revisions, only)
  const split = serving.find(({percent}) => percent < 100)
  if (split === undefined) return serving
  throw new CreoError('conflict', `The requests of ${split.function} are shared out among revisions: a new one would take all of them.`, {
    hint: `creo traffic ${name.org}/${name.app} ${split.function} --to REVISION`
  })
}

function nothingServes({org, app}: AppName, revisions: AppView['revisions'], only: string | undefined): CreoError {
  if (only === undefined) return new CreoError('not_found', `${app} has no function.`, {hint: 'creo deploy'})
  const known = [...new Set(revisions.map((revision) => revision.function))]
  return noFunction({org, app}, only, known)
}
