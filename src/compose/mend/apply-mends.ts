import {access, chmod, mkdir, readFile, realpath, rm, stat} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import type {FileEdit, Mend} from './plan-mends.ts'

/** The machine that is changed: `/`, or a copy of one in a test. */
export interface Patient {
  readonly root: string
  /** Once it is aborted no further mend is begun. */
  readonly signal?: AbortSignal
  /** Runs one command to its end. @throws when it fails. */
  run(command: readonly string[]): Promise<void>
}

const commandsSchema = z.array(z.array(z.string()))
const doneSchema = z.strictObject({
  id: z.string(),
  edits: z.array(z.strictObject({path: z.string(), before: z.string().optional(), after: z.string()})),
  undoCommands: commandsSchema
})
const journalSchema = z.array(doneSchema).max(1000)

/** What was done to this machine and can be taken back; the newest last. */
export type DoneMend = z.output<typeof doneSchema>

const JOURNAL = '/var/lib/creo/mends.json'
const NEW_FILE_MODE = 0o644
const NEW_FOLDER_MODE = 0o755
/** What only root may see: texts of files that others may not be allowed to read. */
const PRIVATE_MODE = 0o600
/** Beside each file that was there before creo's first edit of it, for whoever can't start creo any more. Never written over. */
const BACKUP_SUFFIX = '.before-creo'

/**
 * Does one mend: writes down what undoes it, then the files, then the commands. Doing it again after it was cut off does the rest.
 * @throws {CreoError} `conflict` when a file is no longer what the plan was made from; then nothing of it is written.
 */
export async function applyMend(patient: Patient, mend: Mend): Promise<void> {
  for (const edit of mend.edits) await assertUnchanged(patient, edit.path, edit.before)
  const {id, edits, undoCommands} = mend
  if (edits.length > 0 || undoCommands.length > 0) {
    const done = {id, edits: edits.map((edit) => ({...edit})), undoCommands: undoCommands.map((command) => [...command])}
    await writeJournal(patient, [...(await readDoneMends(patient)), done])
  }
  for (const edit of edits) await write(patient, edit)
  for (const command of mend.commands) await patient.run(command)
}

/** @throws {CreoError} `forbidden` for anyone but root, `invalid_input` when the file that remembers them can't be read. */
export async function readDoneMends({root}: Pick<Patient, 'root'>): Promise<readonly DoneMend[]> {
  const bytes = await readFileIfThere(join(root, JOURNAL)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EACCES') throw cause
    throw new CreoError('forbidden', 'Only root may read what was mended.', {hint: 'Run it as root: creo doctor --undo', cause})
  })
  if (bytes === undefined) return []
  try {
    return journalSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new CreoError('invalid_input', `${JOURNAL} can't be read.`, {
      hint: `Undo by hand, by the files that end in ${BACKUP_SUFFIX}.`,
      cause
    })
  }
}

/**
 * Takes back the newest mend, whose files must be as it left them or as they were before.
 * @throws {CreoError} `conflict` when somebody has changed one since: it is left alone, and so is the rest.
 */
export async function undoNewest(patient: Patient): Promise<DoneMend | undefined> {
  const done = await readDoneMends(patient)
  const newest = done.at(-1)
  if (newest === undefined) return undefined
  const texts = await Promise.all(newest.edits.map(({path}) => readText(patient, path)))
  for (const [index, {path, before, after}] of newest.edits.entries()) {
    if (texts[index] !== after && texts[index] !== before)
      throw new CreoError('conflict', `${path} was changed since creo edited it.`, {
        hint: `Take creo's change out of it by hand, then remove ${JOURNAL}.`
      })
  }
  for (const {path, before} of newest.edits) {
    if (before === undefined) await rm(join(patient.root, path), {force: true})
    else await replace(join(patient.root, path), before)
    if (!done.slice(0, -1).some(({edits}) => edits.some((edit) => edit.path === path)))
      await rm(join(patient.root, path + BACKUP_SUFFIX), {force: true})
  }
  for (const command of newest.undoCommands) await patient.run(command)
  await writeJournal(patient, done.slice(0, -1))
  return newest
}

async function write({root}: Patient, {path, before, after}: FileEdit): Promise<void> {
  const place = join(root, path)
  const made = await mkdir(dirname(place), {recursive: true})
  if (made !== undefined) await chmod(dirname(place), NEW_FOLDER_MODE)
  if (before !== undefined && !(await isThere(place + BACKUP_SUFFIX)))
    await writeFileDurably(place + BACKUP_SUFFIX, before, {mode: PRIVATE_MODE})
  await replace(place, after)
}

/** The file that is meant where `place` is a link to it, its owner and mode as they were. */
async function replace(place: string, text: string): Promise<void> {
  const path = await realpath(place).catch(() => place)
  const there = await stat(path).catch(() => undefined)
  await writeFileDurably(path, text, {exactly: there ?? {mode: NEW_FILE_MODE, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0}})
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}

async function assertUnchanged(patient: Patient, path: string, before: string | undefined): Promise<void> {
  const text = await readText(patient, path)
  if (text === before) return
  throw new CreoError('conflict', `${path} is not what it was when the plan was made.`, {hint: 'Run creo doctor --fix again.'})
}

async function readText({root}: Patient, path: string): Promise<string | undefined> {
  return readFile(join(root, path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

async function writeJournal({root}: Patient, done: readonly DoneMend[]): Promise<void> {
  const path = join(root, JOURNAL)
  await mkdir(dirname(path), {recursive: true})
  await writeFileDurably(path, JSON.stringify(done), {mode: PRIVATE_MODE})
}
