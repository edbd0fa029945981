import {CreoError} from '../core/errors.ts'
import {meantOr} from '../core/nearest.ts'
import {configDirectory, dataDirectory} from './paths.ts'
import type {UserSettings} from './user-settings.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Where a value comes from, the strongest first. */
export type SettingOrigin = 'flag' | 'environment' | 'manifest' | 'user' | 'default'

export interface EffectiveSetting {
  readonly setting: string
  /** Null when nothing says it. */
  readonly value: string | null
  readonly origin: SettingOrigin
  /** In words of who looks for it: `--as`, `CREO_ACCOUNT`, `creo.yaml`, the path of the settings file, or `default`. */
  readonly from: string
}

/** Everything that can say a value. */
export interface SettingSources {
  readonly flags: {readonly network?: string | undefined; readonly as?: string | undefined}
  readonly env: Env
  /** The org of the manifest in this folder. */
  readonly manifestOrg: string | undefined
  readonly user: UserSettings
  /** Of the user's settings file. */
  readonly userPath: string
}

const LOG_LEVEL_DEFAULT = 'info'
/** Those that `creo config set` stores; the others are said by the environment alone. */
export const STORED_SETTINGS = ['network', 'account'] as const
export type StoredSetting = (typeof STORED_SETTINGS)[number]
const BY_ENVIRONMENT: Readonly<Record<string, string>> = {
  'config-dir': 'CREO_CONFIG_DIR',
  'data-dir': 'CREO_DATA_DIR',
  'log-level': 'CREO_LOG_LEVEL'
}
const SETTINGS: readonly string[] = [...STORED_SETTINGS, ...Object.keys(BY_ENVIRONMENT)]

/** What holds for a command that is run now: flag, then environment, then creo.yaml, then the user's settings, then the default. */
export function effectiveSettings({flags, env, manifestOrg, user, userPath}: SettingSources): EffectiveSetting[] {
  const byUser = (value: string | undefined) => ({value, origin: 'user', from: userPath}) as const
  const byEnv = (name: string) => ({value: env[name] || undefined, origin: 'environment', from: name}) as const
  const byDefault = (value: string | undefined) => ({value, origin: 'default', from: 'default'}) as const
  const isEnv = (value: string | undefined, name: string): boolean => value !== undefined && value === env[name]
  // The framework reads the environment where a flag is missing.
  const byFlag = (value: string | undefined, flag: string, name: string) =>
    ({value: isEnv(value, name) ? undefined : value, origin: 'flag', from: flag}) as const
  const candidates: Readonly<Record<string, readonly Candidate[]>> = {
    network: [byFlag(flags.network, '--network', 'CREO_NETWORK'), byEnv('CREO_NETWORK'), byUser(user.currentContext)],
    account: [
      byFlag(flags.as, '--as', 'CREO_ACCOUNT'),
      byEnv('CREO_ACCOUNT'),
      {value: manifestOrg, origin: 'manifest', from: 'creo.yaml'},
      byUser(user.defaultAccount)
    ],
    'config-dir': [byEnv('CREO_CONFIG_DIR'), byDefault(configDirectory(env))],
    'data-dir': [byEnv('CREO_DATA_DIR'), byDefault(dataDirectory(env))],
    'log-level': [byEnv('CREO_LOG_LEVEL'), byDefault(LOG_LEVEL_DEFAULT)]
  }
  return SETTINGS.map((setting) => {
    const {value, ...origin} = candidates[setting]?.find((one) => one.value !== undefined) ?? byDefault(undefined)
    return {setting, value: value ?? null, ...origin}
  })
}

type Candidate = {readonly value: string | undefined} & Pick<EffectiveSetting, 'origin' | 'from'>

/** @throws {CreoError} `not_found` with the one that was probably meant. */
export function settingName(typed: string): string {
  if (SETTINGS.includes(typed)) return typed
  throw new CreoError('not_found', `There is no setting "${typed}".`, {
    hint: meantOr(typed, SETTINGS, `The settings are ${SETTINGS.join(', ')}.`)
  })
}

/** @throws {CreoError} `usage` for one that the environment alone says; `not_found`. */
export function storedSetting(typed: string): StoredSetting {
  const name = settingName(typed)
  const stored = STORED_SETTINGS.find((one) => one === name)
  if (stored !== undefined) return stored
  throw new CreoError('usage', `${name} is said by the environment alone.`, {hint: `export ${BY_ENVIRONMENT[name]}=…`})
}
