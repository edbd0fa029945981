import {mkdtemp, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {makePrivateFolder} from '../config/data-directory.ts'
import {CreoError} from '../core/errors.ts'
import {DNS_LABEL_MAX} from '../core/exchange/limits.ts'
import {IN_WORDS} from '../core/issue-words.ts'
import type {Manifest} from '../core/manifest.ts'
import type {AppView} from '../core/protocol/api.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {addressLabel} from './addresses.ts'
import {withAssets} from './asset-list.ts'
import type {MakeBaseOptions} from './bases/make-base.ts'
import {buildFunctions, type FunctionImage} from './build.ts'
import {checkManifest} from './check-manifest.ts'
import type {AccountContext} from './context.ts'
import {type Economics, readEconomics} from './deploy-economics.ts'
import type {FirstAnswer} from './first-answers.ts'
import {fitArchitectures} from './fit-architectures.ts'
import {type PullSize, pullSizes} from './pull-sizes.ts'
import {type PushFacts, pushFunction, registryAddress} from './push.ts'
import type {FoundManifest} from './read-manifest.ts'
import {type Released, release} from './release.ts'
import {type StepPort, type StepTime, timedSteps} from './steps.ts'

export interface DeployOptions {
  readonly context: AccountContext
  readonly found: FoundManifest
  /** Bases and unfinished builds are kept here. */
  readonly dataDirectory: string
  /** Makes a base of creo's that is nowhere. */
  readonly assemble?: ((options: MakeBaseOptions) => Promise<unknown>) | undefined
  /** How long to wait for each function's first answer; 0 does not wait. */
  readonly waitMs: number
  /** Ends the wait when nothing can come. */
  readonly givesUp?: boolean
  /** Gives each new revision an address of its own. */
  readonly tag: string | undefined
  /** Leaves the traffic where it is. */
  readonly noTraffic: boolean
  readonly steps: StepPort
  readonly signal: AbortSignal
}

export interface DeployedFunction extends PushFacts {
  readonly function: string
  readonly revision: string
  readonly imageDigest: string
  /** Architectures whose nodes can't run it because the base was not here for them. */
  readonly lackingBase: readonly string[]
  /** What a node fetches of it, by architecture. */
  readonly pulls: readonly PullSize[]
}

export interface Deployed {
  readonly org: string
  readonly app: string
  readonly seq: number
  readonly revisions: readonly DeployedFunction[]
  readonly addresses: readonly string[]
  readonly tagAddresses: Released['tagAddresses']
  readonly firstAnswers: readonly FirstAnswer[]
  /** What a thousand calls cost, of what gets requests; null when the coordinator did not say. */
  readonly costs: Economics['costs'] | null
  /** How long the pools last; null likewise. */
  readonly pools: Economics['pools'] | null
  /** The command that goes back; null when what serves is what served before. */
  readonly rollback: string | null
  readonly steps: readonly StepTime[]
}

/**
 * From files to answers: check, build, push what is missing, one command that switches all functions at once, first answers.
 * Until that one command nothing that runs changes; it is what `revision` stands for.
 */
export async function deploy(options: DeployOptions): Promise<Deployed> {
  const {context, tag, noTraffic, signal} = options
  const {manifest} = options.found
  const {port: steps, times} = timedSteps(options.steps, () => performance.now())
  const checkedSpecs = await steps.step('Check', () => checked(options))
  const before = await servingBefore(options)
  const registry = {registryUrl: context.coordinatorUrl, authorize: context.client.authorizeRegistry}
  const {built, specs} = await withBuildFolder(options.dataDirectory, async (outputDirectory) => {
    const images = await buildFunctions({...options, registry, networkId: context.networkId, steps, outputDirectory})
    const fitted = withAssets(fitArchitectures(checkedSpecs, images, options.found), images)
    const pushed: (PushFacts & {image: FunctionImage})[] = []
    for (const image of images) pushed.push({image, ...(await pushFunction(context, image, {app: manifest.app, steps, signal}))})
    return {built: pushed, specs: fitted}
  })
  const name = {org: manifest.org, app: manifest.app}
  const revisions = built.map(({image, ...facts}) => {
    const lackingBase = image.in === 'layout' ? image.lackingBase : []
    return {function: image.function, imageDigest: image.digest, lackingBase, ...facts}
  })
  const released = await release({
    ...options,
    steps,
    name,
    routes: manifest.routes,
    revisions: revisions.flatMap(({function: fn, imageDigest}) => {
      const spec = specs.get(fn)
      const traffic = {...(tag !== undefined && {tag}), ...(noTraffic && {noTraffic})}
      const expected = noTraffic ? undefined : expectedOf(before.get(fn))
      return spec === undefined ? [] : [{function: fn, imageDigest, spec, ...traffic, ...(expected !== undefined && {expected})}]
    })
  })
  const {ids, ...rest} = released
  const [pulls, economics] = await Promise.all([
    pullsOf(options, revisions, before),
    readEconomics(context, name, signal).catch(() => null)
  ])
  return {
    ...name,
    ...rest,
    revisions: revisions.map((one) => ({...one, revision: ids.get(one.function) ?? '', pulls: pulls.get(one.function) ?? []})),
    costs: economics?.costs ?? null,
    pools: economics?.pools ?? null,
    rollback: !noTraffic && takesOver(before, ids) ? `creo rollback ${name.org}/${name.app}` : null,
    steps: times
  }
}

type Serving = AppView['revisions'][number]

/** By function, one of those that serve it when the deploy begins. */
async function servingBefore({context: {client}, found, signal}: DeployOptions): Promise<ReadonlyMap<string, Serving>> {
  const {org, app} = found.manifest
  const {apps} = await client.apps({org}, signal)
  const serving = apps.find((one) => one.app === app)?.revisions.filter(({percent}) => percent > 0) ?? []
  return new Map(serving.map((revision) => [revision.function, revision]))
}

/** Whether there is a function whose requests go to another revision now than before, or all of them to one. */
function takesOver(before: ReadonlyMap<string, Serving>, ids: ReadonlyMap<string, string>): boolean {
  return [...before].some(([fn, {id, percent}]) => ids.has(fn) && (ids.get(fn) !== id || percent < 100))
}

/** What must still serve when the deploy has built and pushed all, or it would take back what somebody else deployed meanwhile. */
function expectedOf(before: Serving | undefined): string | undefined {
  if (before === undefined) return 'none'
  return before.percent === 100 ? before.id : undefined
}

/** By function, what each node fetches; a function whose image could not be looked at is left out: it is deployed all the same. */
async function pullsOf(
  {context, found, signal}: DeployOptions,
  revisions: readonly {readonly function: string; readonly imageDigest: string}[],
  before: ReadonlyMap<string, Serving>
): Promise<ReadonlyMap<string, readonly PullSize[]>> {
  const sized = revisions.map(async ({function: fn, imageDigest}) => {
    const address = registryAddress(context, {app: found.manifest.app, function: fn})
    const sizes = await pullSizes(address, {digest: imageDigest, before: before.get(fn)?.imageDigest}, signal).catch(() => [])
    return [fn, sizes] as const
  })
  return new Map(await Promise.all(sized))
}

async function checked(options: DeployOptions): Promise<ReadonlyMap<string, RevisionSpec>> {
  const {context, found, tag, noTraffic, signal} = options
  const {manifest} = found
  const specs = await checkManifest(context, found, signal)
  if (tag !== undefined) checkTag(manifest, tag)
  if (noTraffic) await checkServed(context, manifest)
  return specs
}

function checkTag({org, app, functions}: Manifest, tag: string): void {
  const {success, error} = nameSchema.safeParse(tag, IN_WORDS)
  if (!success)
    throw new CreoError('invalid_input', `"${tag}" is not a tag: it ${error.issues[0]?.message ?? 'has a wrong form'}.`, {
      hint: 'Use 2 to 20 lower-case letters, digits and single hyphens.'
    })
  const labels = Object.keys(functions).map((name) => addressLabel({org, app, function: name, tag}))
  const tooLong = labels.find((label) => label.length > DNS_LABEL_MAX)
  if (tooLong !== undefined)
    throw new CreoError(
      'invalid_input',
      `"${tooLong}" is ${tooLong.length} letters long; a host name's label has at most ${DNS_LABEL_MAX}.`,
      {
        hint: 'Choose a shorter tag.'
      }
    )
}

/** Without traffic only what has served already can be deployed: the first revision of a function takes its traffic. */
async function checkServed({client}: AccountContext, {org, app, functions}: Manifest): Promise<void> {
  const {apps} = await client.apps({org})
  const known = apps.find((one) => one.app === app)?.revisions.map((revision) => revision.function) ?? []
  const first = Object.keys(functions).find((name) => !known.includes(name))
  if (first !== undefined)
    throw new CreoError('invalid_input', `${first} is deployed for the first time: its first revision takes its traffic.`, {
      hint: 'Deploy it without --no-traffic.'
    })
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
