import {access, constants, copyFile, link, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {syncFolder} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {placesOf} from './installation.ts'

/** File systems without hard links say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'])

/** Of a folder's mode: everybody may write there. */
const EVERYBODY = 0o002

/**
 * @throws {CreoError} `forbidden` when the folder of the executable can't be written by this user, or by everybody: another could then put a program in the
 * place of the one that was checked, or a link where it is written.
 */
export async function assertReplaceable(executable: string): Promise<void> {
  try {
    await access(dirname(executable), constants.W_OK)
  } catch (cause) {
    throw new CreoError('forbidden', `${dirname(executable)} can't be written by this user.`, {
      hint: 'Run it as whoever installed creo, such as: sudo creo update',
      cause
    })
  }
  if (((await stat(dirname(executable))).mode & EVERYBODY) === 0) return
  throw new CreoError(
    'forbidden',
    `Everybody can write to ${dirname(executable)}, so what is checked there may be another's when it is used.`,
    {
      hint: `chmod o-w ${dirname(executable)}, or install creo elsewhere`
    }
  )
}

/**
 * Puts the candidate in the executable's place, and keeps the one before. At every instant the executable is one of the two, whole: a process that is
 * killed in between leaves files beside it that the next swap replaces.
 */
export async function swapIn(executable: string): Promise<void> {
  const {candidate, previous, link: linked} = placesOf(executable)
  await twin(executable, linked)
  await rename(linked, previous)
  // Where both were the same file already, renaming does nothing.
  await rm(linked, {force: true})
  await rename(candidate, executable)
  await syncFolder(dirname(executable))
}

/** Makes the executable that was kept the candidate. @throws {CreoError} `not_found` when there is none. */
export async function takePrevious(executable: string): Promise<void> {
  const {candidate, previous} = placesOf(executable)
  const [kept, current] = [await stat(previous).catch(() => undefined), await stat(executable)]
  if (kept === undefined || kept.ino === current.ino) {
    throw new CreoError('not_found', `There is no earlier creo beside ${executable}.`, {
      hint: 'creo update FILE --to VERSION takes an older release.'
    })
  }
  await twin(previous, candidate)
}

/** The same file under another name; a copy where the file system knows no such thing. */
async function twin(path: string, other: string): Promise<void> {
  await rm(other, {force: true})
  try {
    await link(path, other)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NO_LINKS.has(String(error.code)))) throw error
    await copyFile(path, other)
  }
}
