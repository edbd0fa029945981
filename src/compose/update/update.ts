import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {join} from 'node:path'
import {makePrivateFolder} from '../../config/data-directory.ts'
import {lockDirectory, lockHolder} from '../../config/directory-lock.ts'
import {cacheDirectory} from '../../config/paths.ts'
import {CreoError} from '../../core/errors.ts'
import type {ServiceScope} from '../../miner/service-unit.ts'
import {drainMiner} from '../miner-control.ts'
import {bringCandidate, tryCandidate} from './candidate.ts'
import {placesOf} from './installation.ts'
import {type Release, readRelease} from './release.ts'
import {type Asking, restartService, runningServices, type Service} from './services.ts'
import {assertReplaceable, swapIn, takePrevious} from './swap.ts'
import {compareVersions} from './version.ts'

export interface UpdateOptions extends Asking {
  /** The packaged program, which is replaced. */
  readonly executable: string
  readonly version: string
  readonly architecture: string
  /** Folder of the node, whose miner is asked to drain. */
  readonly node: string
  readonly step: <T>(name: string, work: (note: (text: string) => void) => Promise<T>) => Promise<T>
}

/** What was asked for: where the release lies, the key that must have signed it, and the version that it must be. */
export interface Wanted {
  readonly place: string
  readonly publicKey: string
  readonly to: string | undefined
}

export interface Updated {
  readonly from: string
  readonly to: string
  readonly path: string
  /** Where the one before is kept. */
  readonly previousPath: string
  /** The services that were started anew with it. */
  readonly restarted: readonly ServiceScope[]
  /** A miner that no service starts was asked to end. */
  readonly drained: boolean
}

export interface Offered {
  readonly release: Release
  readonly status: 'newer' | 'same' | 'older'
}

const MIB = 1024 * 1024

/** What a place offers, against what runs here. Changes nothing. @throws {CreoError} `not_found` when it is not the version that is wanted. */
export async function lookAtRelease(wanted: Wanted, options: UpdateOptions): Promise<Offered> {
  const {executable, version, architecture, signal} = options
  const release = await readRelease(wanted.place, {architecture, publicKey: wanted.publicKey}, signal)
  if (wanted.to !== undefined && compareVersions(release.version, wanted.to) !== 0) {
    throw new CreoError('not_found', `${wanted.place} has creo ${release.version}, not ${wanted.to}.`, {
      hint: 'Name the place of that release.'
    })
  }
  if ((await sha256Of(executable)) === release.sha256) return {release, status: 'same'}
  return {release, status: compareVersions(release.version, version) < 0 ? 'older' : 'newer'}
}

/**
 * Puts a release in the place of the program that runs: brought and checked beside it, tried, then swapped in one rename; the one before is kept.
 * A miner that a service runs is drained and started with the new one; when it does not stay up, the one before is put back.
 * @throws {CreoError} whatever of it failed; the program is then as it was.
 */
export async function updateTo({release}: Offered, options: UpdateOptions): Promise<Updated> {
  const {executable, version, env, step, signal} = options
  await assertReplaceable(executable)
  return await alone(options, async (folder) => {
    const {candidate} = placesOf(executable)
    await step(`Bringing creo ${release.version}`, (note) =>
      bringCandidate(release, {candidate, downloads: folder, env, note: (bytes) => note(`${Math.floor(bytes / MIB)} MiB`), signal})
    )
    await step('Trying it on this machine', () => tryCandidate(candidate, {version: release.version, current: executable}, signal))
    return await install({from: version, to: release.version}, options)
  })
}

/** Puts back the program that the last update replaced, which is then the one that is kept. @throws {CreoError} `not_found` when none is kept. */
export async function rollBack(options: UpdateOptions): Promise<Updated> {
  const {executable, version, step, signal} = options
  await assertReplaceable(executable)
  return await alone(options, async () => {
    await takePrevious(executable)
    const {candidate} = placesOf(executable)
    const to = await step('Trying the one before', () => tryCandidate(candidate, {version: undefined, current: executable}, signal))
    return await install({from: version, to}, options)
  })
}

async function install(versions: {readonly from: string; readonly to: string}, options: UpdateOptions): Promise<Updated> {
  const {executable} = options
  const services = await runningServices(executable, options)
  const drained = await drainByHand(services, options)
  await swapIn(executable)
  const changed = {...versions, path: executable, previousPath: placesOf(executable).previous}
  for (const [index, {scope}] of services.entries()) {
    try {
      await options.step('Draining the miner and starting it with the new one', () => restartService(scope, options))
    } catch (cause) {
      await undo(services.slice(0, index + 1), options)
      const why = cause instanceof CreoError ? cause.message : String(cause)
      throw new CreoError('failed', `With creo ${versions.to} the miner did not go on, so creo ${versions.from} is back. ${why}`, {
        hint: `What it said: journalctl ${scope === 'user' ? '--user ' : ''}-u creo-miner`,
        cause
      })
    }
  }
  return {...changed, restarted: services.map(({scope}) => scope), drained}
}

/** Also after an interruption: what was begun must not stay half. */
async function undo(services: readonly Service[], options: UpdateOptions): Promise<void> {
  await takePrevious(options.executable)
  await swapIn(options.executable)
  const anew = {...options, signal: new AbortController().signal}
  for (const {scope} of services) await restartService(scope, anew).catch(() => undefined)
}

/** A miner that somebody started in a terminal ends once its requests have; systemd does so for its own. */
async function drainByHand(services: readonly Service[], {node, step, signal}: UpdateOptions): Promise<boolean> {
  const holder = await lockHolder(node)
  if (holder === undefined || services.some(({pid}) => pid === holder.pid)) return false
  await step('Draining the miner: letting requests end and handing in receipts', () => drainMiner(node, holder, signal))
  return true
}

/** One update of a user at a time; where its downloads lie. */
async function alone<T>({env}: UpdateOptions, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(cacheDirectory(env), 'update')
  await makePrivateFolder(folder, 'XDG_CACHE_HOME')
  const release = await lockDirectory(folder)
  try {
    return await work(folder)
  } finally {
    await release()
  }
}

async function sha256Of(path: string): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer)
  return digest.digest('hex')
}
