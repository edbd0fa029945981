import {z} from 'zod'
import {IN_WORDS, type Problem, problemsOf} from './issue-words.ts'
import {withHiddenIssues} from './manifest-problems.ts'
import {amountText, bytesText, cpuMillis, durationMs, envText, within} from './manifest-values.ts'
import {nearestOf} from './nearest.ts'
import {pageHeadersSchema} from './protocol/assets.ts'
import {CALLS_PORT, callHost, cronSchema, OWNERS_MAX, type RevisionSpec, revisionSpecSchema} from './protocol/revisions.ts'
import {httpPathSchema, incentiveIdSchema, nameSchema} from './protocol/scalars.ts'
import {parseDecimal} from './units.ts'

/**
 * `creo.yaml`: an app's functions and where its paths lead. Amounts stay decimal text until the incentive's decimals are known;
 * sizes, CPU and times are numbers already.
 */

const FUNCTIONS_MAX = 64
const WHOLE_PERCENT = 100

const spec = revisionSpecSchema.shape

const rewardSchema = z.strictObject({
  incentive: incentiveIdSchema.describe('ORG/CODE that hosts are paid in; its scope must cover the function.'),
  perMillion: z
    .strictObject({
      requests: amountText.prefault('0').describe('Pay per 10^6 served requests.'),
      mibMs: amountText.prefault('0').describe('Pay per 10^6 MiB·ms: memory limit × running time.'),
      standbyMs: amountText.prefault('0').describe('Pay per 10^6 ms in which a node stood ready without running it.')
    })
    .describe('Rates, in whole units of the incentive.'),
  dailyBudget: amountText
    .refine((text) => /[1-9]/.test(text), 'must be above zero')
    .describe('The most that this line pays a day over all nodes.')
})

const cron = cronSchema.shape
const cronLineSchema = z.strictObject({
  schedule: cron.schedule.describe('Minute, hour, day, month, weekday, for example "0 6 * * mon-fri".'),
  path: cron.path.describe('Path of the function that is asked.'),
  method: cron.method.describe('POST when left out.'),
  timezone: cron.timezone
    .unwrap()
    .refine(isTimeZone, 'is no time zone that is known here; write one such as Africa/Nairobi')
    .optional()
    .describe('Whose times the schedule is in, such as Africa/Nairobi; UTC when left out.')
})

const FOLDER_NAME = /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~+,=-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~+,=-]+)*$/
const folderName = z.string().max(200).regex(FOLDER_NAME, 'must be a folder such as public')

const assetsSchema = z.strictObject({
  folder: folderName.describe(
    'Folder in source whose files, and nothing else, it serves. It must answer each at its path there, as it is.'
  ),
  immutable: folderName.optional().describe('Folder in that one whose files have a hash in their names: browsers keep them for a year.'),
  headers: pageHeadersSchema
    .prefault({})
    .describe('Headers of every file instead of the usual ones, which allow nothing of another origin.')
})

const scaleSchema = z.strictObject({
  min: spec.scaleMin.prefault(0).describe('Instances that run even when nobody asks.'),
  max: spec.scaleMax.prefault(4).describe('Instances that run at most.')
})

