import {existsSync, mkdirSync} from 'node:fs'
import {createRequire} from 'node:module'
import {homedir, tmpdir} from 'node:os'
import {basename, delimiter, dirname, isAbsolute, join, resolve} from 'node:path'
import {getAsset, getRawAsset} from 'node:sea'
import type {AppIndex} from './app-archive.ts'
import {collect} from './collect.ts'
import {assertOurs, DamagedError, type Packed, type Unpacked, unpack} from './unpack.ts'

const MIB = 1024 * 1024
/** Errors of a folder that can't be written, after which another is tried. */
const NOT_WRITABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'])

const UNWRITABLE = 'data_dir_unwritable'

const args = process.argv.slice(2)

/** What the packaged program runs first: has its files in the user's cache and goes on with them, as Node or as creo. */
function start(): void {
  const index = JSON.parse(getAsset('index', 'utf8')) as AppIndex
  const packed = {
    index,
    content: () => new Uint8Array(getRawAsset('content')),
    executable: process.execPath,
    withTools: isNode() || args[0]?.startsWith('plugins') === true
  }
  let place: Unpacked
  try {
    place = unpackSomewhere(packed)
  } catch (error) {
    refuse(...wordsFor(error, packed))
    return
  }
  if (isNode()) process.execve?.(place.node, [process.argv[0] ?? 'node', ...args], process.env)
  else runCreo(place)
}

/** Called by Node's name, or with a script: whoever starts `process.execPath` or `node` means Node. */
function isNode(): boolean {
  const [script] = args
  return basename(process.argv0) === 'node' || (script !== undefined && isAbsolute(script) && existsSync(script))
}

function runCreo({app, node}: Unpacked): void {
  const program = join(app, 'bin', 'run.js')
  process.env.CREO_PACKAGED = process.execPath
  // An empty part would mean the folder that one is in.
  process.env.PATH = [dirname(node), process.env.PATH].filter(Boolean).join(delimiter)
  process.execPath = node
  process.argv[0] = node
  process.argv[1] = program
  // A real file, so that what it imports are real files too.
  const load = createRequire(program)(join(app, 'load.cjs')) as (path: string) => Promise<unknown>
  void load(program)
}

function unpackSomewhere(packed: Packed): Unpacked {
  const home = process.env.XDG_CACHE_HOME ? resolve(process.env.XDG_CACHE_HOME) : join(process.env.HOME ?? homedir(), '.cache')
  try {
    return unpackBelow(join(home, 'creo'), packed)
  } catch (error) {
    if (!NOT_WRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  const folder = join(tmpdir(), `creo-${process.getuid?.() ?? 0}`)
  mkdirSync(folder, {recursive: true, mode: 0o700})
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

function wordsFor(error: unknown, {index}: Packed): readonly [code: string, message: string, hint: string] {
  if (error instanceof DamagedError) return ['digest_mismatch', `This file of creo is damaged: ${error.message}.`, 'Download creo again.']
  const {code, message} = error as NodeJS.ErrnoException
  if (code === undefined) throw error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const mib = Math.ceil(index.files.reduce((sum, {size}) => sum + size, 0) / MIB)
    return [
      UNWRITABLE,
      `There is no space for creo's files in the user's cache: they take ${mib} MiB, and Node as much as this file.`,
      'Free some, or name a folder elsewhere: XDG_CACHE_HOME=/path creo'
    ]
  }
  return [
    UNWRITABLE,
    `creo's files can't be written to the user's cache: ${message}.`,
    'Name a folder that can be: XDG_CACHE_HOME=/path creo'
  ]
}

function refuse(code: string, message: string, hint: string): void {
  if (args.includes('--json')) console.log(JSON.stringify({error: {code, message, hint}}, null, 2))
  else console.error(` ›   Error: ${message}\n ›   Code: ${code}\n ›   Try this: ${hint}`)
  process.exitCode = 1
}

start()
