import * as fs from 'node:fs'
import {join} from 'node:path'

/** What a process that was killed left half written is removed after this. */
const LEFTOVER_AGE_MS = 3_600_000
/** Processes that are looked at, and files that each has open: more are taken as using every version. */
const PROCESSES_MAX = 100_000

/**
 * Removes the versions in `programs` that no process uses, besides `kept`. A process uses a version whose Node it runs, or of which it has a file open.
 * Where that can't be seen nothing is removed.
 */
export function collect(programs: string, kept: string): void {
  const others = fs.readdirSync(programs).filter((name) => name !== kept)
  if (others.length === 0) return
  const used = usedPaths()
  if (used === undefined) return
  for (const name of others) {
    const folder = join(programs, name)
    if (name.startsWith('.')) {
      const {mtimeMs} = fs.lstatSync(folder, {throwIfNoEntry: false}) ?? {mtimeMs: Date.now()}
      if (Date.now() - mtimeMs < LEFTOVER_AGE_MS) continue
    }
    if (!used.some((path) => path.startsWith(`${folder}/`))) fs.rmSync(folder, {recursive: true, force: true})
  }
}

/** Every executable and every open file of processes that this user may look at; undefined where there is no /proc. */
function usedPaths(): readonly string[] | undefined {
  const processes = names('/proc')?.filter((name) => /^\d+$/.test(name))
  if (processes === undefined || processes.length > PROCESSES_MAX) return undefined
  return processes.flatMap((id) => [
    ...link(`/proc/${id}/exe`),
    ...(names(`/proc/${id}/fd`) ?? []).flatMap((file) => link(`/proc/${id}/fd/${file}`))
  ])
}

function names(folder: string): readonly string[] | undefined {
  try {
    return fs.readdirSync(folder)
  } catch {
    return undefined
  }
}

/** None where the process has ended meanwhile or is another user's. */
function link(path: string): readonly string[] {
  try {
    return [fs.readlinkSync(path)]
  } catch {
    return []
  }
}
