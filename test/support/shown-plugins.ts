import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'

const PAGE = new URL('../../docs/PLUGINS.md', import.meta.url)
/** A paragraph, and the code that follows it. */
const SHOWN = /((?:[^\n]+\n)+)\n```\w+\n([\s\S]*?)^```$/gm
/** What a paragraph begins with that is followed by a whole file. */
const FILE = /^`([\w-]+\/[\w./-]+)`/

/** Writes a plugin as docs/PLUGINS.md shows it, each of its files, and answers its folder. */
export async function writeShownPlugin(name: string, parent: string): Promise<string> {
  const page = await readFile(PAGE, 'utf8')
  for (const [, paragraph = '', text = ''] of page.matchAll(SHOWN)) {
    const path = FILE.exec(paragraph)?.[1]
    if (!path?.startsWith(`${name}/`)) continue
    await mkdir(dirname(join(parent, path)), {recursive: true})
    await writeFile(join(parent, path), text)
  }
  return join(parent, name)
}
