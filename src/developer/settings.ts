import {type EffectiveSetting, effectiveSettings, type StoredSetting} from '../config/effective-settings.ts'
import {openUserConfig} from '../config/user-config.ts'
import {CreoError} from '../core/errors.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {readManifest} from './read-manifest.ts'

/** What holds for a command that is run in this folder with these flags. */
export async function settingsHere(
  flags: {readonly network?: string | undefined; readonly as?: string | undefined},
  folder: string
): Promise<EffectiveSetting[]> {
  const config = openUserConfig(process.env)
  // Commands that need the manifest say what is wrong with it.
  const manifestOrg = await readManifest(folder).then(
    ({manifest}) => manifest.org,
    () => undefined
  )
  return effectiveSettings({flags, env: process.env, manifestOrg, user: config.read(), userPath: config.path})
}

/** Stores a setting, or takes it back. @throws {CreoError} `not_found` for a network that is not stored; `invalid_input` for what is no name. */
export function storeSetting(setting: StoredSetting, value: string | undefined): 'changed' | 'unchanged' {
  const config = openUserConfig(process.env)
  const settings = config.read()
  const key = setting === 'network' ? 'currentContext' : 'defaultAccount'
  if (settings[key] === value) return 'unchanged'
  if (setting === 'network' && value !== undefined) config.context(value)
  if (setting === 'account' && value !== undefined && !nameSchema.safeParse(value).success)
    throw new CreoError('invalid_input', `"${value}" is not an account name.`, {
      hint: 'Use 2 to 20 lower-case letters, digits and single hyphens, starting with a letter.'
    })
  config.change(({[key]: _, ...rest}) => ({...rest, ...(value !== undefined && {[key]: value})}))
  return 'changed'
}
