import {basename} from 'node:path'
import {CreoError} from '../../core/errors.ts'
import {applyMend, type Patient} from './apply-mends.ts'
import {findUser, GRUB_COMMANDS, type HostFacts, PACKAGE_MANAGERS, readHostFacts} from './host-facts.ts'
import {type Mend, planMends} from './plan-mends.ts'

const COMMAND_TIMEOUT_MS = 10 * 60_000
/** What leaves a machine half changed when it is stopped in the middle: it runs to its end, however long, out of reach of Ctrl-C. */
const UNSTOPPABLE = [...PACKAGE_MANAGERS, ...Object.keys(GRUB_COMMANDS), 'grubby']
/** After this long it is said that it still runs. */
const UNSTOPPABLE_WARN_MS = 30 * 60_000
const OUTPUT_CHARACTERS_MAX = 2000

export type MendStatus = 'planned' | 'by_hand' | 'mended' | 'after_reboot' | 'failed'

/** One mend and what has come of it. */
export interface MendReport extends Mend {
  readonly status: MendStatus
  /** Why it failed. */
  readonly error?: string
}

/** What is wrong with this machine for containers of that user (without a name: of who runs this), and what would mend it. Changes nothing. */
export async function planForUser(
  name: string | undefined,
  root = '/'
): Promise<{readonly user: HostFacts['user']; readonly mends: readonly MendReport[]}> {
  const user = await findUser(root, name)
  const mends = planMends(await readHostFacts(root, user))
  return {user, mends: mends.map((mend) => ({...mend, status: mend.byHand === undefined ? 'planned' : 'by_hand'}))}
}

/** Does what was planned, one after the other, and looks at the machine again: mended is only what is no longer wrong. A mend that fails ends it. */
export async function mendHost(patient: Patient, user: HostFacts['user'], planned: readonly MendReport[]): Promise<readonly MendReport[]> {
  const reports: MendReport[] = []
  let failed = false
  for (const mend of planned) {
    if (mend.status !== 'planned' || failed || patient.signal?.aborted) {
      reports.push(mend)
      continue
    }
    const error = await applyMend(patient, mend).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason))
    )
    failed = error !== undefined
    reports.push(
      error === undefined ? {...mend, status: mend.holds === 'now' ? 'mended' : 'after_reboot'} : {...mend, status: 'failed', error}
    )
  }
  const wrong = new Set(planMends(await readHostFacts(patient.root, user)).map(({id}) => id))
  return reports.map((report) =>
    report.status === 'mended' && wrong.has(report.id)
      ? {...report, status: 'failed', error: 'It was done, and it is still wrong.'}
      : report
  )
}

/** This machine. `say` is told in a sentence when there is to be waited for what must not be stopped. */
export function thisMachine(signal: AbortSignal, say: (sentence: string) => void): Patient {
  return {
    root: '/',
    signal,
    run: async ([program = '', ...args]) => {
      signal.throwIfAborted()
      const unstoppable = UNSTOPPABLE.includes(basename(program))
      const {failed, words} = unstoppable
        ? await waitingFor(program, {signal, say}, runCommand(program, args, undefined))
        : await runCommand(program, args, AbortSignal.any([signal, AbortSignal.timeout(COMMAND_TIMEOUT_MS)]))
      if (!unstoppable) signal.throwIfAborted()
      if (failed) throw new CreoError('failed', `${[program, ...args].join(' ')} failed: ${words}`)
    }
  }
}

/** Without a signal it is in a process group of its own, which Ctrl-C in a terminal does not reach. */
async function runCommand(
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined
): Promise<{readonly failed: boolean; readonly words: string}> {
  const {execa} = await import('execa')
  const stopping = signal ? {cancelSignal: signal} : {detached: true}
  const env = {DEBIAN_FRONTEND: 'noninteractive'}
  const {failed, all, shortMessage = ''} = await execa(program, args, {env, stdin: 'ignore', reject: false, all: true, ...stopping})
  return {failed, words: all.slice(-OUTPUT_CHARACTERS_MAX).trim() || shortMessage}
}

async function waitingFor<T>(
  program: string,
  {signal, say}: {readonly signal: AbortSignal; readonly say: (sentence: string) => void},
  work: Promise<T>
): Promise<T> {
  const told = () => say(`${program} is not stopped in the middle: waiting for its end.`)
  const warning = setTimeout(() => say(`${program} still runs, and is left to end by itself.`), UNSTOPPABLE_WARN_MS)
  signal.addEventListener('abort', told, {once: true})
  try {
    return await work
  } finally {
    clearTimeout(warning)
    signal.removeEventListener('abort', told)
  }
}

/** @throws {CreoError} `forbidden` for anyone but root. */
export function assertMayMend(user: HostFacts['user']): void {
  if (process.getuid?.() === 0) return
  throw new CreoError('forbidden', 'Only root may change that.', {hint: `Run it as root: creo doctor --fix --for ${user.name}`})
}
