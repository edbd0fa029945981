import {readdir, readFile, readlink} from 'node:fs/promises'
import {basename} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError} from '../core/errors.ts'

const KILLS_MAX = 200
const LOOK_MS = 20
const PARENT_FIELD = 1

interface Process {
  readonly pid: number
  readonly parent: number
  readonly argv: readonly string[]
}

/**
 * Kills every process of our own whose command line is meant, with all that it has started and not yet left to others, and answers
 * those command lines. They have `graceMs` to go by themselves. For what a killed process or service left behind.
 * A command line says whatever its process likes, and functions see our paths: only processes of this user that run one of `programs` (file names),
 * in the namespaces that we are in, are believed.
 * @throws {CreoError} `timeout` when they don't go.
 */
export async function killProcesses(
  isMeant: (argv: readonly string[]) => boolean,
  {programs, graceMs, signal}: {readonly programs: readonly string[]; readonly graceMs: number; readonly signal: AbortSignal}
): Promise<readonly (readonly string[])[]> {
  const beganMs = performance.now()
  const killed: (readonly string[])[] = []
  const condemned = new Set<number>()
  for (let kills = 0; kills < KILLS_MAX; ) {
    const all = await processes()
    const named = all.filter(({pid, argv}) => pid !== process.pid && isMeant(argv))
    const believed = await Promise.all(named.map(({pid}) => isOurs(pid, programs)))
    const meant = named.filter((_one, index) => believed[index])
    if (performance.now() - beganMs >= graceMs) {
      killed.push(...meant.filter(({pid}) => !condemned.has(pid)).map(({argv}) => argv))
      for (const {pid} of withDescendants(meant, all)) condemned.add(pid)
      kills += 1
    }
    const left = all.filter(({pid}) => condemned.has(pid))
    if (meant.length === 0 && left.length === 0) return killed
    for (const {pid} of left) kill(pid)
    await delay(LOOK_MS, undefined, {signal})
  }
  throw new CreoError('timeout', 'Processes that a container runtime left behind do not go.', {
    hint: 'creo doctor looks at the container runtime.'
  })
}

/** Those that have ended already and wait for their parent are not there any more. */
async function processes(): Promise<readonly Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map(read))
  return found.filter((one) => one !== undefined)
}

async function read(pid: number): Promise<Process | undefined> {
  try {
    const [stat, command] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/cmdline`, 'utf8')])
    // After the name, which may hold anything: state, parent, …
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return {pid, parent: Number(fields[PARENT_FIELD]), argv: command.split('\0').slice(0, -1)}
  } catch {
    return undefined
  }
}

/** Without root, podman and its monitors live in a user namespace that podman made; a function has a process namespace of its own in any case. */
async function isOurs(pid: number, programs: readonly string[]): Promise<boolean> {
  const namespaces = process.getuid?.() === 0 ? ['pid', 'user'] : ['pid']
  const links = (of: number | 'self') => Promise.all(namespaces.map((name) => readlink(`/proc/${of}/ns/${name}`)))
  try {
    const [status, program, theirs, ours] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readlink(`/proc/${pid}/exe`),
      links(pid),
      links('self')
    ])
    const isOurUsers = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]) === process.getuid?.()
    // A program that was upgraded meanwhile.
    const name = basename(program).replace(/ \(deleted\)$/, '')
    return isOurUsers && programs.includes(name) && theirs.every((link, index) => link === ours[index])
  } catch {
    return false
  }
}

function withDescendants(roots: readonly Process[], all: readonly Process[]): readonly Process[] {
  const family = [...roots]
  for (const one of family) family.push(...all.filter(({parent, pid}) => parent === one.pid && !family.some((known) => known.pid === pid)))
  return family
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
