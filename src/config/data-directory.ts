import {access, constants, mkdir} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {lockDirectory} from './directory-lock.ts'

/** A directory that this process alone uses until `close`. */
export interface DataDirectory {
  readonly path: string
  /** Path of something inside it. */
  file(...segments: readonly string[]): string
  /** Releases the directory. A process that dies without it leaves a lock that the next one takes over. */
  close(): Promise<void>
}

/**
 * Opens a data directory, making it (for its owner alone) when it isn't there.
 * @throws {CreoError} `data_dir_unwritable`; `conflict` when another living process uses it.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  const absolute = resolve(path)
  await makePrivateFolder(absolute)
  const release = await lockDirectory(absolute)
  return {
    path: absolute,
    file: (...segments) => join(absolute, ...segments),
    close: release
  }
}

/** @throws {CreoError} `data_dir_unwritable` with what the system said. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, {recursive: true, mode: 0o700})
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new CreoError('data_dir_unwritable', `The folder ${path} can't be made or written${why}.`, {
      hint: 'Give this user the right to write there, or choose another folder with CREO_DATA_DIR.',
      cause: error
    })
  }
}
