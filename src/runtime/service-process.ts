import {access} from 'node:fs/promises'
import {dirname} from 'node:path'
import {createInterface} from 'node:readline'
import {DirectoryChanges} from './directory-changes.ts'
import type {RuntimeTools} from './port.ts'
import type {ServiceOptions, ServiceProcess} from './sandbox.ts'

/**
 * Runs the service and ends it when standard input closes, which happens also when this process is killed without a chance to say
 * goodbye. Says the service's process id first. (podman's own idle timeout ends it under open requests.)
 */
const SUPERVISOR = `
socket=$1
shift
exec 3<&0
"$@" </dev/null >/dev/null 3<&- &
service=$!
echo "$service"
exec >/dev/null
(read -r line <&3; kill "$service") &
watcher=$!
exec 3<&-
wait "$service"
kill "$watcher"
rm -f "$socket"
`
const STDERR_TAIL_CHARACTERS = 4096
const CLOSE_TIMEOUT_MS = 5000

/** Resolves when the socket is there. @throws when the process ends first or the signal fires. */
export async function startService(execa: RuntimeTools['execa'], options: ServiceOptions): Promise<ServiceProcess> {
  const {command, env, workingDirectory, socketPath, signal} = options
  const appeared = socketAppears(socketPath, signal)
  const supervisor = execa('/bin/sh', ['-c', SUPERVISOR, 'creo-service', socketPath, ...command], {
    env,
    extendEnv: false,
    cwd: workingDirectory,
    stdin: 'pipe',
    buffer: false,
    reject: false,
    // In a session of its own: Ctrl-C ends us first, and we stop the containers through it.
    detached: true
  })
  let tail = ''
  supervisor.stderr.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-STDERR_TAIL_CHARACTERS)
  })
  const ended = supervisor.then(() => tail.trim())
  const end = async () => {
    supervisor.stdin.end()
    const late = setTimeout(() => killGroup(supervisor.pid), CLOSE_TIMEOUT_MS)
    await ended
    clearTimeout(late)
  }
  const failed = ended.then((words) => Promise.reject(new Error(words || 'it says nothing')))
  try {
    const pid = await Promise.race([firstNumber(supervisor.stdout), failed])
    await Promise.race([appeared, failed])
    return {pid, ended, end}
  } catch (error) {
    await end()
    throw error
  } finally {
    failed.catch(() => undefined)
    appeared.catch(() => undefined)
  }
}

/** A group that has just ended by itself is no failure. */
function killGroup(group: number | undefined): void {
  try {
    if (group !== undefined) process.kill(-group, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function firstNumber(stdout: NodeJS.ReadableStream): Promise<number> {
  const lines = createInterface({input: stdout})
  for await (const line of lines) return Number(line)
  throw new Error('the supervisor says nothing')
}

/** Resolves when a file of that name is in its directory. */
async function socketAppears(path: string, signal: AbortSignal): Promise<void> {
  const changed = new DirectoryChanges(dirname(path))
  try {
    while (
      !(await access(path).then(
        () => true,
        () => false
      ))
    )
      await changed.next(signal)
  } finally {
    changed.close()
  }
}
