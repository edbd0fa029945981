import {open, writeFile} from 'node:fs/promises'
import {CreoError, isCreoError} from '../core/errors.ts'
import {PICTURE_BYTES_MAX, pictureOf, withoutTelling} from '../core/pictures.ts'
import {sha256Hex} from '../identity/keys.ts'
import type {AccountContext, Context} from './context.ts'

/** Of a file that was saved with its camera's words: they are left out before its size counts. */
const FILE_BYTES_MAX = 2 * PICTURE_BYTES_MAX

/**
 * Gives the coordinator a picture for an offer, without what it tells beside, and answers its digest.
 * @throws {CreoError} `not_found`, `invalid_input` for what is no such picture; what the coordinator says.
 */
export async function storePicture({client, account}: AccountContext, path: string, signal: AbortSignal): Promise<string> {
  const bytes = trimmed(await readPicture(path))
  const digest = `sha256:${sha256Hex(bytes)}`
  const stored = await client.storePicture(account.name, Buffer.from(bytes).toString('base64'), signal)
  if (stored.digest === digest) return digest
  throw new CreoError('digest_mismatch', 'The coordinator has stored another picture.', {hint: 'Run the same command again.'})
}

export interface SavedPicture {
  readonly offer: string
  readonly picture: string
  readonly type: string
  readonly width: number
  readonly height: number
  readonly bytes: number
  readonly file: string
}

/** Writes an offer's picture into a file that is not there yet. @throws {CreoError} `not_found`, `conflict`, `digest_mismatch` */
export async function savePicture({client}: Context, offer: string, file: string, signal: AbortSignal): Promise<SavedPicture> {
  const found = (await client.offers({}, signal)).offers.find(({id}) => id === offer)
  if (found === undefined) throw new CreoError('not_found', `There is no offer "${offer}".`, {hint: 'creo offer list'})
  if (found.picture === undefined)
    throw new CreoError('not_found', `${offer} has no picture.`, {hint: `creo offer edit ${offer} --picture FILE`})
  const content = Buffer.from((await client.picture(found.picture, signal)).content, 'base64')
  if (`sha256:${sha256Hex(content)}` !== found.picture)
    throw new CreoError('digest_mismatch', 'That is not the picture of the offer.', {hint: 'Run the same command again.'})
  await writeFile(file, content, {flag: 'wx'}).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new CreoError('conflict', `There is a file ${file} already.`, {hint: 'Choose another name.'})
    throw new CreoError('failed', `${file} can't be written (${cause.code}).`, {hint: 'Check the folder and its rights.', cause})
  })
  return {offer, picture: found.picture, ...pictureOf(content), bytes: content.length, file}
}

async function readPicture(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r')
    try {
      const {buffer, bytesRead} = await file.read(Buffer.alloc(FILE_BYTES_MAX + 1), 0, FILE_BYTES_MAX + 1, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT') throw new CreoError('not_found', `There is no file ${path}.`, {hint: 'Name a picture.', cause})
    throw new CreoError('invalid_input', `${path} can't be read as a picture (${String(code ?? cause)}).`, {hint: 'Name a file.', cause})
  }
}

/** A file that is too large only for what is left out of it is taken. */
function trimmed(bytes: Buffer): Uint8Array {
  try {
    return withoutTelling(bytes)
  } catch (error) {
    if (isCreoError(error)) throw error
    throw new CreoError('invalid_input', 'That is no whole PNG, JPEG, WebP or AVIF.', {hint: 'Save it anew as one of them.', cause: error})
  }
}
