import {lstat, readdir, readlink} from 'node:fs/promises'
import {join} from 'node:path'
import {fileEntry} from '../../images/layer-entries.ts'
import type {TarEntry} from '../../images/tar-writer.ts'
import {isWanted} from './recipes.ts'

/** The files and links of an unpacked package that a base takes. Folders follow from them. */
export async function treeEntries(root: string, folder = ''): Promise<readonly TarEntry[]> {
  const entries: TarEntry[] = []
  for (const name of await readdir(join(root, folder))) {
    const path = folder === '' ? name : `${folder}/${name}`
    const hostPath = join(root, path)
    const stats = await lstat(hostPath)
    if (stats.isDirectory()) entries.push(...(await treeEntries(root, path)))
    else if (!isWanted(path)) continue
    else if (stats.isSymbolicLink()) entries.push({type: 'symlink', path, target: await readlink(hostPath)})
    else entries.push(fileEntry(path, hostPath, stats.mode & 0o111 ? 0o755 : 0o644, stats.size))
  }
  return entries
}