const functionSchema = z
  .strictObject({
    source: z.string().min(1).max(4096).optional().describe('Folder whose files become the image, beside this file.'),
    image: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe(
        'Instead of source, what another tool built: host/repository:tag, the folder of an OCI layout, an archive, or a digest that the registry has.'
      ),
    containerfile: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe('Has buildah or podman build the image from this file, with source as the folder that it copies from.'),
    base: z
      .string()
      .max(4096)
      .regex(/^(?:node|python|static|scratch)$|[./:]/, {error: ({input}) => wrongBase(String(input))})
      .prefault('node')
      .describe("What the files are put upon: one of creo's own bases, nothing (scratch), or an image as `image` names it."),
    command: spec.command.prefault([]).describe("Command line of the process; the image's own when left out."),
    port: spec.port.prefault(8080).describe('Where it listens, also given to it as $PORT.'),
    memory: bytesText.pipe(within(spec.memoryBytes, 'must be from 16MiB to 64GiB')).prefault('128MiB').describe('Memory of one instance.'),
    cpu: cpuMillis.pipe(within(spec.cpuMillis, 'must be from 0.01 to 64')).prefault(0.5).describe('CPUs of one instance.'),
    concurrency: spec.concurrency.prefault(50).describe('Requests that one instance serves at a time.'),
    timeout: durationMs.pipe(within(spec.timeoutMs, 'must be from 100ms to 1h')).prefault('30s').describe('Longest time of a request.'),
    scale: scaleSchema.prefault({}).describe('How many instances there are.'),
    env: z
      .record(z.string(), envText)
      .pipe(spec.env)
      .prefault({})
      .describe('Variables of its environment. Everybody can read them: what is secret goes into secrets.'),
    egress: spec.egress.prefault([]).describe('Hosts that it may reach; none when left out.'),
    calls: spec.calls.unwrap().prefault([]).describe('Functions of this app that it calls, at http://NAME.internal.'),
    health: spec.health.describe('Path that must answer 2xx before an instance gets requests; without it, it must listen.'),
    architectures: spec.architectures.describe('Processors it runs on; without it all that the image is made for.'),
    secrets: spec.secrets.unwrap().prefault([]).describe('Names of secrets that it gets as variables; creo secrets set gives them values.'),
    cron: z.array(cronLineSchema).max(16).prefault([]).describe('When it is called by itself.'),
    owners: z.array(nameSchema).min(1).max(OWNERS_MAX).optional().describe('Accounts whose nodes alone may run it; everybody without it.'),
    ownerShareMax: spec.ownerSharePercentMax
      .unwrap()
      .prefault(WHOLE_PERCENT)
      .describe("Per cent of a day's pay that the nodes of one owner earn at most."),
    assets: assetsSchema
      .optional()
      .describe('It serves these files alone: gateways hold each against what was deployed, so that no host can change it.'),
    rewards: z.array(rewardSchema).max(8).prefault([]).describe('What hosts are paid. Nobody hosts what pays nothing.')
  })
  .check(({value, issues}) => {
    const problem = (path: string, message: string): number => issues.push({code: 'custom', input: value, path: [path], message})
    if ((value.source === undefined) === (value.image === undefined)) problem('source', 'give either source or image')
    if (value.containerfile !== undefined && value.source === undefined)
      problem('containerfile', 'needs source: the folder that it copies from')
    if (value.assets !== undefined && (value.source === undefined || value.containerfile !== undefined))
      problem('assets', 'needs source, and no containerfile: the list is laid beside the files')
    if (value.assets !== undefined && value.calls.length > 0) problem('calls', 'must be empty: it serves files alone')
    if (value.calls.length > 0 && value.port === CALLS_PORT)
      problem('port', `must not be ${CALLS_PORT}: there it finds the functions that it calls`)
    if (isTwice(value.calls)) problem('calls', 'names a function twice')
    if (isTwice(value.secrets)) problem('secrets', 'names a secret twice')
    if (isTwice(value.architectures ?? [])) problem('architectures', 'names an architecture twice')
    if (isTwice(value.owners ?? [])) problem('owners', 'names an owner twice')
    const plain = value.secrets.find((name) => Object.hasOwn(value.env, name))
    if (plain !== undefined) problem('secrets', `${plain} is in env as well: it can have one value`)
    if (value.scale.max < value.scale.min) problem('scale', 'max must not be below min')
  })

const routeSchema = z.strictObject({
  path: httpPathSchema.describe('Requests to it and to what is below it; the longest that fits wins.'),
  function: nameSchema.describe('Function that answers them.')
})

