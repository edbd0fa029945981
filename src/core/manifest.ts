import {z} from 'zod'
import {amountText, bytesText, cpuMillis, durationMs, envText, keyed} from './manifest-values.ts'
import {nearestOf} from './nearest.ts'
import {CALLS_PORT, callHost, cronSchema, OWNERS_MAX, type RevisionSpec, revisionSpecSchema} from './protocol/revisions.ts'
import {httpPathSchema, incentiveIdSchema, nameSchema} from './protocol/scalars.ts'
import {parseDecimal} from './units.ts'

/**
 * `creo.yaml`: an app's functions and where its paths lead. Amounts stay decimal text until the incentive's decimals are known;
 * sizes, CPU and times are numbers already.
 */

const FUNCTIONS_MAX = 64
const WHOLE_PERCENT = 100

const rewardSchema = keyed({
  incentive: incentiveIdSchema,
  /** Pay per 10^6 served requests, per 10^6 MiB·ms, and per 10^6 ms that a node stood ready without running it. */
  perMillion: keyed({requests: amountText.default('0'), mibMs: amountText.default('0'), standbyMs: amountText.default('0')}),
  dailyBudget: amountText
})

const cron = cronSchema.shape
const cronLineSchema = keyed({
  ...cron,
  timezone: cron.timezone.unwrap().refine(isTimeZone, 'is no time zone that is known here; write one such as Africa/Nairobi').optional()
})

const spec = revisionSpecSchema.shape
const functionSchema = keyed({
  /** Folder whose files become the image, beside the manifest. */
  source: z.string().min(1).max(4096).optional(),
  /** Instead, what another tool built: host/repository:tag, the folder of an OCI layout, an archive, or a digest that the registry has. */
  image: z.string().min(1).max(4096).optional(),
  /** What the files are put upon: one of creo's own bases, nothing, or an image as `image` names it. */
  base: z
    .string()
    .max(4096)
    .regex(/^(?:node|python|static|scratch)$|[./:]/, 'must be node, python, static or scratch, or name an image')
    .default('node'),
  command: spec.command.default([]),
  port: spec.port.default(8080),
  memory: bytesText.pipe(spec.memoryBytes).default(128 * 2 ** 20),
  cpu: cpuMillis.pipe(spec.cpuMillis).default(500),
  concurrency: spec.concurrency.default(50),
  timeout: durationMs.pipe(spec.timeoutMs).default(30_000),
  scale: keyed({min: spec.scaleMin.default(0), max: spec.scaleMax.default(4)}).default({min: 0, max: 4}),
  env: z.record(z.string(), envText).pipe(spec.env).default({}),
  egress: spec.egress.default([]),
  calls: spec.calls.unwrap().default([]),
  /** Instances get requests once this path is answered 2xx; without it once they listen. */
  health: spec.health,
  /** Without it all that the image is made for. */
  architectures: spec.architectures,
  /** Names alone: `creo secrets set` gives them values. */
  secrets: spec.secrets.unwrap().default([]),
  cron: z.array(cronLineSchema).max(16).default([]),
  /** Without it everybody's nodes may run it. */
  owners: z.array(nameSchema).min(1).max(OWNERS_MAX).optional(),
  /** Per cent of a day's pay that the nodes of one owner get at most. */
  ownerShareMax: spec.ownerSharePercentMax.unwrap().default(WHOLE_PERCENT),
  rewards: z.array(rewardSchema).max(8).default([])
}).check(({value, issues}) => {
  const problem = (path: string, message: string): number => issues.push({code: 'custom', input: value, path: [path], message})
  if ((value.source === undefined) === (value.image === undefined)) problem('source', 'give either source or image')
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

const routeSchema = keyed({path: httpPathSchema, function: nameSchema})

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

export const manifestSchema = keyed({
  app: nameSchema,
  org: nameSchema,
  routes: z.array(routeSchema).min(1).max(64),
  functions: z.record(nameSchema, functionSchema)
}).check(({value, issues}) => {
  const names = Object.keys(value.functions)
  if (names.length === 0 || names.length > FUNCTIONS_MAX) {
    issues.push({code: 'custom', input: value, path: ['functions'], message: `must be 1 to ${FUNCTIONS_MAX} functions`})
  }
  const expectFunction = (name: string, path: (string | number)[]): void => {
    if (names.includes(name)) return
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
      issues.push({code: 'custom', input: value, path, message: `${callHost(called)} is among its egress as well: it can mean one of them`})
    }
  }
})

export type Manifest = z.output<typeof manifestSchema>
export type ManifestFunction = Manifest['functions'][string]

export interface ManifestProblem {
  /** Where in the document, for example `['functions', 'api', 'memory']`. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

export type ParsedManifest =
  | {readonly ok: true; readonly manifest: Manifest}
  | {readonly ok: false; readonly problems: readonly [ManifestProblem, ...ManifestProblem[]]}

/** Checks a document that was read from YAML. */
export function parseManifest(document: unknown): ParsedManifest {
  const parsed = manifestSchema.safeParse(document)
  if (parsed.success) return {ok: true, manifest: parsed.data}
  const problems = parsed.error.issues.map(problemOf)
  return {ok: false, problems: [problems[0] ?? {path: [], message: 'is no manifest'}, ...problems.slice(1)]}
}

/** An unknown key is where it stands, not in the object around it. */
function problemOf(issue: z.core.$ZodIssue): ManifestProblem {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  const missing = issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith('received undefined')
  const message = missing ? 'is missing' : issue.message
  return {path: issue.code === 'unrecognized_keys' ? [...path, issue.keys[0] ?? ''] : path, message}
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
