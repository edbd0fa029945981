import {readFile} from 'node:fs/promises'
import {createSecureContext} from 'node:tls'
import {parse as parseYaml} from 'yaml'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {parsedOr} from '../core/issue-words.ts'

const FILE_BYTES_MAX = 64 * 1024
/** Nested aliases beyond this are no settings. */
const ALIASES_MAX = 100
const RATE_MAX = 10_000_000
const BODY_BYTES_MAX = 2 ** 40
const CONNECTIONS_MAX = 1_000_000

const pathText = z.string('must be the path of a file').min(1, 'must be the path of a file')

function whole(least: number, most: number): z.ZodNumber {
  const message = `must be a whole number from ${least} to ${most}`
  return z.int(message).min(least, message).max(most, message)
}

/** What docs/GATEWAY.md describes, with the values that hold when a line is missing. */
const settingsSchema = z.strictObject({
  tls: z.strictObject({cert: pathText, key: pathText}).optional(),
  accessLog: z.boolean('must be true or false').default(false),
  localApp: z
    .string('must be ORG/APP')
    .regex(/^[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/, 'must be ORG/APP')
    .optional(),
  limits: z
    .strictObject({
      bodyBytes: whole(0, BODY_BYTES_MAX).default(2 ** 30),
      connections: whole(1, CONNECTIONS_MAX).default(20_000),
      connectionsPerClient: whole(1, CONNECTIONS_MAX).default(2000),
      requestsPerSecondPerClient: whole(1, RATE_MAX).default(2000),
      requestsBurstPerClient: whole(1, RATE_MAX).default(10_000),
      requestsPerSecondPerFunction: whole(1, RATE_MAX).default(50_000),
      requestsBurstPerFunction: whole(1, RATE_MAX).default(100_000)
    })
    .prefault({})
})
type SettingsFile = z.output<typeof settingsSchema>
export type GatewayLimits = SettingsFile['limits']

/** Certificate chain and private key, PEM. */
export interface PublicTls {
  readonly cert: string
  readonly key: string
}

/** What an operator may set, and change while the gateway runs. */
export interface GatewaySettings {
  readonly accessLog: boolean
  /** `org/app` that a loopback address means without `/@`. */
  readonly localApp?: string | undefined
  readonly limits: GatewayLimits
  /** Undefined: the public side speaks plain HTTP. */
  readonly tls: PublicTls | undefined
}

export const DEFAULT_SETTINGS: GatewaySettings = {...settingsSchema.parse({}), tls: undefined}

/**
 * Reads the operator's settings and the certificate that they or `tls` name; `tls` goes first.
 * @throws {CreoError} `not_found`, `usage` with the setting that is wrong, `invalid_input` for a certificate that cannot be used.
 */
export async function readSettings(options: {
  readonly path: string | undefined
  readonly tls: {readonly cert: string; readonly key: string} | undefined
}): Promise<GatewaySettings> {
  const {tls, ...settings} = options.path === undefined ? settingsSchema.parse({}) : await readSettingsFile(options.path)
  const paths = options.tls ?? tls
  return {...settings, tls: paths === undefined ? undefined : await readTls(paths)}
}

async function readSettingsFile(path: string): Promise<SettingsFile> {
  const bytes = await readFileIfThere(path, FILE_BYTES_MAX)
  if (bytes === undefined) throw new CreoError('not_found', `There is no ${path}.`, {hint: 'Name the settings file with --settings.'})
  return parsedOr(
    settingsSchema,
    parsedText(path, bytes.toString()) ?? {},
    (wrong, cause) => new CreoError('usage', `${path}: ${wrong}.`, {hint: 'docs/GATEWAY.md lists every setting.', cause})
  )
}

function parsedText(path: string, text: string): unknown {
  try {
    return parseYaml(text, {maxAliasCount: ALIASES_MAX})
  } catch (cause) {
    throw new CreoError('usage', `${path} is neither YAML nor JSON.`, {hint: 'docs/GATEWAY.md shows one.', cause})
  }
}

async function readTls(paths: {readonly cert: string; readonly key: string}): Promise<PublicTls> {
  const [cert, key] = await Promise.all([readPem(paths.cert), readPem(paths.key)])
  try {
    createSecureContext({cert, key})
  } catch (cause) {
    throw new CreoError('invalid_input', `The certificate ${paths.cert} and the key ${paths.key} cannot be used together.`, {
      hint: 'Both must be PEM; the certificate file holds the whole chain, its own first.',
      cause
    })
  }
  return {cert, key}
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CreoError('not_found', `${path} cannot be read.`, {hint: 'Check the path and who may read it.', cause})
  }
}
