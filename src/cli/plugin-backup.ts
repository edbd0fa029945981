import {copyFile, link, mkdir, readdir, readlink, rename, rm, stat, symlink} from 'node:fs/promises'
import {join} from 'node:path'

/** In creo's data folder: what is installed and from where, and the plugins themselves with what they need. */
const RECORDS = ['package.json', 'package-lock.json']
const PACKAGES = 'node_modules'
/** Written anew in place by npm, where it replaces all else: a link to it would change with it. */
const PLACES = '.package-lock.json'

/**
 * Keeps the installed plugins as they are in another folder of the same disk: links to their files, which take no room. What an earlier process kept
 * there and did not forget, since it was killed, is put back first.
 * @param kept a folder that is made, and that nobody else uses meanwhile.
 */
export async function keepPlugins(dataFolder: string, kept: string): Promise<void> {
  if (await isThere(kept)) await putBackPlugins(dataFolder, kept)
  const making = `${kept}.making`
  await rm(making, {recursive: true, force: true})
  await mkdir(making, {recursive: true, mode: 0o700})
  for (const name of RECORDS) if (await isThere(join(dataFolder, name))) await copyFile(join(dataFolder, name), join(making, name))
  if (await isThere(join(dataFolder, PACKAGES))) await linkTree(join(dataFolder, PACKAGES), join(making, PACKAGES))
  await rename(making, kept)
}

/** Makes the installed plugins what they were, whatever became of them, and forgets them. Killed in the middle, the next `keepPlugins` goes on. */
export async function putBackPlugins(dataFolder: string, kept: string): Promise<void> {
  for (const name of [...RECORDS, PACKAGES]) {
    const [was, is] = [join(kept, name), join(dataFolder, name)]
    const gone = `${kept}.gone`
    await rm(gone, {recursive: true, force: true})
    if (await isThere(is)) await rename(is, gone)
    if (!(await isThere(was))) continue
    if (name === PACKAGES) await linkTree(was, is)
    else await copyFile(was, is)
  }
  await forgetPlugins(kept)
}

export async function forgetPlugins(kept: string): Promise<void> {
  // At once nothing that could be put back, however long the rest takes.
  if (await isThere(kept)) {
    await rm(`${kept}.gone`, {recursive: true, force: true})
    await rename(kept, `${kept}.gone`)
  }
  for (const folder of [`${kept}.gone`, `${kept}.making`]) await rm(folder, {recursive: true, force: true})
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, {recursive: true})
  for (const entry of await readdir(from, {withFileTypes: true})) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkTree(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else if (entry.name === PLACES) await copyFile(source, target)
    else if (entry.isFile()) await link(source, target).catch(() => copyFile(source, target))
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
