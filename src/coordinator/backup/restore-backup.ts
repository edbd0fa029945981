import {mkdir, open, readdir, readFile, rename, rm} from 'node:fs/promises'
import {basename, dirname, join, resolve} from 'node:path'
import Database from 'better-sqlite3'
import {syncFolder} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {sha256Hex} from '../../identity/keys.ts'
import {JOURNAL_FILE, JournalReader} from '../../ledger/journal.ts'
import {copyJournal} from '../../ledger/journal-copy.ts'
import {verifyLedger} from '../../ledger/verify.ts'
import {BACKED_UP_DATABASES, BACKED_UP_FILES, GENESIS_FILE, REGISTRY_FOLDER} from '../data-files.ts'
import {type BackedUpFile, BackupReader} from './backup-file.ts'

export interface RestoreOptions {
  readonly file: string
  /** Where nothing is yet, or an empty folder. */
  readonly directory: string
  /** Check who signed each command too. */
  readonly signatures: boolean
  readonly signal: AbortSignal
  readonly onProgress: (said: string) => void
}

export interface RestoredBackup {
  readonly data: string
  readonly networkId: string
  readonly madeAtMs: number
  readonly groups: number
  readonly commands: number
  readonly headHash: string
  readonly accounts: number
  readonly files: number
  readonly signaturesChecked: number
}

/**
 * Makes a coordinator's folder of a backup: beside its place, and in its place only when the whole journal was replayed and everything is on disk.
 * @throws {CreoError} `conflict` when something is there; `invalid_input` for what is no backup; `verification_failed` for one that does not hold.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const directory = resolve(options.directory)
  await refuseUsed(directory)
  const beside = `${directory}.${process.pid}.new`
  const backup = new BackupReader(options.file)
  try {
    await clearUnfinishedRestores(directory)
    await mkdir(beside, {recursive: true, mode: 0o700})
    await writeFiles(backup, beside, options)
    await writeJournal(backup, beside, options)
    const restored = await verified(backup, beside, options)
    await refuseUsed(directory)
    await syncFolder(beside)
    await rename(beside, directory)
    await syncFolder(dirname(directory))
    return {...restored, data: directory}
  } catch (error) {
    if (options.signal.aborted) throw new CreoError('interrupted', 'Nothing was restored.', {cause: error})
    throw error
  } finally {
    backup.close()
    await rm(beside, {recursive: true, force: true})
  }
}

/**
 * What a restore to this folder left beside it when it was killed goes away; that of a process which may still work on it stays, and a folder of such a name
 * that no restore made. So does what may not be removed, such as that of another user: it is in nobody's way, and must not keep a coordinator from its start.
 */
export async function clearUnfinishedRestores(directory: string): Promise<void> {
  const place = resolve(directory)
  const names = await readdir(dirname(place)).catch(() => [])
  for (const name of names) {
    const pid = name.startsWith(`${basename(place)}.`) ? Number(UNFINISHED.exec(name.slice(basename(place).length))?.[1]) : Number.NaN
    if (!(pid <= PID_MAX) || (pid !== process.pid && mayRun(pid))) continue
    const path = join(dirname(place), name)
    if (await isOfRestore(path)) await rm(path, {recursive: true, force: true}).catch(() => undefined)
  }
}

const UNFINISHED = /^\.([1-9]\d{0,6})\.new$/
/** Linux numbers no process higher: what ends in a date is not of one. */
const PID_MAX = 2 ** 22
const RESTORED_FILES: readonly string[] = [...BACKED_UP_FILES, ...BACKED_UP_DATABASES]

/** True for a folder that has nothing but what a restore writes, SQLite's files beside the journal among it. */
async function isOfRestore(path: string): Promise<boolean> {
  const entries = await readdir(path).catch(() => undefined)
  const made = [...RESTORED_FILES, REGISTRY_FOLDER]
  return entries?.every((entry) => made.includes(entry) || entry.startsWith(JOURNAL_FILE)) ?? false
}

function mayRun(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

async function writeFiles(backup: BackupReader, beside: string, {signal, onProgress}: RestoreOptions): Promise<void> {
  for (const [index, file] of backup.files.entries()) {
    if (!isKnown(file)) throw unknown(file)
    await mkdir(dirname(join(beside, file.path)), {recursive: true, mode: 0o700})
    await backup.write(file, join(beside, file.path), signal)
    onProgress(`${index + 1} of ${backup.files.length} files`)
  }
}

/** Only what a backup has: never a key, nor a database that is made of the journal. */
function isKnown({path}: BackedUpFile): boolean {
  return RESTORED_FILES.includes(path) || path.startsWith(`${REGISTRY_FOLDER}/`)
}

function unknown({path}: BackedUpFile): CreoError {
  return new CreoError('invalid_input', `The backup has a file ${path}, which belongs into none.`, {hint: 'Restore one that creo made.'})
}

async function writeJournal(backup: BackupReader, beside: string, {file, signal, onProgress}: RestoreOptions): Promise<void> {
  const path = join(beside, JOURNAL_FILE)
  const from = new JournalReader(file, backup.facts.network)
  const to = new Database(path)
  try {
    to.pragma('synchronous = OFF')
    const say = ({groups, groupsTotal}: {readonly groups: number; readonly groupsTotal: number}): void =>
      onProgress(`${groups} of ${groupsTotal} groups`)
    const {number, hash} = await copyJournal({from, to, signal, onProgress: say})
    if (number !== backup.facts.groups || hash !== backup.facts.headHash)
      throw new CreoError('verification_failed', `The backup ends with group ${number}, not ${backup.facts.groups} as it was made.`, {
        hint: 'Restore another backup.'
      })
  } finally {
    to.close()
    from.close()
  }
  const handle = await open(path)
  await handle.sync()
  await handle.close()
}

async function verified(backup: BackupReader, beside: string, options: RestoreOptions): Promise<Omit<RestoredBackup, 'data'>> {
  const {signatures, signal, onProgress} = options
  const {network, madeAtMs} = backup.facts
  const genesis = await readFile(join(beside, GENESIS_FILE), 'utf8').catch(() => '')
  if (sha256Hex(genesis) !== network) throw new CreoError('verification_failed', 'The genesis in the backup is not that of its network.')
  const say = ({groups, groupsTotal}: {readonly groups: number; readonly groupsTotal: number}): void =>
    onProgress(`replayed ${groups} of ${groupsTotal} groups`)
  const report = await verifyLedger({directory: beside, signatures, signal, onProgress: say})
  const {holds, networkId, groups, commands, headHash, accounts, signaturesChecked, firstBad} = report
  if (!holds)
    throw new CreoError('verification_failed', `The backup does not hold. Group ${firstBad?.group}: ${firstBad?.reason}.`, {
      hint: 'Restore another backup.'
    })
  return {networkId, madeAtMs, groups, commands, headHash, accounts, files: backup.files.length, signaturesChecked}
}

async function refuseUsed(directory: string): Promise<void> {
  const entries = await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [directory]
    throw error
  })
  if (entries.length > 0) {
    throw new CreoError('conflict', `${directory} is not empty.`, {hint: 'Choose a folder that is not there yet: nothing is overwritten.'})
  }
}
