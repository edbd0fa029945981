import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {access, constants, copyFile, open, rm} from 'node:fs/promises'
import {delimiter, dirname, join} from 'node:path'
import {execa} from 'execa'
import {z} from 'zod'
import {download} from '../../client/download.ts'
import {makePrivateFolder} from '../../config/data-directory.ts'
import {CreoError} from '../../core/errors.ts'
import {isAddress, type Release} from './release.ts'

/** Of an executable, packed or not. */
const PROGRAM_BYTES_MAX = 1024 * 1024 * 1024
const PROGRAM_MODE = 0o755
/** The first start unpacks the program, on a slow machine too; its doctor asks the container runtimes. */
const TRY_TIMEOUT_MS = 300_000
const OUTPUT_BYTES_MAX = 1024 * 1024
/** What the doctor says of the network is not about the program. */
const NETWORK_CHECK = 'coordinator'

const diagnosisSchema = z.object({findings: z.array(z.object({check: z.string(), verdict: z.string(), message: z.string()}))})

/**
 * Brings the executable of a release to a path beside the one that runs, checked byte by byte. What was fetched of it before is gone on with.
 * @throws {CreoError} `digest_mismatch`; `unavailable`; `data_dir_unwritable` when there is no space.
 */
export async function bringCandidate(
  release: Release,
  options: {
    readonly candidate: string
    /** Where downloads are kept until they are whole. */
    readonly downloads: string
    readonly env: Readonly<Record<string, string | undefined>>
    readonly note: (bytes: number) => void
    readonly signal: AbortSignal
  }
): Promise<void> {
  const {candidate, signal} = options
  const xz = release.packedSha256 === undefined ? undefined : await findXz(options.env)
  const wanted =
    xz === undefined ? {from: release.program, sha256: release.sha256} : {from: `${release.program}.xz`, sha256: release.packedSha256 ?? ''}
  await rm(candidate, {force: true})
  try {
    const file = await bringFile(wanted, options)
    if (xz === undefined) await copyFile(file, candidate)
    // Not kept besides: it is larger than what may be.
    else await execa(xz, ['-dc', file], {stdout: {file: candidate}, buffer: {stdout: false}, cancelSignal: signal})
    await expectDigest(candidate, release.sha256, release.program)
    await makeRunnable(candidate)
    if (isAddress(wanted.from)) await rm(file, {force: true})
  } catch (cause) {
    await rm(candidate, {force: true})
    throw spaceError(cause, dirname(candidate), options.downloads)
  }
}

/**
 * Has the candidate say its version and look at this machine, and compares what its doctor says with what that of the one that runs says. One that
 * fails is removed.
 * @throws {CreoError} `verification_failed` when it doesn't start, is another version, or finds something wrong that the one that runs does not.
 */
export async function tryCandidate(
  candidate: string,
  expected: {readonly version: string | undefined; readonly current: string},
  signal: AbortSignal
): Promise<string> {
  try {
    return await tried(candidate, expected, signal)
  } catch (error) {
    await rm(candidate, {force: true})
    throw error
  }
}

async function tried(
  candidate: string,
  expected: {readonly version: string | undefined; readonly current: string},
  signal: AbortSignal
): Promise<string> {
  const said = await run(candidate, ['--version'], signal)
  const version = /^creo\/(\S+)/.exec(said.stdout)?.[1]
  if (said.exitCode !== 0 || version === undefined) {
    const why = said.stderr.trim().split('\n').at(-1)
    throw refused(`It does not start here${why ? `: ${why}` : ''}.`)
  }
  if (expected.version !== undefined && version !== expected.version)
    throw refused(`It says that it is ${version}, not ${expected.version}.`)
  const [before, after] = [await failures(expected.current, signal), await failures(candidate, signal)]
  if (after === undefined) throw refused('Its doctor gives no answer.')
  const worse = after.find(({check}) => !(before ?? []).some((known) => known.check === check))
  if (worse !== undefined) throw refused(`Its doctor finds something wrong that this one does not (${worse.check}): ${worse.message}`)
  return version
}

function refused(why: string): CreoError {
  return new CreoError('verification_failed', `The other creo was not taken. ${why} This one is as it was.`, {
    hint: 'Tell its publisher; until then there is nothing to do.'
  })
}

async function bringFile(
  wanted: {readonly from: string; readonly sha256: string},
  options: {readonly downloads: string; readonly note: (bytes: number) => void; readonly signal: AbortSignal}
): Promise<string> {
  if (!isAddress(wanted.from)) {
    await expectDigest(wanted.from, wanted.sha256, wanted.from)
    return wanted.from
  }
  await makePrivateFolder(options.downloads, 'XDG_CACHE_HOME')
  // Named by what it shall be, so that a part is never gone on with by another version.
  const path = join(options.downloads, `${wanted.sha256}.part`)
  await download(wanted.from, path, {bytesMax: PROGRAM_BYTES_MAX, note: options.note, signal: options.signal})
  try {
    await expectDigest(path, wanted.sha256, wanted.from)
  } catch (error) {
    await rm(path, {force: true})
    throw error
  }
  return path
}

async function expectDigest(path: string, sha256: string, source: string): Promise<void> {
  const digest = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer)
  } catch (cause) {
    throw new CreoError('not_found', `${path} can't be read.`, {hint: 'Name a folder or an address with a whole release.', cause})
  }
  if (digest.digest('hex') === sha256) return
  throw new CreoError('digest_mismatch', `${source} is not what SHA256SUMS says: it was cut or changed. Nothing was changed here.`, {
    hint: 'Run this again; if it stays so, ask where you got the address.'
  })
}

async function makeRunnable(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.chmod(PROGRAM_MODE)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** What unpacks the smaller download; without it the larger one is fetched. */
async function findXz(env: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter).filter((part) => part.startsWith('/'))) {
    const path = join(folder, 'xz')
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false
    )
    if (isThere) return path
  }
  return undefined
}

function spaceError(cause: unknown, folder: string, downloads: string): unknown {
  const words = cause instanceof Error ? `${'code' in cause ? String(cause.code) : ''} ${cause.message}` : ''
  if (!/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(words)) return cause
  return new CreoError('data_dir_unwritable', `There is no space for another creo in ${folder} or ${downloads}.`, {
    hint: 'Free 200 MiB there, then run this again: it goes on where it was.',
    cause
  })
}

/** What the doctor of an executable finds wrong with this machine; undefined when it gives no answer. */
async function failures(
  program: string,
  signal: AbortSignal
): Promise<readonly {readonly check: string; readonly message: string}[] | undefined> {
  const {stdout} = await run(program, ['doctor', '--json'], signal)
  try {
    const {findings} = diagnosisSchema.parse(JSON.parse(stdout))
    return findings.filter(({check, verdict}) => verdict === 'fail' && check !== NETWORK_CHECK)
  } catch {
    return undefined
  }
}

async function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal
): Promise<{readonly stdout: string; readonly stderr: string; readonly exitCode: number | undefined}> {
  const ran = await execa(program, args, {
    reject: false,
    stdin: 'ignore',
    timeout: TRY_TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
    cancelSignal: signal
  })
  signal.throwIfAborted()
  return {stdout: ran.stdout, stderr: ran.stderr || (ran.exitCode === undefined ? (ran.message ?? '') : ''), exitCode: ran.exitCode}
}