function wrongBase(given: string): string {
  const nearest = nearestOf(given, ['node', 'python', 'static', 'scratch'])
  const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`
  return `must be node, python, static or scratch, or name an image${meant}`
}

function isTwice(names: readonly string[]): boolean {
  return new Set(names).size < names.length
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', {timeZone: name}).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

export const manifestSchema = z
  .strictObject({
    app: nameSchema.describe('Name of the app, part of its address.'),
    org: nameSchema.describe('Account that owns it.'),
    routes: z.array(routeSchema).min(1).max(64).describe('Which paths lead to which function.'),
    functions: z.record(nameSchema, functionSchema).describe('The functions by name.')
  })
  .check(({value, issues}) => {
    const names = Object.keys(value.functions)
    if (names.length === 0 || names.length > FUNCTIONS_MAX) {
      issues.push({code: 'custom', input: value, path: ['functions'], message: `must be 1 to ${FUNCTIONS_MAX} functions`})
    }
    const expectFunction = (name: string, path: (string | number)[]): void => {
      if (names.includes(name) || names.length === 0) return
      const nearest = nearestOf(name, names)
      const hint = nearest === undefined ? `the functions are ${names.join(', ')}` : `did you mean "${nearest}"?`
      issues.push({code: 'custom', input: value, path, message: `"${name}" is no function here; ${hint}`})
    }
    for (const [index, route] of value.routes.entries()) expectFunction(route.function, ['routes', index, 'function'])
    for (const [name, {calls, egress}] of Object.entries(value.functions)) {
      for (const [index, called] of calls.entries()) {
        const path = ['functions', name, 'calls', index]
        expectFunction(called, path)
        if (!egress.includes(callHost(called))) continue
        issues.push({
          code: 'custom',
          input: value,
          path,
          message: `${callHost(called)} is among its egress as well: it can mean one of them`
        })
      }
    }
  })

export type Manifest = z.output<typeof manifestSchema>
export type ManifestFunction = Manifest['functions'][string]

export type ParsedManifest =
  | {readonly ok: true; readonly manifest: Manifest}
  | {readonly ok: false; readonly problems: readonly [Problem, ...Problem[]]}

/** Checks a document that was read from YAML. */
export function parseManifest(document: unknown): ParsedManifest {
  const parsed = manifestSchema.safeParse(document, IN_WORDS)
  if (parsed.success) return {ok: true, manifest: parsed.data}
  const again = (mended: unknown) => manifestSchema.safeParse(mended, IN_WORDS).error?.issues ?? []
  const problems = problemsOf(withHiddenIssues(document, parsed.error.issues, again))
  return {ok: false, problems: [problems[0] ?? {path: [], message: 'is no manifest'}, ...problems.slice(1)]}
}

/**
 * The settings of a revision, in minor units.
 * @throws {CreoError} `invalid_input` when an amount has more decimals than its incentive, or what `decimalsOf` and `ownerIdOf` throw for unknown ones.
 */
export function toRevisionSpec(
  fn: ManifestFunction,
  decimalsOf: (incentive: string) => number,
  ownerIdOf: (name: string) => string
): RevisionSpec {
  return {
    command: fn.command,
    port: fn.port,
    memoryBytes: fn.memory,
    cpuMillis: fn.cpu,
    concurrency: fn.concurrency,
    timeoutMs: fn.timeout,
    scaleMin: fn.scale.min,
    scaleMax: fn.scale.max,
    env: fn.env,
    egress: fn.egress,
    ...(fn.calls.length > 0 && {calls: fn.calls}),
    ...(fn.health !== undefined && {health: fn.health}),
    ...(fn.architectures !== undefined && {architectures: fn.architectures}),
    ...(fn.secrets.length > 0 && {secrets: fn.secrets}),
    ...(fn.cron.length > 0 && {cron: fn.cron}),
    ...(fn.owners !== undefined && {owners: fn.owners.map(ownerIdOf)}),
    ...(fn.ownerShareMax < WHOLE_PERCENT && {ownerSharePercentMax: fn.ownerShareMax}),
    rewards: fn.rewards.map((reward) => {
      const decimals = decimalsOf(reward.incentive)
      const standbyMsPerMillionMinor = parseDecimal(reward.perMillion.standbyMs, decimals)
      return {
        incentive: reward.incentive,
        requestsPerMillionMinor: parseDecimal(reward.perMillion.requests, decimals),
        mibMsPerMillionMinor: parseDecimal(reward.perMillion.mibMs, decimals),
        ...(standbyMsPerMillionMinor > 0 && {standbyMsPerMillionMinor}),
        dailyBudgetMinor: parseDecimal(reward.dailyBudget, decimals)
      }
    })
  }
}
