import {mkdtemp, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {makePrivateFolder} from '../config/data-directory.ts'
import {CreoError} from '../core/errors.ts'
import {type Manifest, toRevisionSpec} from '../core/manifest.ts'
import {nearestOf} from '../core/nearest.ts'
import type {RevisionView} from '../core/protocol/api.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {appAddress} from './addresses.ts'
import {buildFunctions, type FunctionImage} from './build.ts'
import type {AccountContext} from './context.ts'
import {awaitFirstAnswers, type FirstAnswer} from './first-answers.ts'
import {type PushFacts, pushFunction} from './push.ts'
import type {FoundManifest} from './read-manifest.ts'
import {type StepPort, type StepTime, timedSteps} from './steps.ts'

export interface DeployOptions {
  readonly context: AccountContext
  readonly found: FoundManifest
  /** Bases and unfinished builds are kept here. */
  readonly dataDirectory: string
  /** How long to wait for each function's first answer; 0 does not wait. */
  readonly waitMs: number
  readonly steps: StepPort
  readonly signal: AbortSignal
}

export interface DeployedFunction extends PushFacts {
  readonly function: string
  readonly revision: string
  readonly imageDigest: string
}

export interface Deployed {
  readonly org: string
  readonly app: string
  readonly seq: number
  readonly revisions: readonly DeployedFunction[]
  readonly addresses: readonly string[]
  readonly firstAnswers: readonly FirstAnswer[]
  readonly steps: readonly StepTime[]
}

/**
 * From files to answers: check, build, push what is missing, one command that switches all functions at once, first answers.
 * Until that one command nothing that runs changes; it is what `revision` stands for.
 */
export async function deploy(options: DeployOptions): Promise<Deployed> {
  const {context, signal} = options
  const {manifest} = options.found
  const {port: steps, times} = timedSteps(options.steps, () => performance.now())
  const specs = await steps.step('Check', () => checkedSpecs(context, manifest))
  const built = await withBuildFolder(options.dataDirectory, async (outputDirectory) => {
    const images = await buildFunctions({...options, steps, outputDirectory, cacheDirectory: join(options.dataDirectory, 'bases')})
    const pushed: (PushFacts & {image: FunctionImage})[] = []
    for (const image of images) pushed.push({image, ...(await pushFunction(context, image, {app: manifest.app, steps, signal}))})
    return pushed
  })
  const seq = await steps.step('Switch to the new revisions', () =>
    switchOver(
      context,
      manifest,
      specs,
      built.map(({image}) => image)
    )
  )
  const view = await context.client.app(manifest.org, manifest.app)
  const revisions = built.map(({image, ...facts}) => ({
    function: image.function,
    revision: currentRevision(view.revisions, image.function),
    imageDigest: image.digest,
    ...facts
  }))
  const firstAnswers = options.waitMs === 0 ? [] : await steps.step('First answers', () => firstAnswersOf(options, manifest, revisions))
  return {org: manifest.org, app: manifest.app, seq, revisions, addresses: view.addresses, firstAnswers, steps: times}
}

/** Everything that can be known to be wrong before anything is built. */
async function checkedSpecs({account, client}: AccountContext, manifest: Manifest): Promise<ReadonlyMap<string, RevisionSpec>> {
  if (manifest.org !== account.name) {
    throw new CreoError('forbidden', `The manifest is of ${manifest.org}, and you act as ${account.name}.`, {
      hint: `creo deploy --as ${manifest.org}`
    })
  }
  const {incentives} = await client.incentives()
  const decimalsOf = (id: string): number => {
    const found = incentives.find((incentive) => incentive.id === id)
    if (found) return found.decimals
    const nearest = nearestOf(
      id,
      incentives.map((incentive) => incentive.id)
    )
    throw new CreoError('not_found', `There is no incentive ${id}.`, {
      hint: nearest === undefined ? 'creo incentive list' : `Did you mean ${nearest}?`
    })
  }
  return new Map(Object.entries(manifest.functions).map(([name, fn]) => [name, toRevisionSpec(fn, decimalsOf)]))
}

async function withBuildFolder<T>(dataDirectory: string, work: (folder: string) => Promise<T>): Promise<T> {
  const builds = join(dataDirectory, 'builds')
  await makePrivateFolder(builds)
  const folder = await mkdtemp(join(builds, 'deploy-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

async function switchOver(
  {client}: AccountContext,
  manifest: Manifest,
  specs: ReadonlyMap<string, RevisionSpec>,
  images: readonly FunctionImage[]
): Promise<number> {
  const revisions = images.flatMap((image) => {
    const spec = specs.get(image.function)
    return spec === undefined ? [] : [{function: image.function, imageDigest: image.digest, spec}]
  })
  const {seq} = await client.submit({type: 'revision.deploy', app: manifest.app, revisions, routes: manifest.routes})
  return seq
}

function currentRevision(revisions: readonly RevisionView[], name: string): string {
  const found = revisions.find((revision) => revision.current && revision.function === name)
  if (found) return found.id
  throw new CreoError('deploy_failed', `The coordinator took the deploy, but shows no revision of ${name}.`, {
    hint: 'Run the same command again.'
  })
}

async function firstAnswersOf(
  {context, waitMs, signal}: DeployOptions,
  manifest: Manifest,
  deployed: readonly DeployedFunction[]
): Promise<readonly FirstAnswer[]> {
  const {gateways} = await context.client.gateways()
  const [gateway] = gateways
  if (gateway === undefined) {
    throw new CreoError('still_running', 'The new revision is deployed, but the network has no gateway yet that could ask it.', {
      hint: 'creo gateway serve'
    })
  }
  const revisions = new Map(deployed.map((one) => [one.function, one.revision]))
  return await awaitFirstAnswers({manifest, revisions, address: appAddress(gateway.publicUrl, manifest), waitMs, signal})
}
