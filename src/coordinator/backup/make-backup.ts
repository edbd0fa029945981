import {existsSync} from 'node:fs'
import {type FileHandle, open, readdir, readFile, rename, rm} from 'node:fs/promises'
import {dirname, join, resolve} from 'node:path'
import Database from 'better-sqlite3'
import {CreoError} from '../../core/errors.ts'
import {sha256Hex} from '../../identity/keys.ts'
import {JOURNAL_FILE, type JournalHead, JournalReader} from '../../ledger/journal.ts'
import {copyJournal} from '../../ledger/journal-copy.ts'
import {BACKED_UP_DATABASES, BACKED_UP_FILES, GENESIS_FILE, REGISTRY_FOLDER} from '../data-files.ts'
import {BackupWriter} from './backup-file.ts'

/** What each manifest and tag leads to, before the blobs that they name. */
const IMAGE_FOLDERS = [join(REGISTRY_FOLDER, 'catalog'), join(REGISTRY_FOLDER, 'blobs')]

export interface BackupOptions {
  /** The coordinator's folder, in use or not. */
  readonly directory: string
  readonly file: string
  /** Take the registry's images in too. */
  readonly images: boolean
  readonly nowMs: number
  readonly signal: AbortSignal
  readonly onProgress: (said: string) => void
}

export interface MadeBackup {
  readonly file: string
  readonly networkId: string
  readonly groups: number
  readonly commands: number
  readonly headHash: string
  /** Files beside the journal. */
  readonly files: number
}

/**
 * Writes a backup of a coordinator beside itself while it works: every group that is committed now, the genesis, and what else can't be made again.
 * It is made under another name and takes its own when it is whole and on disk.
 * @throws {CreoError} `conflict` when there is a file of that name; `not_found` without a ledger; `verification_failed` for a broken journal.
 */
export async function makeBackup(options: BackupOptions): Promise<MadeBackup> {
  const file = resolve(options.file)
  refuseExisting(file)
  const genesis = await readGenesis(options.directory)
  const beside = `${file}.${process.pid}.new`
  try {
    await makeEmpty(beside)
    const writer = new BackupWriter(beside)
    let made: MadeBackup
    try {
      const networkId = sha256Hex(genesis)
      const head = await addJournal(writer, networkId, options)
      const files = await addFiles(writer, `${beside}.part`, options)
      made = {file, networkId, groups: head.number, commands: head.lastSeq, headHash: head.hash, files}
      writer.finish({network: networkId, madeAtMs: options.nowMs, ...made})
    } finally {
      writer.close()
    }
    await sync(beside)
    refuseExisting(file)
    await rename(beside, file)
    await sync(dirname(file))
    return made
  } catch (error) {
    if (options.signal.aborted) throw new CreoError('interrupted', 'No backup was made.', {cause: error})
    throw error
  } finally {
    for (const left of [beside, `${beside}.part`]) await rm(left, {force: true})
  }
}

/** For its owner alone, in the place of what a backup left that was killed. */
async function makeEmpty(path: string): Promise<void> {
  await rm(path, {force: true})
  await (await open(path, 'wx', 0o600)).close()
}

async function addJournal(writer: BackupWriter, networkId: string, {directory, signal, onProgress}: BackupOptions): Promise<JournalHead> {
  const journal = new JournalReader(join(directory, JOURNAL_FILE), networkId)
  try {
    const say = ({groups, groupsTotal}: {readonly groups: number; readonly groupsTotal: number}): void =>
      onProgress(`${groups} of ${groupsTotal} groups`)
    return await copyJournal({from: journal, to: writer.database, signal, onProgress: say})
  } finally {
    journal.close()
  }
}

async function addFiles(writer: BackupWriter, part: string, {directory, images, signal, onProgress}: BackupOptions): Promise<number> {
  let files = 0
  const add = async (path: string, from: string): Promise<void> => {
    const handle = await openIfThere(from)
    if (handle === undefined) return
    try {
      await writer.add(path, handle, signal)
      files += 1
      onProgress(`${files} files`)
    } finally {
      await handle.close()
    }
  }
  for (const name of BACKED_UP_FILES) await add(name, join(directory, name))
  for (const name of BACKED_UP_DATABASES) {
    if (!existsSync(join(directory, name))) continue
    await makeEmpty(part)
    copyDatabase(join(directory, name), part)
    await add(name, part)
    await rm(part)
  }
  if (!images) return files
  for (const folder of IMAGE_FOLDERS) {
    for await (const path of filesIn(directory, folder)) await add(path, join(directory, path))
  }
  return files
}

/** One moment of a database that may be in use, into an empty file. */
function copyDatabase(from: string, to: string): void {
  const database = new Database(from, {readonly: true, fileMustExist: true})
  try {
    database.prepare('VACUUM INTO ?').run(to)
  } finally {
    database.close()
  }
}

/** Paths within `directory`, folder by folder. What was there only while it was being written is left out. */
async function* filesIn(directory: string, folder: string): AsyncGenerator<string> {
  const entries = existsSync(join(directory, folder)) ? await readdir(join(directory, folder), {withFileTypes: true}) : []
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesIn(directory, path)
    else if (entry.isFile() && !entry.name.endsWith('.new')) yield path
  }
}

/** Undefined for what was deleted meanwhile. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function readGenesis(directory: string): Promise<string> {
  const hint = 'Name the data directory of a coordinator that was started once.'
  for (const name of [GENESIS_FILE, JOURNAL_FILE]) {
    if (!existsSync(join(directory, name))) throw new CreoError('not_found', `There is no ${name} in ${directory}.`, {hint})
  }
  return await readFile(join(directory, GENESIS_FILE), 'utf8')
}

function refuseExisting(file: string): void {
  if (existsSync(file)) throw new CreoError('conflict', `${file} is there already.`, {hint: 'Choose another name: nothing is overwritten.'})
  if (!existsSync(dirname(file))) throw new CreoError('not_found', `There is no folder ${dirname(file)}.`, {hint: 'Make it first.'})
}

async function sync(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
