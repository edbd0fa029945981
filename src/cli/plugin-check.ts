import {mkdtemp, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {list} from 'tar'
import {z} from 'zod'
import {CreoError, type ErrorCode} from '../core/errors.ts'
import {npmProgram} from '../developer/npm-program.ts'

/** A slow line's worth; npm itself gives up a connection after a minute. */
const ASK_TIMEOUT_MS = 120_000
const ANSWER_BYTES_MAX = 4_194_304
const ARCHIVE_BYTES_MAX = 512 * 2 ** 20
const MANIFEST_BYTES_MAX = 1_048_576
const PACKAGE_NAME = /^((?:@[\w.~-]+\/)?[\w.~-]+)(?:@(.+))?$/
const NO_NETWORK = /^(ECONN|ENOTFOUND|ETIMEDOUT|EAI_|ENET|EHOST|ERR_SOCKET|FETCH_ERROR|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|E5\d\d)/
/** npm ends with the low byte of the system's error: of ENOSPC, and of EDQUOT. */
const NPM_DISK_FULL: ReadonlySet<string> = new Set(['228', '134'])
const HINT = 'creo plugins guide'

const manifestSchema = z.object({name: z.string(), oclif: z.record(z.string(), z.unknown()).optional()})
const errorSchema = z.object({error: z.object({code: z.string().nullish(), summary: z.string().nullish()})})
type Manifest = z.infer<typeof manifestSchema>

/**
 * Asks npm's registry before anything is installed.
 * @param asksAnew leaves out what npm remembers, which is taken for the registry's answer where that can't be reached.
 * @throws {CreoError} `not_found` for no such package or version, `unavailable` when the registry can't be reached, `invalid_input` for what is no plugin, `failed` with npm's words.
 */
export async function assertPublishedPlugin(
  given: string,
  {asksAnew = false, signal}: {readonly asksAnew?: boolean; readonly signal?: AbortSignal} = {}
): Promise<void> {
  const cache = asksAnew ? await mkdtemp(join(tmpdir(), 'creo-npm-')) : undefined
  try {
    await assertAnswered(given, {cache, signal})
  } finally {
    if (cache !== undefined) await rm(cache, {recursive: true, force: true})
  }
}

async function assertAnswered(
  given: string,
  {cache, signal}: {readonly cache: string | undefined; readonly signal: AbortSignal | undefined}
): Promise<void> {
  const {execa} = await import('execa')
  const registry = process.env.CREO_NPM_REGISTRY ? [`--registry=${process.env.CREO_NPM_REGISTRY}`] : []
  const args = [
    'view',
    given,
    'name',
    'version',
    'oclif',
    '--json',
    '--loglevel=silent',
    '--no-update-notifier',
    '--fetch-retries=1',
    ...registry,
    ...(cache === undefined ? [] : [`--cache=${cache}`])
  ]
  const asked = await execa(process.execPath, [npmProgram(), ...args], {
    stdin: 'ignore',
    reject: false,
    timeout: ASK_TIMEOUT_MS,
    maxBuffer: ANSWER_BYTES_MAX,
    ...(signal === undefined ? {} : {cancelSignal: signal})
  })
  if (asked.isCanceled) throw new CreoError('interrupted', 'It was called off, and nothing was changed.')
  if (asked.timedOut) throw registryUnreachable(`no answer within ${ASK_TIMEOUT_MS / 1000} s`)
  const answer = parsed(asked.stdout)
  const refused = errorSchema.safeParse(answer)
  if (refused.success) throw registryError(given, refused.data.error)
  const found = manifestSchema.safeParse(Array.isArray(answer) ? answer.at(-1) : answer)
  if (found.success) assertPlugin(given, found.data)
  else if (asked.failed) throw new CreoError('failed', `npm could not look up ${given}.`, {hint: `npm view ${given}`})
  else throw noSuchVersion(given)
}

/**
 * Reads the package.json of an archive that `npm pack` makes.
 * @throws {CreoError} `invalid_input` for what is no archive, or no plugin.
 */
export async function assertPluginArchive(path: string): Promise<void> {
  const {size} = await stat(path)
  if (size > ARCHIVE_BYTES_MAX) throw new CreoError('invalid_input', `${path} is too large for a plugin.`, {hint: HINT})
  const parts: Buffer[] = []
  const readEntry = {
    file: path,
    strict: true,
    filter: (name: string, entry: {size?: number}): boolean =>
      /^[^/]+\/package\.json$/.test(name) && (entry.size ?? 0) <= MANIFEST_BYTES_MAX,
    onReadEntry: (entry: {on(event: 'data', listener: (chunk: Buffer) => void): unknown}): void => {
      entry.on('data', (chunk) => parts.push(chunk))
    }
  }
  await list(readEntry).catch((cause: unknown) => {
    throw new CreoError('invalid_input', `${path} is no archive that npm pack made.`, {hint: 'npm pack', cause})
  })
  const found = manifestSchema.safeParse(parsed(Buffer.concat(parts).toString()))
  if (!found.success) throw new CreoError('invalid_input', `${path} holds no package.json of a package.`, {hint: 'npm pack'})
  assertPlugin(found.data.name, found.data)
}

/** What the framework's `plugins` commands say, in our words and codes. Undefined for anything else. */
export function pluginError(error: unknown, [topic, command, ...names]: readonly string[]): CreoError | undefined {
  if (topic !== 'plugins' || !(error instanceof Error)) return undefined
  const name = basename(names.find((arg) => !arg.startsWith('-')) ?? 'the plugin')
  const exitCode = / exited with code (\d+|null)$/.exec(error.message)?.[1]
  if (exitCode !== undefined) {
    const what = command === 'install' || command === 'add' ? `install ${name}` : `${command} what was asked`
    if (NPM_DISK_FULL.has(exitCode)) {
      const hint = 'Free some disk space, then run the same command again. Nothing was added.'
      return new CreoError('data_dir_unwritable', `The disk is full: npm could not ${what}.`, {hint, cause: error})
    }
    const hint = 'What npm said stands above. Nothing was added.'
    return new CreoError('failed', `npm could not ${what} (exit code ${exitCode}).`, {hint, cause: error})
  }
  if (error.message.startsWith('plugin is invalid')) return noPlugin(name)
  if (command === 'link' && error.message.startsWith('could not find package.json'))
    return new CreoError('not_found', `No package.json of a plugin is in ${name}.`, {hint: HINT, cause: error})
  if (/^\S+ (is )?not installed/.test(error.message))
    return new CreoError('not_found', `No plugin ${name} is installed.`, {hint: 'creo plugins', cause: error})
  return undefined
}

function assertPlugin(given: string, {oclif}: Manifest): void {
  if (oclif === undefined) throw noPlugin(given)
}

function noPlugin(name: string): CreoError {
  return new CreoError('invalid_input', `${name} is no plugin of creo: its package.json has no part "oclif".`, {hint: HINT})
}

function registryError(
  given: string,
  {code, summary}: {readonly code?: string | null | undefined; readonly summary?: string | null | undefined}
): CreoError {
  const known = code ?? ''
  if (NO_NETWORK.test(known)) return registryUnreachable(known)
  if (known === 'ETARGET' || (known === 'E404' && summary?.startsWith('No match found for version'))) return noSuchVersion(given)
  if (known === 'E404') {
    const hint = 'Check the name; a folder begins with ./, an archive ends with .tgz.'
    return new CreoError('not_found', `npm's registry has no package ${given}.`, {hint})
  }
  const refused: ErrorCode = /^E40[13]$/.test(known) ? 'forbidden' : 'failed'
  return new CreoError(refused, `npm's registry says of ${given}: ${summary ?? known}`, {hint: `npm view ${given}`})
}

function noSuchVersion(given: string): CreoError {
  const [, name = given, version = 'latest'] = PACKAGE_NAME.exec(given) ?? []
  return new CreoError('not_found', `${name} has no version ${version}.`, {hint: `The newest: creo plugins install ${name}`})
}

function registryUnreachable(why: string): CreoError {
  const hint = 'Check the network, or bring the plugin as an archive: creo plugins install ./plugin.tgz'
  return new CreoError('unavailable', `npm's registry can't be reached (${why}).`, {hint})
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
