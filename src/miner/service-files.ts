import {lstat, mkdir, rm} from 'node:fs/promises'
import {userInfo} from 'node:os'
import {join} from 'node:path'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {type ServiceScope, UNIT_NAME} from './service-unit.ts'

const UNIT_MODE = 0o644
/** Where systemd notes it, one file a user. */
const LINGERING = '/var/lib/systemd/linger'
const WANTED_BY = {system: 'multi-user.target.wants', user: 'default.target.wants'} as const

export interface ServicePlace {
  readonly scope: ServiceScope
  /** Where this service manager reads units. */
  readonly directory: string
}

/** The machine's manager reads `/etc`, a user's what XDG says. */
export function servicePlace(scope: ServiceScope, env: Readonly<Record<string, string | undefined>>): ServicePlace {
  if (scope === 'system') return {scope, directory: '/etc/systemd/system'}
  const config = env.XDG_CONFIG_HOME || (env.HOME === undefined ? undefined : join(env.HOME, '.config'))
  if (config !== undefined) return {scope, directory: join(config, 'systemd/user')}
  throw new CreoError('usage', 'HOME is not set, so there is no place for a user unit.', {hint: 'Set HOME, or give --system.'})
}

/** What starts the service now and at every boot, or ends that; for the owner to run. Some machines let root alone say whose services outlast a login. */
export function serviceCommands(
  scope: ServiceScope,
  {lingers}: {readonly lingers: boolean}
): {readonly enable: readonly string[]; readonly disable: readonly string[]} {
  const systemctl = scope === 'system' ? 'systemctl' : 'systemctl --user'
  const linger = scope === 'user' && !lingers ? ['loginctl enable-linger || sudo loginctl enable-linger "$USER"'] : []
  return {
    enable: [`${systemctl} daemon-reload`, `${systemctl} enable --now ${UNIT_NAME}`, ...linger],
    disable: [`${systemctl} disable --now ${UNIT_NAME}`]
  }
}

/** Whether this user's services go on without a login. */
export async function userLingers(): Promise<boolean> {
  return await isThere(join(LINGERING, userInfo().username))
}

/** Writes the unit; the service manager is not touched. @throws {CreoError} `forbidden` without the right to. */
export async function installUnit(place: ServicePlace, unit: string): Promise<'installed' | 'replaced' | 'already_installed'> {
  const path = join(place.directory, UNIT_NAME)
  const before = await readFileIfThere(path)
  if (before?.toString('utf8') === unit) return 'already_installed'
  await allowed(place, async () => {
    await mkdir(place.directory, {recursive: true})
    await writeFileDurably(path, unit, {mode: UNIT_MODE})
  })
  return before === undefined ? 'installed' : 'replaced'
}

/** Removes the unit. @throws {CreoError} `conflict` while it is enabled; `forbidden` without the right to. */
export async function uninstallUnit(place: ServicePlace): Promise<'uninstalled' | 'already_uninstalled'> {
  if (await isThere(join(place.directory, WANTED_BY[place.scope], UNIT_NAME))) {
    const [disable] = serviceCommands(place.scope, {lingers: false}).disable
    throw new CreoError('conflict', 'The service is enabled.', {hint: `Run first: ${disable}`})
  }
  const path = join(place.directory, UNIT_NAME)
  if ((await readFileIfThere(path)) === undefined) return 'already_uninstalled'
  await allowed(place, () => rm(path))
  return 'uninstalled'
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false
  )
}

async function allowed(place: ServicePlace, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw cause
    throw new CreoError('forbidden', `${place.directory} cannot be written.`, {
      hint: 'Run it as root, or give --user, or --print and put the unit there yourself.',
      cause
    })
  }
}
