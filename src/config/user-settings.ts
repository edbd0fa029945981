import {join} from 'node:path'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {parsedOr} from '../core/issue-words.ts'
import {meantOr} from '../core/nearest.ts'
import {networkIdSchema, publicKeySchema} from '../core/protocol/scalars.ts'
import {readFileIfThere} from './durable-file.ts'
import {configDirectory} from './paths.ts'

const CONTEXTS_MAX = 100

export const contextNameSchema = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,59}$/, 'must be lower-case letters, digits, dots and hyphens')

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

/**
 * The network that this user chose, or undefined when none is joined. For processes that go on: without the memory of what writes the file
 * (`openUserConfig`).
 * @throws {CreoError} `invalid_input` when the file was edited into something else.
 */
export async function readCurrentContext(env: Readonly<Record<string, string | undefined>>): Promise<NetworkContext | undefined> {
  const path = join(configDirectory(env), 'config.json')
  const bytes = await readFileIfThere(path)
  if (bytes === undefined) return undefined
  const settings = parseSettings(parsedJson(bytes.toString('utf8')), path)
  return settings.currentContext === undefined ? undefined : pickContext(settings, undefined)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function parseSettings(value: unknown, path: string): UserSettings {
  return parsedOr(
    userSettingsSchema,
    value,
    (wrong, cause) =>
      new CreoError('invalid_input', `The settings in ${path} don't hold: ${wrong}.`, {hint: 'Mend or delete that file.', cause})
  )
}

export function pickContext(settings: UserSettings, wanted: string | undefined): NetworkContext & {readonly name: string} {
  const name = wanted ?? settings.currentContext
  if (name === undefined) {
    throw new CreoError('not_found', 'No network is joined yet.', {
      hint: 'creo network join URL --id HASH; or creo up for a network of your own, or creo dev for one app'
    })
  }
  const context = settings.contexts[name]
  if (context !== undefined) return {name, ...context}
  const known = Object.keys(settings.contexts)
  throw new CreoError('not_found', `No network is stored as "${name}".`, {
    hint: meantOr(name, known, known.length === 0 ? 'creo network join URL --id HASH' : `Use one of: ${known.join(', ')}.`)
  })
}
