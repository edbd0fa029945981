import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {makePrivateFolder} from '../config/data-directory.ts'
import {dataDirectory} from '../config/paths.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {DevNetwork} from './dev-network.ts'
import {leftBehind} from './leftover-processes.ts'
import {glanceAt, type NetworkGlance} from './network-glance.ts'
import {pause} from './pause.ts'
import {PLAIN_ACCOUNT, startPlainNetwork} from './plain-network.ts'
import type {Progress} from './progress-port.ts'
import type {Stopped} from './role-process.ts'
import {tourSteps} from './tour/steps.ts'
import {ORGS} from './tour/steps-network.ts'
import {runTour, type StepReport} from './tour/tour.ts'

const REDRAW_MS = 1000

export interface BringUpOptions {
  /** Folder of creo itself. */
  readonly root: string
  readonly dataDirectory: string | undefined
  readonly tour: boolean
  readonly once: boolean
  readonly keep: boolean
  readonly ports: {readonly coordinator: number; readonly gateway: number; readonly tunnel: number}
  readonly progress: Progress
  /** Draws the live view; absent for `--json`. */
  readonly draw: ((network: NetworkGlance | Error, seen: {readonly upMs: number; readonly gone: readonly string[]}) => void) | undefined
  /** Told once, before the error is thrown, unless the folder was removed. */
  readonly onFailure: (facts: FailureFacts) => void
  readonly signal: AbortSignal
}

/** Where what failed can be looked at. */
export interface FailureFacts {
  /** The step of the tour that did not hold; missing when it was none. */
  readonly step?: string | null
  readonly directory: string
  /** Those that held before. */
  readonly steps: readonly StepReport[]
}

export interface BroughtUp {
  readonly holds: true
  readonly networkId: string
  readonly totalMs: number
  readonly steps: readonly StepReport[]
  readonly stopped: readonly {readonly name: string; readonly how: Stopped}[]
}

/**
 * Runs a development network from nothing until Ctrl-C, or until the tour is over with `once`. Whatever happens, every process and
 * container it started is stopped, and that nothing is left is checked before it is said.
 */
export async function bringUp(options: BringUpOptions): Promise<BroughtUp> {
  const startedAtMs = performance.now()
  const directory =
    options.dataDirectory ?? (options.tour ? await mkdtemp(join(tmpdir(), 'creo-')) : join(dataDirectory(process.env), 'dev'))
  await makePrivateFolder(directory)
  const creo = [process.execPath, join(options.root, 'bin', 'run.js')]
  const exchangeOrg = options.tour ? ORGS.exchange : PLAIN_ACCOUNT
  const network = new DevNetwork({directory, creo, ports: options.ports, epoch: '5s', emission: '10', exchangeOrg}, options.signal)
  const steps: StepReport[] = []
  let failure: unknown
  try {
    await run(network, options, steps)
  } catch (error) {
    failure = error
  }
  const stopping = await stopAll(network, options.progress)
  const cause = failure ?? stopping.failure
  const isOurs = options.tour && options.dataDirectory === undefined
  if (isOurs && (cause === undefined || options.signal.aborted) && !options.keep) await removeFolder(directory, options.progress)
  else {
    options.progress.say(`Everything is kept in ${directory}, logs in ${join(directory, 'logs')}.`)
    const step = options.tour && failure !== undefined ? {step: tourSteps[steps.length]?.id ?? null} : {}
    if (cause !== undefined) options.onFailure({...step, directory, steps})
  }
  if (failure !== undefined && stopping.failure !== undefined)
    options.progress.say(`${stopping.failure.message} ${stopping.failure.hint ?? ''}`)
  if (cause !== undefined) throw isCreoError(cause) && cause.code === 'port_taken' ? withOwnFlags(cause) : cause
  const totalMs = Math.round(performance.now() - startedAtMs)
  return {holds: true, networkId: network.networkId, totalMs, steps, stopped: stopping.stopped}
}

/** Each step of the tour that held is added to `steps` as soon as it is over. */
async function run(network: DevNetwork, options: BringUpOptions, steps: StepReport[]): Promise<void> {
  const {root, progress, signal} = options
  if (!options.tour) await startPlainNetwork(network, progress, signal)
  else for await (const report of runTour(tourSteps, {network, root, progress, signal})) steps.push(report)
  if (!options.once) await stayUp(network, options)
}

/** That a temporary folder stays is no reason to fail: it is said. */
async function removeFolder(directory: string, progress: Progress): Promise<void> {
  await rm(directory, {recursive: true, force: true}).catch((error: Error) =>
    progress.say(`${directory} can't be removed: ${error.message}. Remove it by hand.`)
  )
}

/** A role's advice names the role's own flags, which who runs the whole network can't give. */
function withOwnFlags(cause: CreoError): CreoError {
  const hint = 'End what has it, or choose another port: --coordinator-port, --gateway-port, --tunnel-port (0: any).'
  return new CreoError('port_taken', cause.message, {hint, cause})
}

/** Until Ctrl-C, which is how this ends well. */
async function stayUp(network: DevNetwork, options: BringUpOptions): Promise<void> {
  options.progress.say('')
  options.progress.say(`Commands for this network: export CREO_CONFIG_DIR=${network.configDirectory}`)
  options.progress.say('Ctrl-C stops everything.')
  while (!options.signal.aborted) {
    const glance = await glanceAt(network, options.signal).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error))
    )
    if (!options.signal.aborted) options.draw?.(glance, {upMs: network.upMs(), gone: network.gone()})
    await pause(REDRAW_MS, options.signal)
  }
}

interface Stopping {
  readonly stopped: BroughtUp['stopped']
  /** What is still there, or a role that ended badly. */
  readonly failure: CreoError | undefined
}

/** Stops every role and looks that nothing of them is left. */
export async function stopAll(network: DevNetwork, progress: Progress): Promise<Stopping> {
  const stopped: {readonly name: string; readonly how: Stopped}[] = []
  await progress.step('Stopping every process and container', () => network.stop((name, how) => stopped.push({name, how})))
  const left = await leftBehind(network.directory)
  if (left.length > 0) {
    const message = `Still running: ${left.map(({pid, command}) => `${command} (pid ${pid})`).join(', ')}.`
    return {stopped, failure: new CreoError('failed', message, {hint: `kill ${left.map(({pid}) => pid).join(' ')}`})}
  }
  const names = stopped.length === 0 ? 'what was started' : stopped.map(({name}) => name).join(', ')
  progress.say(`Stopped ${names}; no process and no container is left.`)
  const badly = stopped.filter(({how}) => how === 'failed' || how === 'killed')
  return {stopped, failure: badly.length === 0 ? undefined : endedBadly(network, badly)}
}

function endedBadly(network: DevNetwork, roles: BroughtUp['stopped']): CreoError {
  const said = roles.map(({name, how}) => (how === 'killed' ? `${name} had to be killed` : `${name} failed`)).join(', ')
  const logs = roles.map(({name}) => network.logPath(name)).join(' and ')
  return new CreoError('failed', `Not every role stopped well: ${said}.`, {hint: `Read ${logs}`})
}
