import {join, resolve} from 'node:path'
import {dataDirectory} from '../../config/paths.ts'
import {CreoError, isCreoError} from '../../core/errors.ts'
import type {ManifestFunction} from '../../core/manifest.ts'
import type {AppName} from '../../developer/app-name.ts'
import {makeBase} from '../../developer/bases/make-base.ts'
import {type AccountContext, openAccount} from '../../developer/context.ts'
import {type Deployed, deploy} from '../../developer/deploy.ts'
import type {DevEvent} from '../../developer/dev-events.ts'
import {readLogs} from '../../developer/logs.ts'
import {type FoundManifest, MANIFEST_NAME, readManifest} from '../../developer/read-manifest.ts'
import type {StepPort} from '../../developer/steps.ts'
import {hostArchitecture} from '../../images/base-node.ts'
import {stopAll} from '../bring-up.ts'
import {pause} from '../pause.ts'
import {startPlainNetwork} from '../plain-network.ts'
import type {Progress} from '../progress-port.ts'
import {BuiltImages} from './built-images.ts'
import {Changes} from './changes.ts'
import {type DevFolder, makeDevFolder, removeLeftovers} from './dev-folder.ts'
import {DevSecrets, isTrackedByGit} from './dev-secrets.ts'
import {followRequests} from './seen-requests.ts'
import {AppWatch} from './watch-app.ts'

/** A function must answer within this. */
const ANSWER_WAIT_MS = 60_000
/** An app that is not deployed yet has no logs. */
const LOGS_RETRY_MS = 500
const EVERYBODY_PERCENT = 100
const QUIET: StepPort = {step: (_, work) => work(() => undefined)}

export interface DevOptions {
  /** Folder of creo itself. */
  readonly root: string
  /** Folder with `creo.yaml`. */
  readonly folder: string
  /** Where the app answers on this machine; 0 lets the system choose. */
  readonly port: number
  /** Lines of NAME=value for the secrets that the functions name. */
  readonly secretsFile: string | undefined
  /** Asks a person for the value of a secret that the file lacks. */
  readonly askSecret: ((name: string) => Promise<string>) | undefined
  readonly progress: Progress
  readonly onEvent: (event: DevEvent) => void
  readonly signal: AbortSignal
}

/**
 * Runs an app on this machine, in a network of its own that is gone afterwards, and takes up what changes in its files, until the signal
 * fires; that is how it ends well. What is wrong with the app is told as an event and does not end it.
 * @throws {CreoError} what keeps the network from coming up; `failed` when something of it is left.
 */
export async function runDevApp(options: DevOptions): Promise<void> {
  const {root, port, progress, signal} = options
  const creo = [process.execPath, join(root, 'bin', 'run.js')]
  await removeLeftovers(creo, progress, signal)
  const changes = new Changes()
  const watch = new AppWatch()
  let folder: DevFolder | undefined
  try {
    const first = await firstManifest(options, watch, changes)
    const app = {org: first.manifest.org, app: first.manifest.app}
    folder = await makeDevFolder({creo, app, port}, signal)
    await serve(folder, app, {options, watch, changes})
  } catch (error) {
    if (!signal.aborted) throw isCreoError(error) && error.code === 'port_taken' ? withOwnFlag(error) : error
  } finally {
    watch.close()
    if (folder !== undefined) await takeDown(folder, progress)
  }
}

interface Serving {
  readonly options: DevOptions
  readonly watch: AppWatch
  readonly changes: Changes
}

/** Names of org and app decide the network, so one that can be read is waited for. */
async function firstManifest(options: DevOptions, watch: AppWatch, changes: Changes): Promise<FoundManifest> {
  for (;;) {
    try {
      return await readManifest(options.folder)
    } catch (error) {
      if (!isCreoError(error) || error.code !== 'invalid_manifest') throw error
      await watch.use(watching(options, undefined, changes))
      options.onEvent({event: 'failed', error})
      await changes.next(options.signal)
    }
  }
}

async function serve({network}: DevFolder, app: AppName, serving: Serving): Promise<void> {
  const {options, watch, changes} = serving
  const {progress, secretsFile, onEvent} = options
  if (secretsFile !== undefined && (await isTrackedByGit(secretsFile, options.signal))) {
    onEvent({
      event: 'warning',
      message: `git keeps ${secretsFile}: whoever has the repository reads the secrets. git rm --cached ${secretsFile}`
    })
  }
  await startPlainNetwork(network, progress, options.signal, app.org)
  const context = await openAccount({as: app.org}, options.signal, {CREO_CONFIG_DIR: network.configDirectory})
  const ended = new AbortController()
  const signal = AbortSignal.any([options.signal, ended.signal])
  const followed = Promise.all([
    followRequests(network.logPath('gateway'), (request) => onEvent({event: 'request', ...request}), signal),
    followLogs(context, app, onEvent, signal)
  ])
  const url = `http://localhost:${new URL(network.gatewayUrl).port}/`
  const secrets = new DevSecrets({file: secretsFile, ask: options.askSecret})
  const rolled = rollOnChange({context, app, secrets, url}, {options: {...options, signal}, watch, changes})
  try {
    await Promise.race([rolled, followed, roleGone(network, signal)])
  } finally {
    ended.abort()
    await Promise.allSettled([rolled, followed])
  }
}

