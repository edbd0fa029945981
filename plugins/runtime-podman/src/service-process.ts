import {watch} from 'node:fs'
import {basename, dirname} from 'node:path'
import {createInterface} from 'node:readline'
import type {RuntimeTools} from 'creo/runtime'

/** A `podman system service` that listens on `socketPath`, or will in a moment. */
export interface ServiceProcess {
  /** Of podman itself. */
  readonly pid: number
  /** Resolves when it is gone, with the end of what it wrote to stderr. */
  readonly ended: Promise<string>
  end(): Promise<void>
}

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
export async function startService(options: {
  readonly tools: RuntimeTools
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly signal: AbortSignal
}): Promise<ServiceProcess> {
  const {tools, command, env, socketPath, signal} = options
  const appeared = socketAppears(socketPath, signal)
  const supervisor = tools.execa('/bin/sh', ['-c', SUPERVISOR, 'creo-podman', socketPath, ...command], {
    env,
    extendEnv: false,
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
    const group = supervisor.pid
    const late = setTimeout(() => group !== undefined && process.kill(-group, 'SIGKILL'), CLOSE_TIMEOUT_MS)
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

async function firstNumber(stdout: NodeJS.ReadableStream): Promise<number> {
  const lines = createInterface({input: stdout})
  for await (const line of lines) return Number(line)
  throw new Error('the supervisor says nothing')
}

/** Resolves when a file of that name is in its directory. */
function socketAppears(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(dirname(path), {signal}, (_event, name) => {
      if (name !== basename(path)) return
      watcher.close()
      resolve()
    })
    watcher.on('error', reject)
    signal.addEventListener('abort', () => reject(signal.reason), {once: true})
  })
}
