import {access, constants} from 'node:fs/promises'
import {join, resolve, sep} from 'node:path'
import {lockDirectory} from './directory-lock.ts'
import {type FolderVariable, makeFolders, unwritable} from './make-folder.ts'

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
export async function makePrivateFolder(path: string, variable: FolderVariable = 'CREO_DATA_DIR'): Promise<void> {
  const absolute = resolve(path)
  makeFolders(absolute, variable)
  try {
    await access(join(absolute, sep), constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw unwritable(absolute, variable, error)
  }
}
