import {mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {jsonOrUndefined} from '../../client/http.ts'
import {lockDirectory, lockHolder} from '../../config/directory-lock.ts'
import type {AppName} from '../../developer/app-name.ts'
import {DevNetwork} from '../dev-network.ts'
import {leftBehind} from '../leftover-processes.ts'
import {startPlainNetwork} from '../plain-network.ts'
import type {Progress} from '../progress-port.ts'

const PREFIX = 'creo-dev-'
const SETTINGS_NAME = 'gateway.json'
/** A folder without a lock that is younger may be one that another process is just making. */
const UNLOCKED_AGE_MS = 60_000
/** To bring up once more what was killed, so that it takes its containers with it. */
const RESUME_TIMEOUT_MS = 120_000

const settingsSchema = z.object({accessLog: z.literal(true), localApp: z.string()})

export interface DevFolder {
  readonly path: string
  readonly network: DevNetwork
  /** Nothing may run in it any more. */
  remove(): Promise<void>
}

export interface DevFolderOptions {
  /** How to run creo: `[node, bin/run.js]`. */
  readonly creo: readonly string[]
  readonly app: AppName
  readonly port: number
}

/** A temporary folder of this process alone, with a network in it that is not started yet. */
export async function makeDevFolder({creo, app, port}: DevFolderOptions, signal: AbortSignal): Promise<DevFolder> {
  const path = await mkdtemp(join(tmpdir(), PREFIX))
  const release = await lockDirectory(path)
  await writeFile(join(path, SETTINGS_NAME), JSON.stringify({accessLog: true, localApp: `${app.org}/${app.app}`}), {mode: 0o600})
  const remove = async (): Promise<void> => {
    await rm(path, {recursive: true, force: true})
    await release()
  }
  return {path, network: networkIn(path, {creo, org: app.org, port}, signal), remove}
}

function networkIn(
  directory: string,
  {creo, org, port}: {readonly creo: readonly string[]; readonly org: string; readonly port: number},
  signal: AbortSignal
): DevNetwork {
  const ports = {coordinator: 0, gateway: port, tunnel: 0}
  const gatewaySettings = join(directory, SETTINGS_NAME)
  return new DevNetwork({directory, creo, ports, epoch: '5s', emission: '10', exchangeOrg: org, gatewaySettings}, signal)
}

/** Removes what earlier processes left that were killed: their folders and, where those still run, their containers. */
export async function removeLeftovers(creo: readonly string[], progress: Progress, signal: AbortSignal): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((one) => one.startsWith(PREFIX))) {
    const path = join(tmpdir(), name)
    if (!(await isLeft(path))) continue
    // Another process may be at it already.
    const release = await lockDirectory(path).catch(() => undefined)
    if (release === undefined) continue
    try {
      await progress.step(`Removing ${path}, left by one that was killed`, () => removeOne(path, creo, signal))
    } catch (error) {
      signal.throwIfAborted()
      await release()
      progress.say(`${path} can't be removed: ${error instanceof Error ? error.message : String(error)} Remove it by hand.`)
    }
  }
}

async function isLeft(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isDirectory() || found.uid !== process.getuid?.()) return false
  const isLocked = await stat(join(path, 'creo.lock')).then(
    () => true,
    () => false
  )
  if (!isLocked) return Date.now() - found.mtimeMs > UNLOCKED_AGE_MS
  return (await lockHolder(path)) === undefined
}

/** Its roles end with the process that they belong to. What outlives them, killed as they were, is taken along by a miner that is started anew. */
async function removeOne(path: string, creo: readonly string[], signal: AbortSignal): Promise<void> {
  if ((await leftBehind(path)).length > 0) {
    const settings = settingsSchema.safeParse(jsonOrUndefined(await readFile(join(path, SETTINGS_NAME), 'utf8').catch(() => '')))
    const [org = ''] = settings.data?.localApp.split('/') ?? []
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(RESUME_TIMEOUT_MS)])
    const network = networkIn(path, {creo, org, port: 0}, bounded)
    const silent: Progress = {step: (_, work) => work(), say: () => undefined}
    try {
      await startPlainNetwork(network, silent, bounded, org)
    } finally {
      await network.stop(() => undefined)
    }
  }
  await rm(path, {recursive: true, force: true})
}
