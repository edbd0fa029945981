import {setTimeout as wait} from 'node:timers/promises'
import {execa} from 'execa'
import {CreoError} from '../../core/errors.ts'
import type {ServiceScope} from '../../miner/service-unit.ts'
import {UNIT_NAME} from '../../miner/service-unit.ts'

/** As long as a drain may take, and the start after it. */
const RESTART_TIMEOUT_MS = 300_000
const ASK_TIMEOUT_MS = 10_000
/** Looks at a service that was started anew, before it counts as staying up. */
const LOOKS = 4
const LOOK_EVERY_MS = 1000

export interface Service {
  readonly scope: ServiceScope
  readonly pid: number
}

/** How systemctl is found and for how long it is waited. */
export interface Asking {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Between looks at a service that was started anew. */
  readonly lookEveryMs?: number
}

/** The services of systemd that run a miner with this executable now. None where there is no systemd. */
export async function runningServices(executable: string, asking: Asking): Promise<readonly Service[]> {
  const found: Service[] = []
  for (const scope of ['system', 'user'] as const) {
    const {stdout} = await systemctl(scope, ['show', UNIT_NAME, '--property=MainPID', '--property=ExecStart'], ASK_TIMEOUT_MS, asking)
    const pid = Number(/^MainPID=(\d+)$/m.exec(stdout)?.[1] ?? 0)
    if (pid > 0 && stdout.includes(`path=${executable} `)) found.push({scope, pid})
  }
  return found
}

/**
 * Has systemd drain the miner and start it anew, which it does to the end also when this process is killed meanwhile.
 * @throws {CreoError} `failed` when the service does not stay up.
 */
export async function restartService(scope: ServiceScope, asking: Asking): Promise<void> {
  const {exitCode, stderr} = await systemctl(scope, ['restart', UNIT_NAME], RESTART_TIMEOUT_MS, asking)
  if (exitCode !== 0) throw new CreoError('failed', `The service did not start: ${stderr.trim() || 'systemctl gives no reason'}.`)
  for (let look = 0; look < LOOKS; look += 1) {
    await wait(asking.lookEveryMs ?? LOOK_EVERY_MS, undefined, {signal: asking.signal})
    const {stdout} = await systemctl(scope, ['is-active', UNIT_NAME], ASK_TIMEOUT_MS, asking)
    if (stdout.trim() !== 'active') throw new CreoError('failed', `The service did not stay up: it is ${stdout.trim() || 'unknown'}.`)
  }
}

async function systemctl(
  scope: ServiceScope,
  args: readonly string[],
  timeout: number,
  {env, signal}: Asking
): Promise<{readonly stdout: string; readonly stderr: string; readonly exitCode: number | undefined}> {
  const ran = await execa('systemctl', scope === 'user' ? ['--user', ...args] : args, {
    reject: false,
    stdin: 'ignore',
    timeout,
    env,
    cancelSignal: signal
  })
  signal.throwIfAborted()
  return {stdout: ran.stdout ?? '', stderr: ran.stderr ?? '', exitCode: ran.exitCode}
}
