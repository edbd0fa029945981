import {CreoError} from '../../core/errors.ts'
import {applyMend, type Patient} from './apply-mends.ts'
import {findUser, type HostFacts, readHostFacts} from './host-facts.ts'
import {type Mend, planMends} from './plan-mends.ts'

const COMMAND_TIMEOUT_MS = 10 * 60_000
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
    if (mend.status !== 'planned' || failed) {
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

/** This machine. */
export function thisMachine(signal: AbortSignal): Patient {
  return {
    root: '/',
    run: async ([program = '', ...args]) => {
      const {execa} = await import('execa')
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(COMMAND_TIMEOUT_MS)])
      const env = {DEBIAN_FRONTEND: 'noninteractive'}
      const result = await execa(program, args, {env, stdin: 'ignore', reject: false, all: true, cancelSignal: bounded})
      signal.throwIfAborted()
      if (!result.failed) return
      const words = result.all.slice(-OUTPUT_CHARACTERS_MAX).trim() || result.shortMessage
      throw new CreoError('failed', `${[program, ...args].join(' ')} failed: ${words}`)
    }
  }
}

/** @throws {CreoError} `forbidden` for anyone but root. */
export function assertMayMend(user: HostFacts['user']): void {
  if (process.getuid?.() === 0) return
  throw new CreoError('forbidden', 'Only root may change that.', {hint: `Run it as root: creo doctor --fix --for ${user.name}`})
}
