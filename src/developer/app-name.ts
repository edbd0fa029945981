import {CreoError, isCreoError} from '../core/errors.ts'
import {meantOr} from '../core/nearest.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {readManifest} from './read-manifest.ts'

export interface AppName {
  readonly org: string
  readonly app: string
}

/** @param known the functions that the app has. */
export function noFunction({org, app}: AppName, typed: string, known: readonly string[]): CreoError {
  return new CreoError('not_found', `${app} has no function "${typed}".`, {hint: meantOr(typed, known, `creo releases ${org}/${app}`)})
}

/**
 * `org/app` as typed, or the app of the manifest in this folder when nothing was typed.
 * @throws {CreoError} `invalid_input` for what is no `org/app`; `not_found` without a manifest.
 */
export async function appNameOf(typed: string | undefined, folder: string): Promise<AppName> {
  if (typed === undefined) {
    const {manifest} = await readManifest(folder).catch((cause: unknown) => {
      if (!isCreoError(cause) || cause.code !== 'not_found') throw cause
      throw new CreoError('not_found', 'No app is named, and there is no creo.yaml here.', {
        hint: 'Name it as ORG/APP, or go to its folder.',
        cause
      })
    })
    return {org: manifest.org, app: manifest.app}
  }
  const [org = '', app = '', ...rest] = typed.split('/')
  if (rest.length > 0 || !nameSchema.safeParse(org).success || !nameSchema.safeParse(app).success) {
    throw new CreoError('invalid_input', `"${typed}" is not an app.`, {hint: 'Write ORG/APP, for example colibris/shop.'})
  }
  return {org, app}
}
