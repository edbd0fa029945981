import type {InstanceFailure} from './protocol/api.ts'

/** Why an instance did not start or ended by itself. A newer node may name others. */
export type FailureReason =
  | 'crash'
  | 'out_of_memory'
  | 'port_not_opened'
  | 'not_listening_yet'
  | 'unhealthy'
  | 'not_healthy_yet'
  | 'wrong_architecture'
  | 'image'
  | 'node'

/** Those that are the function's own doing: another node would see the same. */
const BY_FUNCTION: ReadonlySet<string> = new Set<FailureReason>([
  'crash',
  'out_of_memory',
  'port_not_opened',
  'unhealthy',
  'wrong_architecture'
])

const FIRST_SIGNAL_EXIT = 128
/** By number, as Linux has them on every machine that creo runs on. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  31: 'SIGSYS'
}
/** What the init in every container writes when the kernel does not run the command (packaging/init/creo-init.c). */
const NOT_OF_THIS_ARCHITECTURE = /creo-init: cannot run .*: not a program of this architecture/

/** What a miner knows of a start that failed. */
export interface FailedStart {
  /** What it answers the gateway with. */
  readonly code: string
  /** With the last words of the container's log. */
  readonly message: string
  /** How the process ended, if it did by itself. */
  readonly exitCode: number | undefined
  /** Its process was started. */
  readonly hasRun: boolean
}

/** The reason class of a failed start; undefined when nothing was wrong with the function or the node, such as a start that was called off. */
export function failureOf({code, message, exitCode, hasRun}: FailedStart): InstanceFailure | undefined {
  const exit = exitCode === undefined ? {} : {exitCode}
  switch (code) {
    case 'oom':
      return {reason: 'out_of_memory', ...exit}
    case 'crash':
      return {reason: NOT_OF_THIS_ARCHITECTURE.test(message) ? 'wrong_architecture' : exitCode === undefined ? 'node' : 'crash', ...exit}
    case 'timeout':
      return {reason: hasRun ? 'port_not_opened' : 'node'}
    case 'wrong_architecture':
    case 'unhealthy':
      return {reason: code}
    case 'stopped':
    case 'overloaded':
    case 'conflict':
    case 'interrupted':
      return undefined
    default:
      return {reason: 'node'}
  }
}

export function isByFunction({reason}: InstanceFailure): boolean {
  return BY_FUNCTION.has(reason)
}

/** 139 → "SIGSEGV"; null for a process that was not killed. */
export function signalOf(exitCode: number | undefined): string | null {
  if (exitCode === undefined || exitCode <= FIRST_SIGNAL_EXIT) return null
  return SIGNALS[exitCode - FIRST_SIGNAL_EXIT] ?? `signal ${exitCode - FIRST_SIGNAL_EXIT}`
}

/** In one sentence, for the owner of the function; undefined for a reason that has no words of its own here. */
export function failureWords({reason, exitCode, served = false}: InstanceFailure, port: number): string | undefined {
  const when = served ? 'while it served' : `before it listened on port ${port}`
  const signal = signalOf(exitCode)
  switch (reason) {
    case 'crash':
      return signal === null
        ? `It ended with exit code ${exitCode} ${when}.`
        : `It was killed by ${signal} (exit code ${exitCode}) ${when}.`
    case 'out_of_memory':
      return `It needed more than its memory limit and was killed ${when}.`
    case 'port_not_opened':
      return `It runs and did not listen on port ${port} in time.`
    case 'not_listening_yet':
      return `It runs and does not listen on port ${port} yet.`
    case 'not_healthy_yet':
      return 'It runs and its health path is not answered 2xx yet.'
    case 'wrong_architecture':
      return "Its program is not for the node's architecture, or not executable."
    default:
      return undefined
  }
}
