import {statfs} from 'node:fs/promises'
import {join} from 'node:path'
import type {Interfaces} from '@oclif/core'
import {makePrivateFolder} from '../config/data-directory.ts'
import {configDirectory, dataDirectory} from '../config/paths.ts'
import {isCreoError} from '../core/errors.ts'
import {formatBytes} from '../core/units.ts'
import {findRuntimes} from '../runtime/find-runtimes.ts'
import {checkCoordinator} from './doctor-coordinator.ts'
import {type Finding, failure} from './finding.ts'
import {createRuntime, runtimeTools} from './runtimes.ts'

export interface DoctorOptions {
  readonly config: Pick<Interfaces.Config, 'runHook'>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly nowMs: number
  readonly network?: string
}

const DISK_FAIL_BYTES = 200 * 2 ** 20
const DISK_WARN_BYTES = 2 * 2 ** 30

/** Looks at everything that creo needs on this machine. Never throws for what it finds; an abort ends it. */
export async function diagnose(options: DoctorOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const checks: readonly (() => Finding | Promise<Finding | readonly Finding[]>)[] = [
    checkNode,
    () => checkFolder('settings folder', configDirectory(options.env)),
    () => checkFolder('data folder', dataDirectory(options.env)),
    () => checkDisk(dataDirectory(options.env)),
    () => checkRuntimes(options, signal),
    () => checkCoordinator(options, signal)
  ]
  const findings: Finding[] = []
  for (const check of checks) {
    signal.throwIfAborted()
    findings.push(...[await check()].flat())
  }
  return findings
}

/** Too old a Node never gets here: bin/run.js refuses it. */
function checkNode(): Finding {
  return {check: 'node', verdict: 'ok', message: `Node ${process.versions.node} on ${process.platform}-${process.arch}.`}
}

async function checkFolder(check: string, path: string): Promise<Finding> {
  try {
    await makePrivateFolder(path)
    return {check, verdict: 'ok', message: `${path} is writable.`}
  } catch (error) {
    return failure(check, error)
  }
}

async function checkDisk(path: string): Promise<Finding> {
  try {
    const disk = await statfs(path)
    const freeBytes = disk.bavail * disk.bsize
    const message = `${formatBytes(freeBytes)} free for ${path}.`
    if (freeBytes >= DISK_WARN_BYTES) return {check: 'disk', verdict: 'ok', message}
    const verdict = freeBytes < DISK_FAIL_BYTES ? 'fail' : 'warn'
    return {check: 'disk', verdict, message, hint: `Free some space: images and the journal want ${formatBytes(DISK_WARN_BYTES)}.`}
  } catch (error) {
    return {...failure('disk', error), verdict: 'warn'}
  }
}

/** One finding for each runtime that a plugin offers and for each plugin that was skipped. */
async function checkRuntimes(options: DoctorOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const found = await findRuntimes(options.config)
  const broken = found.broken.map(({plugin, reason}): Finding => {
    return {
      check: 'runtime',
      verdict: 'warn',
      message: `The plugin ${plugin} was skipped: ${reason}`,
      hint: `creo plugins update, or creo plugins uninstall ${plugin}`
    }
  })
  const probed: (Finding & {readonly missing?: true})[] = []
  for (const {name} of found.providers) probed.push(await probeRuntime({name, found, env: options.env}, signal))
  const works = probed.find(({verdict}) => verdict !== 'fail')
  if (probed.length > 0) return [...probed.map((finding) => excuse(finding, works)), ...broken]
  return [{check: 'runtime', verdict: 'fail', message: 'No plugin offers a container runtime.', hint: 'npm run build'}, ...broken]
}

/** One runtime is enough: another that is not installed is nothing to mend. */
function excuse({missing, ...finding}: Finding & {readonly missing?: true}, works: Finding | undefined): Finding {
  if (!missing || !works) return finding
  return {check: finding.check, verdict: 'ok', message: `${finding.message} Not needed: ${works.message}`}
}

async function probeRuntime(
  runtime: {readonly name: string; readonly found: Awaited<ReturnType<typeof findRuntimes>>; readonly env: DoctorOptions['env']},
  signal: AbortSignal
): Promise<Finding & {readonly missing?: true}> {
  const check = `runtime ${runtime.name}`
  try {
    const stateDirectory = join(dataDirectory(runtime.env), 'doctor', runtime.name)
    await makePrivateFolder(stateDirectory)
    const tools = await runtimeTools({stateDirectory, env: runtime.env, log: () => undefined})
    const created = await createRuntime({...runtime, tools})
    try {
      const probe = await created.probe(signal)
      const message = `${probe.name} ${probe.version} (${probe.architecture}); limits are ${probe.enforcesLimits ? 'enforced' : 'not enforced'}.`
      const problems = probe.problems.length === 0 ? {} : {hint: probe.problems.join(' ')}
      return {check, verdict: probe.enforcesLimits && probe.problems.length === 0 ? 'ok' : 'warn', message, ...problems}
    } finally {
      await created.close()
    }
  } catch (error) {
    signal.throwIfAborted()
    return {...failure(check, error), ...(isCreoError(error) && error.code === 'runtime_missing' ? {missing: true} : {})}
  }
}
