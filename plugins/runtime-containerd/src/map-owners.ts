import {lchown, lstat, readdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {IdRange} from 'creo/runtime'

/** The kernel's stand-in for an owner that has no name; ids beyond the range become it. */
const NOBODY = 65_534

/**
 * Gives every file below `root` to the id that its owner has inside a container. Follows no link, and whatever right came with
 * an owner (set-uid, capabilities) is lost with it.
 */
export async function mapOwners(root: string, range: IdRange, signal: AbortSignal): Promise<void> {
  const inside = (id: number) => range.base + (id < range.size ? id : NOBODY)
  const waiting = [root]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    signal.throwIfAborted()
    const status = await lstat(path)
    await lchown(path, inside(status.uid), inside(status.gid))
    if (status.isDirectory()) for (const name of await readdir(path)) waiting.push(join(path, name))
  }
}
