import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {textEntry} from '../../images/layer-entries.ts'
import type {TarEntry} from '../../images/tar-writer.ts'

const FOLDER = 'usr/share/ca-certificates/mozilla'

/** The certificates of the package as the one file that libraries read: what Debian does when it installs the package. */
export async function authoritiesOf(tree: string): Promise<TarEntry> {
  const names = (await readdir(join(tree, FOLDER))).filter((name) => name.endsWith('.crt')).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(tree, FOLDER, name), 'utf8')))
  return textEntry('etc/ssl/certs/ca-certificates.crt', texts.map((text) => `${text.trimEnd()}\n`).join(''))
}