interface Rolling {
  readonly context: AccountContext
  readonly app: AppName
  readonly secrets: DevSecrets
  readonly url: string
}

async function rollOnChange(rolling: Rolling, {options, watch, changes}: Serving): Promise<void> {
  const {signal, onEvent} = options
  let sinceMs = performance.now()
  let isFirst = true
  const built = new BuiltImages()
  for (;;) {
    const newer = changes.signal
    try {
      const found = await readManifest(options.folder)
      await watch.use(watching(options, found, changes))
      for (const path of changes.take()) built.changed(path)
      const revisions = await roll(rolling, built.with(found), {options, isFirst, signal: AbortSignal.any([signal, newer])})
      built.keep(found, revisions)
      onEvent({
        event: 'answers',
        url: rolling.url,
        revisions: revisions.map(({function: name, revision}) => ({function: name, revision})),
        ms: Math.round(performance.now() - sinceMs)
      })
      isFirst = false
    } catch (error) {
      signal.throwIfAborted()
      // What was cut off by a newer change is said by that one.
      if (!newer.aborted) {
        if (!isCreoError(error)) throw error
        onEvent({event: 'failed', error})
      }
    }
    sinceMs = await changes.next(signal)
  }
}

/** Builds and deploys as on any network, but for what it costs and who may run it. */
async function roll(
  {context, app, secrets}: Rolling,
  found: FoundManifest,
  {options, isFirst, signal}: {readonly options: DevOptions; readonly isFirst: boolean; readonly signal: AbortSignal}
): Promise<Deployed['revisions']> {
  const {manifest} = found
  if (manifest.org !== app.org || manifest.app !== app.app) {
    const what = `The app was ${app.org}/${app.app} and is ${manifest.org}/${manifest.app} now.`
    throw new CreoError('conflict', what, {hint: 'Stop with Ctrl-C and start creo dev anew.'})
  }
  await secrets.set(context, manifest, signal)
  const deployed = await deploy({
    context,
    found: forThisMachine(found),
    dataDirectory: dataDirectory(process.env),
    assemble: makeBase,
    waitMs: ANSWER_WAIT_MS,
    tag: undefined,
    noTraffic: false,
    steps: isFirst ? said(options.progress) : QUIET,
    signal
  })
  return deployed.revisions
}

/** The steps of the first time; how far each has come stays unsaid. */
function said(progress: Progress): StepPort {
  return {step: (name, work) => progress.step(name, () => work(() => undefined))}
}

/** The one miner is the developer's own machine: nobody has to be paid, nobody is kept out, and no other processor is there. */
function forThisMachine(found: FoundManifest): FoundManifest {
  const architectures = [hostArchitecture()]
  const functions = Object.entries(found.manifest.functions).map(([name, fn]) => {
    const open: ManifestFunction = {...fn, rewards: [], owners: undefined, ownerShareMax: EVERYBODY_PERCENT, architectures}
    return [name, open] as const
  })
  return {...found, manifest: {...found.manifest, functions: Object.fromEntries(functions)}}
}

function watching(
  {folder, secretsFile, onEvent}: DevOptions,
  found: FoundManifest | undefined,
  changes: Changes
): Parameters<AppWatch['use']>[0] {
  const functions = Object.values(found?.manifest.functions ?? {})
  const beside = functions.flatMap(({containerfile}) => (containerfile === undefined ? [] : [resolve(folder, containerfile)]))
  return {
    sources: functions.flatMap(({source}) => (source === undefined ? [] : [resolve(folder, source)])),
    files: [resolve(folder, MANIFEST_NAME), ...beside, ...(secretsFile === undefined ? [] : [resolve(secretsFile)])],
    onChange: changes.seen,
    onTrouble: ({message, hint}) => onEvent({event: 'warning', message: hint === undefined ? message : `${message} ${hint}`})
  }
}

async function followLogs(context: AccountContext, app: AppName, onEvent: DevOptions['onEvent'], signal: AbortSignal): Promise<void> {
  const onAway = (error: Error): void => onEvent({event: 'warning', message: error.message})
  while (!signal.aborted) {
    try {
      for await (const line of readLogs(context, app, {after: -1, follow: true, onAway, signal})) {
        const at = new Date(line.atMs).toISOString()
        onEvent({event: 'log', at, function: line.function ?? null, line: line.line, failure: line.failure?.reason ?? null})
      }
    } catch (error) {
      if (signal.aborted) return
      if (!isCreoError(error) || error.code !== 'not_found') throw error
      await pause(LOGS_RETRY_MS, signal)
    }
  }
}

/** Without one of its processes nothing would be said any more: better an end than silence. */
async function roleGone(network: DevFolder['network'], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const [gone] = network.gone()
    if (gone !== undefined) throw new CreoError('failed', `The ${gone} has ended by itself.`, {hint: 'Start creo dev anew.'})
    await pause(LOGS_RETRY_MS, signal)
  }
}

async function takeDown({network, remove}: DevFolder, progress: Progress): Promise<void> {
  const {failure} = await stopAll(network, progress)
  if (failure !== undefined) throw failure
  await remove()
}

/** The gateway's advice names its own flags, which who runs an app can't give. */
function withOwnFlag(cause: CreoError): CreoError {
  return new CreoError('port_taken', cause.message, {hint: 'End what has it, or choose another one with --port (0: any).', cause})
}
