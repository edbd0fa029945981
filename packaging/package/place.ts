import {homedir, tmpdir} from 'node:os'
import {join, resolve} from 'node:path'
import type {AppIndex} from './app-archive.ts'
import {collect} from './collect.ts'
import {assertOurs, DamagedError, makeFolders, type Packed, type Unpacked, unpack} from './unpack.ts'

const MIB = 1024 * 1024
/** Errors of a folder that can't be written, after which another is tried. */
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'])
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT'])
const UNWRITABLE = 'data_dir_unwritable'

/** As the program's errors are said everywhere: a code of creo's, what happened, and one thing to do. */
export type Refusal = {readonly code: string; readonly message: string; readonly hint: string}

/** Has the program's files in the user's cache, or below the system's temporary folder where that can't be written, which it says on stderr once. */
export function unpackSomewhere(packed: Packed): Unpacked {
  const home = process.env.XDG_CACHE_HOME ? resolve(process.env.XDG_CACHE_HOME) : join(process.env.HOME ?? homedir(), '.cache')
  try {
    return unpackBelow(join(home, 'creo'), packed)
  } catch (error) {
    if (!NOT_WRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  const folder = join(tmpdir(), `creo-${process.getuid?.() ?? 0}`)
  makeFolders(folder)
  assertOurs(folder)
  const place = unpackBelow(folder, packed)
  if (place.unpacked) console.error(`${join(home, 'creo')} can't be written, so creo keeps its files in ${folder}.`)
  return place
}

function unpackBelow(folder: string, packed: Packed): Unpacked {
  const programs = join(folder, 'program')
  const place = unpack(programs, packed)
  if (place.unpacked) collect(programs, packed.index.id)
  return place
}

/** Why there are no files to start from, in words; an error that is none of the system's or of what was downloaded is thrown on. */
export function refusalOf(error: unknown, index: AppIndex): Refusal {
  if (error instanceof DamagedError)
    return {code: 'digest_mismatch', message: `This file of creo is damaged: ${error.message}.`, hint: 'Download creo again.'}
  const {code, message} = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  if (NO_SPACE.has(code)) {
    const mib = Math.ceil(index.files.reduce((sum, {size}) => sum + size, 0) / MIB)
    return {
      code: UNWRITABLE,
      message: `There is no space for creo's files in the user's cache: they take ${mib} MiB, and Node as much as this file.`,
      hint: 'Free some, or name a folder elsewhere: XDG_CACHE_HOME=/path creo'
    }
  }
  return {
    code: UNWRITABLE,
    message: `creo's files can't be written to the user's cache: ${message}.`,
    hint: 'Name a folder that can be: XDG_CACHE_HOME=/path creo'
  }
}
