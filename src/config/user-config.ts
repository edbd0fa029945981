import {join} from 'node:path'
import Conf from 'conf'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {networkIdSchema, publicKeySchema} from '../core/protocol/scalars.ts'
import {makeFolders} from './make-folder.ts'
import {configDirectory} from './paths.ts'

const CONTEXTS_MAX = 100

const contextNameSchema = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,59}$/, 'must be lower-case letters, digits, dots and hyphens')

/** One network as this user knows it: where its coordinator answers, and the two values that pin it. */
const networkContextSchema = z.strictObject({
  coordinatorUrl: z.url({protocol: /^https?$/}),
  networkId: networkIdSchema,
  coordinatorKey: publicKeySchema
})
export type NetworkContext = z.output<typeof networkContextSchema>

const userSettingsSchema = z.strictObject({
  contexts: z
    .record(contextNameSchema, networkContextSchema)
    .refine((contexts) => Object.keys(contexts).length <= CONTEXTS_MAX, `has more than ${CONTEXTS_MAX} networks`)
    .default({}),
  currentContext: contextNameSchema.optional(),
  /** Name of the account that signs when no `--as` is given. */
  defaultAccount: z.string().min(1).max(60).optional()
})
export type UserSettings = z.output<typeof userSettingsSchema>

/** The settings file of this user. Every write replaces the file as a whole. */
export interface UserConfig {
  readonly path: string
  read(): UserSettings
  /** The named context, or the current one. @throws {CreoError} `not_found` when there is none. */
  context(name?: string): NetworkContext & {readonly name: string}
  /** Stores a context and makes it the current one. */
  saveContext(name: string, context: NetworkContext): void
  setDefaultAccount(name: string): void
}

/**
 * Opens the settings, making them at the first write.
 * @throws {CreoError} `invalid_input` when the file was edited into something else; `data_dir_unwritable` when its folder can't be made.
 */
export function openUserConfig(env: Readonly<Record<string, string | undefined>>): UserConfig {
  const directory = configDirectory(env)
  makeFolders(directory, 'CREO_CONFIG_DIR')
  const conf = readable(join(directory, 'config.json'), () => openStore(directory))
  const read = (): UserSettings =>
    parseSettings(
      readable(conf.path, () => conf.store),
      conf.path
    )
  const write = (settings: UserSettings): void => {
    conf.store = parseSettings(settings, conf.path)
  }
  return {
    path: conf.path,
    read,
    context: (name) => pickContext(read(), name),
    saveContext: (name, context) => {
      const settings = read()
      write({...settings, contexts: {...settings.contexts, [name]: context}, currentContext: name})
    },
    setDefaultAccount: (name) => write({...read(), defaultAccount: name})
  }
}

function openStore(directory: string): Conf<Record<string, unknown>> {
  return new Conf({cwd: directory, configName: 'config', configFileMode: 0o600, accessPropertiesByDotNotation: false})
}

/** Does what reads the file, with its fault named. A fault that the system has (no right, no space) is passed on. */
function readable<Result>(path: string, read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new CreoError('invalid_input', `The settings in ${path} can't be read: they are no JSON.`, {
      hint: 'Mend or delete that file.',
      cause: error
    })
  }
}

function parseSettings(value: unknown, path: string): UserSettings {
  const parsed = userSettingsSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue === undefined ? '' : `: ${issue.path.join('.')} ${issue.message}`
  throw new CreoError('invalid_input', `The settings in ${path} don't hold${where}.`, {hint: 'Mend or delete that file.'})
}

function pickContext(settings: UserSettings, wanted: string | undefined): NetworkContext & {readonly name: string} {
  const name = wanted ?? settings.currentContext
  if (name === undefined) {
    throw new CreoError('not_found', 'No network is joined yet.', {hint: 'creo network join URL --id HASH'})
  }
  const context = settings.contexts[name]
  if (context !== undefined) return {name, ...context}
  const known = Object.keys(settings.contexts).join(', ')
  throw new CreoError('not_found', `No network is stored as "${name}".`, {
    hint: known === '' ? 'creo network join URL --id HASH' : `Use one of: ${known}.`
  })
}
