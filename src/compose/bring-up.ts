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
  readonly draw: ((network: NetworkGlance | Error, upMs: number) => void) | undefined
  readonly signal: AbortSignal
}

export interface BroughtUp {
  readonly holds: true
  readonly networkId: string
  readonly totalMs: number
  readonly steps: readonly StepReport[]
  readonly stopped: readonly {readonly name: string; readonly how: string}[]
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
  let holds = false
  let stopped: BroughtUp['stopped'] = []
  let steps: readonly StepReport[] = []
  try {
    if (options.tour) steps = await runTour(tourSteps, {network, root: options.root, progress: options.progress, signal: options.signal})
    else await startPlainNetwork(network, options.progress, options.signal)
    holds = true
    if (!options.once) await stayUp(network, options)
  } catch (error) {
    throw isCreoError(error) && error.code === 'port_taken' ? withOwnFlags(error) : error
  } finally {
    stopped = await stopAll(network, options.progress)
    const isOurs = options.tour && options.dataDirectory === undefined
    if (isOurs && (holds || options.signal.aborted) && !options.keep) await rm(directory, {recursive: true, force: true})
    else options.progress.say(`Everything is kept in ${directory}, logs in ${join(directory, 'logs')}.`)
  }
  return {holds: true, networkId: network.networkId, totalMs: Math.round(performance.now() - startedAtMs), steps, stopped}
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
  const startedAtMs = performance.now()
  while (!options.signal.aborted) {
    const glance = await glanceAt(network, options.signal).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error))
    )
    if (!options.signal.aborted) options.draw?.(glance, performance.now() - startedAtMs)
    await pause(REDRAW_MS, options.signal)
  }
}

/** @throws {CreoError} `failed` naming what is still there. */
async function stopAll(network: DevNetwork, progress: Progress): Promise<BroughtUp['stopped']> {
  const stopped: {readonly name: string; readonly how: string}[] = []
  await progress.step('Stopping every process and container', () => network.stop((name, how) => stopped.push({name, how})))
  const left = await leftBehind(network.directory)
  if (left.length > 0) {
    throw new CreoError('failed', `Still running: ${left.map(({pid, command}) => `${command} (pid ${pid})`).join(', ')}.`, {
      hint: `kill ${left.map(({pid}) => pid).join(' ')}`
    })
  }
  const names = stopped.length === 0 ? 'what was started' : stopped.map(({name}) => name).join(', ')
  progress.say(`Stopped ${names}; no process and no container is left.`)
  return stopped
}
