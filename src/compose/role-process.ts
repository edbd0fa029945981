import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {open, readFile} from 'node:fs/promises'
import {createInterface} from 'node:readline'
import {Readable} from 'node:stream'
import {z} from 'zod'
import {jsonOrUndefined} from '../client/http.ts'
import {CreoError} from '../core/errors.ts'
import {saidError} from './said-error.ts'

/** A role gets this long to say that it is ready. */
const READY_TIMEOUT_MS = 60_000
/** A role gets this long to stop by itself before it is killed. */
const STOP_TIMEOUT_MS = 30_000
const LOG_TAIL_BYTES = 4000
/** What it printed last is kept, for its error. */
const SAID_CHARACTERS = 4000

const readyLineSchema = z.looseObject({ready: z.literal(true), role: z.string(), pid: z.int()})
export type ReadyLine = z.output<typeof readyLineSchema>

export interface RoleOptions {
  /** What people call it: "coordinator", "miner-a". */
  readonly name: string
  /** Program and its first arguments, then the command's: `[node, bin/run.js, coordinator, serve, …]`. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Its stderr is appended here. */
  readonly logPath: string
}

/** How a role ended: well, with an exit code that says otherwise, by SIGKILL after 30 s, or before it was asked. */
export type Stopped = 'by_itself' | 'failed' | 'killed' | 'already_stopped'

/** One role of a network as a process of its own, as it would be on a machine of its own. */
export interface RoleProcess {
  readonly name: string
  readonly pid: number
  readonly ready: ReadyLine
  /** Resolves when the process has ended, however. */
  readonly exited: Promise<void>
  /** It has ended, asked or not. */
  isGone(): boolean
  /** SIGKILL: a power cut as far as the process can tell. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL after 30 s. Resolves when it has ended, and says how. */
  stop(): Promise<Stopped>
}

/**
 * Starts a role and waits for its ready line. The child is in a process group of its own, so that Ctrl-C reaches only the
 * parent, and ends when its stdin closes, so that a killed parent leaves nothing behind.
 * @throws {CreoError} its own error when it exits first, or `failed` with the end of its log; `timeout` when it never gets ready.
 */
export async function startRole(options: RoleOptions, signal: AbortSignal): Promise<RoleProcess> {
  signal.throwIfAborted()
  const log = await open(options.logPath, 'a', 0o600)
  const [program = '', ...args] = options.argv
  const child = spawn(program, args, {
    env: {...process.env, ...options.env, CREO_SUPERVISED: '1'},
    stdio: ['pipe', 'pipe', log.fd],
    detached: true
  })
  const exited = Promise.race([once(child, 'exit'), once(child, 'error')]).then(() => log.close())
  try {
    const ready = await readyLine(child.stdout, exited, options, signal)
    return roleProcess({name: options.name, child, ready, exited})
  } catch (error) {
    child.kill('SIGKILL')
    await exited
    throw error
  }
}

function roleProcess(role: {
  readonly name: string
  readonly child: ChildProcess
  readonly ready: ReadyLine
  readonly exited: Promise<void>
}): RoleProcess {
  const {child, exited} = role
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null
  return {
    name: role.name,
    pid: role.ready.pid,
    ready: role.ready,
    exited,
    isGone,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
    stop: async () => {
      if (isGone()) return 'already_stopped'
      let isKilledByUs = false
      const timer = setTimeout(() => {
        isKilledByUs = child.kill('SIGKILL')
      }, STOP_TIMEOUT_MS)
      child.kill('SIGTERM')
      await exited
      clearTimeout(timer)
      // Killed by somebody else a moment ago: its end had not been told to us yet.
      if (child.signalCode === 'SIGKILL') return isKilledByUs ? 'killed' : 'already_stopped'
      return child.exitCode === 0 ? 'by_itself' : 'failed'
    }
  }
}

async function readyLine(stdout: Readable | null, exited: Promise<void>, options: RoleOptions, signal: AbortSignal): Promise<ReadyLine> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT_MS)])
  const lines = createInterface({input: stdout ?? Readable.from([])})
  const saidAll = once(lines, 'close')
  let said = ''
  const first = new Promise<ReadyLine>((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(notReady(options.name, signal, deadline)), {once: true})
    lines.on('line', (line) => {
      said = `${said}${line}\n`.slice(-SAID_CHARACTERS)
      const parsed = readyLineSchema.safeParse(jsonOrUndefined(line))
      if (parsed.success) resolve(parsed.data)
    })
  })
  const ended = exited.then(async () => {
    await saidAll
    const error = saidError(said, `The ${options.name}`)
    if (error !== undefined) throw error
    throw new CreoError('failed', `The ${options.name} ended before it was ready.\n${await logTail(options.logPath)}`, {
      hint: `Read ${options.logPath}`
    })
  })
  return await Promise.race([first, ended])
}

function notReady(name: string, signal: AbortSignal, deadline: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  return new CreoError('timeout', `The ${name} did not get ready within ${READY_TIMEOUT_MS / 1000} s.`, {cause: deadline.reason})
}

async function logTail(path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  return text.slice(-LOG_TAIL_BYTES).trimEnd()
}
