import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {mkdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import * as tar from 'tar'
import {download} from '../../client/download.ts'
import {CreoError, isCreoError} from '../../core/errors.ts'
import type {PinnedPackage} from '../../images/bases.ts'

/** Of an ar archive: how it begins, and the header of each of its members. */
const AR_START = '!<arch>\n'
const AR_HEADER_BYTES = 60
const AR_NAME_BYTES = 16
const AR_SIZE = [48, 58] as const
const MEMBERS_MAX = 16
/** Of one package, unpacked. */
const UNPACKED_BYTES_MAX = 100 * 1024 * 1024

/**
 * Has a pinned package in a folder as `<digest>.deb`: the first of the places that has it gives it, a cut download is gone on with, and what is not what was
 * pinned is asked of the next. One that fails otherwise than by not having it is asked last from then on.
 * @param sources roots of Debian mirrors, each with a slash at its end, in the order in which they are asked.
 * @throws {CreoError} `unavailable` when no place has it.
 */
export async function fetchPackage(
  pin: PinnedPackage,
  options: {readonly sources: string[]; readonly folder: string; readonly signal: AbortSignal}
): Promise<string> {
  const file = join(options.folder, `${pin.sha256}.deb`)
  await mkdir(options.folder, {recursive: true, mode: 0o700})
  if (await isPinned(file, pin)) return file
  let last: CreoError | undefined
  for (const source of [...options.sources]) {
    const url = `${source}${pin.path}`
    try {
      await download(url, file, {bytesMax: pin.bytes, note: () => undefined, signal: options.signal})
      if (await isPinned(file, pin)) return file
      await rm(file, {force: true})
      last = new CreoError('digest_mismatch', `${url} is not the package that was pinned.`)
    } catch (error) {
      options.signal.throwIfAborted()
      if (!isCreoError(error)) throw error
      last = error
    }
    if (last.code !== 'not_found') askLast(source, options.sources)
  }
  throw new CreoError('unavailable', `No mirror of Debian gives ${pin.path}: ${last?.message ?? 'none is named'}`, {
    hint: 'Check the connection, or name a mirror of Debian 12: CREO_DEBIAN_MIRROR=http://…/debian',
    cause: last
  })
}

function askLast(source: string, sources: string[]): void {
  sources.splice(sources.indexOf(source), 1)
  sources.push(source)
}

/**
 * Unpacks a Debian package's files into a folder. Its digest was compared: what is inside is what was looked at when it was pinned.
 * @throws {CreoError} `build_failed` without xz, or when it is no such package.
 */
export async function unpackPackage(file: string, folder: string, signal: AbortSignal): Promise<void> {
  const packed = memberOf(await readFile(file), 'data.tar.xz')
  if (packed === undefined) throw new CreoError('build_failed', `${file} is no Debian package packed by xz.`)
  const {stdout, failed, cause} = await execa('xz', ['-dc'], {
    input: packed,
    encoding: 'buffer',
    maxBuffer: UNPACKED_BYTES_MAX,
    reject: false,
    cancelSignal: signal
  })
  signal.throwIfAborted()
  if (failed)
    throw new CreoError('build_failed', 'xz, which unpacks Debian packages, does not run here.', {
      hint: 'Install xz (package xz-utils).',
      cause
    })
  await mkdir(folder, {recursive: true})
  // Links lead to where they will lie in the image, from its root.
  const extracted = tar.extract({cwd: folder, preservePaths: true, preserveOwner: false, strict: true})
  const closed = once(extracted, 'close')
  extracted.end(Buffer.from(stdout))
  // To its end, which is near: nothing stops it, and whoever is told that it was called off removes the folder.
  await closed
  signal.throwIfAborted()
}

/** The bytes of one member of an ar archive. */
function memberOf(archive: Buffer, name: string): Buffer | undefined {
  if (archive.toString('latin1', 0, AR_START.length) !== AR_START) return undefined
  let at = AR_START.length
  for (let count = 0; count < MEMBERS_MAX && at + AR_HEADER_BYTES <= archive.length; count += 1) {
    const header = archive.toString('latin1', at, at + AR_HEADER_BYTES)
    const size = Number(header.slice(...AR_SIZE))
    const start = at + AR_HEADER_BYTES
    if (!Number.isSafeInteger(size) || size < 0 || start + size > archive.length) return undefined
    if (header.slice(0, AR_NAME_BYTES).replace(/[/ ]+$/, '') === name) return archive.subarray(start, start + size)
    // Members begin at even places.
    at = start + size + (size % 2)
  }
  return undefined
}

async function isPinned(file: string, pin: PinnedPackage): Promise<boolean> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0))
  return createHash('sha256').update(bytes).digest('hex') === pin.sha256
}
