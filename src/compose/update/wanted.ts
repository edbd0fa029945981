import {readFileIfThere} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {readPublished} from './installation.ts'
import type {Wanted} from './update.ts'

const KEY_FILE_BYTES_MAX = 4096
const KEY_LINE = /^RW[A-Za-z0-9+/]{54}$/

/**
 * What was said on the command line, and what the publisher built in where nothing was said.
 * @throws {CreoError} `usage` when it is known neither by the one nor by the other; `not_found` for a key file that isn't there; `invalid_input` for a key that is cut or changed.
 */
export async function wantedRelease(said: {
  readonly place: string | undefined
  readonly publicKey: string | undefined
  readonly to: string | undefined
}): Promise<Wanted> {
  const published = await readPublished()
  const place = said.place ?? published.url
  if (place === undefined) {
    throw new CreoError('usage', 'It is not said where the release lies, and no address is built into this creo.', {
      hint: 'creo update URL, or creo update FOLDER'
    })
  }
  const publicKey = said.publicKey === undefined ? published.publicKey : await readKey(said.publicKey)
  if (publicKey === undefined) {
    throw new CreoError('usage', "No publisher's key is built into this creo, and nothing unsigned is ever taken.", {
      hint: 'Give the key, from somewhere else than the download: --public-key RW…'
    })
  }
  return {place, publicKey, to: said.to}
}

async function readKey(fileOrKey: string): Promise<string> {
  if (KEY_LINE.test(fileOrKey)) return fileOrKey
  const file = await readFileIfThere(fileOrKey, KEY_FILE_BYTES_MAX)
  if (file === undefined && fileOrKey.startsWith('RW'))
    throw new CreoError(
      'invalid_input',
      `That is no key of minisign: one has 56 characters from A to Z, a to z, 0 to 9, + and /, this one has ${fileOrKey.length}.`,
      {
        hint: 'Copy the whole line that begins with RW.'
      }
    )
  if (file === undefined)
    throw new CreoError('not_found', `${fileOrKey} is neither a file nor a key of minisign.`, {hint: 'A key begins with RW.'})
  return file.toString('utf8')
}
