import {open} from 'node:fs/promises'
import {basename, dirname, join, resolve} from 'node:path'
import {readAnswer} from '../../client/download.ts'
import {CreoError} from '../../core/errors.ts'
import {verifyMinisign} from '../../identity/minisign.ts'

const SUMS = 'SHA256SUMS'
const SIGNATURE = 'SHA256SUMS.minisig'
/** Of checksums and of their signature. */
const TEXT_BYTES_MAX = 64 * 1024
const URL_PLACE = /^https?:\/\//
const PROGRAM_FILE = /^creo-linux-([a-z0-9]+)(\.xz)?$/
const SUM_LINE = /^([0-9a-f]{64}) [ *](\S{1,200})$/
/** What the signer says of what is signed. */
const COMMENT = /^creo (\S{1,80})$/

/** What one place offers, once its signature holds. */
export interface Release {
  readonly version: string
  /** SHA-256 of the executable, in hexadecimal. */
  readonly sha256: string
  /** Of the same, packed by xz; undefined where the place has none. */
  readonly packedSha256: string | undefined
  /** Where the executable is, an address or a path; the packed one has `.xz` behind it. */
  readonly program: string
}

/**
 * Reads what a place offers this architecture. A place is an address or a folder with what `npm run package` writes, or the executable in it.
 * @throws {CreoError} `bad_signature` unless the checksums are signed by the key; `wrong_architecture`; `not_found`; `unavailable`;
 * `invalid_input` for an address that is none.
 */
export async function readRelease(
  place: string,
  options: {readonly architecture: string; readonly publicKey: string},
  signal: AbortSignal
): Promise<Release> {
  const folder = folderOf(place, options.architecture)
  const [sums, signature] = [await readText(folder, SUMS, signal), await readText(folder, SIGNATURE, signal)]
  const comment = signedComment(sums, signature, options.publicKey, place)
  const version = COMMENT.exec(comment)?.[1]
  if (version === undefined) throw new CreoError('bad_signature', `What is signed at ${place} is not a release of creo.`)
  const digests = new Map(
    sums.split('\n').flatMap((line) => {
      const [, digest, name] = SUM_LINE.exec(line) ?? []
      return digest === undefined || name === undefined ? [] : [[name, digest] as const]
    })
  )
  const name = `creo-linux-${options.architecture}`
  const sha256 = digests.get(name)
  if (sha256 === undefined) {
    throw new CreoError('wrong_architecture', `creo ${version} at ${place} is not made for ${options.architecture}.`, {
      hint: 'Ask who publishes it for this architecture.'
    })
  }
  return {version, sha256, packedSha256: digests.get(`${name}.xz`), program: within(folder, name)}
}

export function isAddress(place: string): boolean {
  return URL_PLACE.test(place)
}

function signedComment(sums: string, signature: string, publicKey: string, place: string): string {
  try {
    return verifyMinisign(Buffer.from(sums), signature, publicKey)
  } catch (cause) {
    if (!(cause instanceof CreoError) || cause.code !== 'bad_signature') throw cause
    throw new CreoError('bad_signature', `${SUMS} at ${place} can't be trusted: ${cause.message} Nothing was changed.`, {
      hint: 'Compare the key with its publisher (--public-key), and ask where you got the address.',
      cause
    })
  }
}

function folderOf(place: string, architecture: string): string {
  if (isAddress(place) && !URL.canParse(place)) {
    throw new CreoError('invalid_input', `"${place}" is no address.`, {hint: 'One is written like https://creo.example/releases/'})
  }
  const last = isAddress(place) ? basename(new URL(place).pathname) : basename(place)
  const [, named] = PROGRAM_FILE.exec(last) ?? []
  if (named !== undefined && named !== architecture) {
    throw new CreoError('wrong_architecture', `${last} is made for ${named}; this machine is ${architecture}.`, {
      hint: `Name creo-linux-${architecture}, or the folder of both.`
    })
  }
  if (!isAddress(place)) return resolve(named === undefined ? place : dirname(place))
  return new URL(named === undefined ? place.replace(/\/*$/, '/') : '.', place).href
}

function within(folder: string, name: string): string {
  return isAddress(folder) ? new URL(name, folder).href : join(folder, name)
}

async function readText(folder: string, name: string, signal: AbortSignal): Promise<string> {
  const path = within(folder, name)
  if (isAddress(path)) return (await readAnswer(path, TEXT_BYTES_MAX, signal)).toString('utf8')
  try {
    const file = await open(path)
    try {
      const {buffer, bytesRead} = await file.read(Buffer.alloc(TEXT_BYTES_MAX + 1), 0, TEXT_BYTES_MAX + 1, 0)
      if (bytesRead > TEXT_BYTES_MAX) throw new CreoError('payload_too_large', `${path} is larger than ${TEXT_BYTES_MAX} bytes.`)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof CreoError) throw cause
    throw new CreoError('not_found', `${folder} has no ${name} that can be read.`, {
      hint: 'Name the folder or the address of a release, in which SHA256SUMS and its signature lie beside creo.',
      cause
    })
  }
}
