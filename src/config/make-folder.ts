import {mkdirSync} from 'node:fs'
import {dirname} from 'node:path'
import {CreoError} from '../core/errors.ts'

const PRIVATE_MODE = 0o700

/** By which a user says that a folder lies elsewhere. */
export type FolderVariable = 'CREO_CONFIG_DIR' | 'CREO_DATA_DIR' | 'XDG_CACHE_HOME'

/**
 * Makes a folder and those above it, level by level, for its owner alone. Node's recursive `mkdir` never returns where the parent is
 * there and the system says ENOENT all the same, as it does under /proc.
 * @param path absolute. What is there already stays as it is.
 * @throws {CreoError} `data_dir_unwritable` with what the system said.
 */
export function makeFolders(path: string, variable: FolderVariable): void {
  try {
    for (const level of levelsOf(path)) makeLevel(level)
  } catch (error) {
    throw unwritable(path, variable, error)
  }
}

export function unwritable(path: string, variable: FolderVariable, cause: unknown): CreoError {
  const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new CreoError('data_dir_unwritable', `The folder ${path} can't be made or written${why}.`, {
    hint: `Give this user the right to write there, or choose another folder with ${variable}.`,
    cause
  })
}

/** A path has a bounded length, so a bounded number of levels. The root comes first. */
function levelsOf(path: string): string[] {
  const levels = [path]
  for (let level = path; dirname(level) !== level; level = dirname(level)) levels.unshift(dirname(level))
  return levels
}

function makeLevel(path: string): void {
  try {
    mkdirSync(path, {mode: PRIVATE_MODE})
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
