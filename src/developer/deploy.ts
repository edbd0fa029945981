import {mkdtemp, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {makePrivateFolder} from '../config/data-directory.ts'
import {CreoError} from '../core/errors.ts'
import {DNS_LABEL_MAX} from '../core/exchange/limits.ts'
import type {Manifest} from '../core/manifest.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {addressLabel, appAddress} from './addresses.ts'
import {buildFunctions, type FunctionImage} from './build.ts'
import {checkManifest} from './check-manifest.ts'
import type {AccountContext} from './context.ts'
import {awaitFirstAnswers, type FirstAnswer} from './first-answers.ts'
import {madeRevisions} from './made-revisions.ts'
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
}

export interface Deployed {
  readonly org: string
  readonly app: string
  readonly seq: number
  readonly revisions: readonly DeployedFunction[]
  readonly addresses: readonly string[]
  /** Only with a tag, and while the network has a gateway. */
  readonly tagAddresses: readonly {readonly function: string; readonly tag: string; readonly address: string}[]
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
  const specs = await steps.step('Check', () => checked(options))
  const built = await withBuildFolder(options.dataDirectory, async (outputDirectory) => {
    const images = await buildFunctions({...options, steps, outputDirectory})
    const pushed: (PushFacts & {image: FunctionImage})[] = []
    for (const image of images) pushed.push({image, ...(await pushFunction(context, image, {app: manifest.app, steps, signal}))})
    return pushed
  })
  const images = built.map(({image}) => image)
  const {seq, ids} = await steps.step(options.noTraffic ? 'Make the new revisions' : 'Switch to the new revisions', () =>
    makeRevisions(options, specs, images)
  )
  const [{addresses}, {gateways}] = await Promise.all([context.client.app(manifest.org, manifest.app), context.client.gateways()])
  const revisions = built.map(({image, ...facts}) => ({
    function: image.function,
    revision: ids.get(image.function) ?? '',
    imageDigest: image.digest,
    ...facts
  }))
  const publicUrl = gateways[0]?.publicUrl
  const tagAddresses = publicUrl === undefined ? [] : tagAddressesOf(options, publicUrl)
  const asked = options.waitMs === 0 || (options.noTraffic && options.tag === undefined)
  const firstAnswers = asked ? [] : await steps.step('First answers', () => firstAnswersOf(options, {publicUrl, ids}))
  return {org: manifest.org, app: manifest.app, seq, revisions, addresses, tagAddresses, firstAnswers, steps: times}
}

function tagAddressesOf({found: {manifest}, tag}: DeployOptions, publicUrl: string): Deployed['tagAddresses'] {
  const {org, app} = manifest
  if (tag === undefined) return []
  return Object.keys(manifest.functions).map((name) => ({
    function: name,
    tag,
    address: `${appAddress(publicUrl, {org, app, function: name, tag})}/`
  }))
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
  const {success, error} = nameSchema.safeParse(tag)
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

/** One command makes all of them. Returns their ids by function. */
async function makeRevisions(
  {context, found: {manifest}, tag, noTraffic}: DeployOptions,
  specs: ReadonlyMap<string, RevisionSpec>,
  images: readonly FunctionImage[]
): Promise<{readonly seq: number; readonly ids: ReadonlyMap<string, string>}> {
  const revisions = images.flatMap((image) => {
    const spec = specs.get(image.function)
    const traffic = {...(tag !== undefined && {tag}), ...(noTraffic && {noTraffic})}
    return spec === undefined ? [] : [{function: image.function, imageDigest: image.digest, spec, ...traffic}]
  })
  const {seq, result} = await context.client.submit({type: 'revision.deploy', app: manifest.app, revisions, routes: manifest.routes})
  return {seq, ids: new Map(madeRevisions(result).map((one) => [one.function, one.revision]))}
}

async function firstAnswersOf(
  {found: {manifest}, tag, noTraffic, waitMs, signal}: DeployOptions,
  {publicUrl, ids}: {readonly publicUrl: string | undefined; readonly ids: ReadonlyMap<string, string>}
): Promise<readonly FirstAnswer[]> {
  if (publicUrl === undefined) {
    throw new CreoError('still_running', 'The new revision is deployed, but the network has no gateway yet that could ask it.', {
      hint: 'creo gateway serve'
    })
  }
  const {org, app} = manifest
  const addressOf = (name: string): string =>
    appAddress(publicUrl, noTraffic && tag !== undefined ? {org, app, function: name, tag} : {org, app})
  return await awaitFirstAnswers({manifest, revisions: ids, addressOf, waitMs, signal})
}
