import {z} from 'zod'
import {cronProblem} from '../cron.ts'
import {assetListRefSchema} from './assets.ts'
import {
  accountIdSchema,
  amountSchema,
  architectureSchema,
  httpPathSchema,
  incentiveIdSchema,
  nameSchema,
  positiveAmountSchema,
  revisionIdSchema,
  variableNameSchema
} from './scalars.ts'
import {SECRETS_PER_FUNCTION_MAX} from './secrets.ts'

/**
 * Pay of one incentive: minor units per 10^6 served requests, per 10^6 MiB·ms (memory limit × running time), and per 10^6 ms in which a node
 * stood ready without running it. A rate that came later is absent where it is nothing, so that what is journaled stays as it was.
 */
export const rewardLineSchema = z.strictObject({
  incentive: incentiveIdSchema,
  requestsPerMillionMinor: amountSchema,
  mibMsPerMillionMinor: amountSchema,
  standbyMsPerMillionMinor: amountSchema.optional(),
  /** The most this line pays per day over all nodes; leases reserve parts of it. */
  dailyBudgetMinor: positiveAmountSchema
})
export type RewardLine = z.output<typeof rewardLineSchema>

export const EGRESS_COORDINATOR = 'coordinator.internal'
/** Functions that one may call at most. */
const CALLS_MAX = 32
/** Accounts that a function names as those who alone may run it. */
export const OWNERS_MAX = 64
/** Where a function finds another one of its app, on this port. */
export const CALLS_PORT = 80
const CALL_DOMAIN = '.internal'
export function callHost(name: string): string {
  return `${name}${CALL_DOMAIN}`
}
/** The function that a host name (in lower case, without port) means; undefined when it means none. */
export function calledFunction(host: string): string | undefined {
  return host.endsWith(CALL_DOMAIN) ? host.slice(0, -CALL_DOMAIN.length) : undefined
}

/** What the smallest function needs. */
export const MEMORY_BYTES_MIN = 16 * 2 ** 20

/** A request that the network makes to a function by itself, again and again. */
export const cronSchema = z.strictObject({
  /** Five fields, as `cronProblem` reads them. */
  schedule: z
    .string()
    .max(100)
    .superRefine((line, context) => {
      const problem = cronProblem(line)
      if (problem !== undefined) context.addIssue(problem)
    }),
  path: httpPathSchema,
  /** Absent: POST. */
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  /** Name of the IANA database, whose times the schedule is in. Absent: UTC. */
  timezone: z
    .string()
    .max(60)
    .regex(/^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+){0,2}$/, 'must be a time zone such as Africa/Nairobi')
    .optional()
})
export type CronLine = z.output<typeof cronSchema>

/** How an image is run: the immutable settings of a revision. What came later is absent at its default, so that what is journaled stays as it was. */
export const revisionSpecSchema = z.strictObject({
  /** Empty: the image's own. */
  command: z.array(z.string().max(4096)).max(64),
  port: z.int().min(1).max(65_535),
  memoryBytes: z
    .int()
    .min(MEMORY_BYTES_MIN)
    .max(64 * 2 ** 30),
  cpuMillis: z.int().min(10).max(64_000),
  /** Requests that one instance serves at a time. */
  concurrency: z.int().min(1).max(1000),
  timeoutMs: z.int().min(100).max(3_600_000),
  scaleMin: z.int().min(0).max(100),
  scaleMax: z.int().min(1).max(1000),
  env: z.record(variableNameSchema, z.string().max(8192)).refine((env) => Object.keys(env).length <= 64, 'has more than 64 variables'),
  /** Hosts the function may reach; empty: none. `coordinator.internal` is the network's public API. */
  egress: z.array(z.string().min(1).max(253)).max(32),
  /** Functions of the same app that it may call, each at `callHost`. */
  calls: z.array(nameSchema).max(CALLS_MAX).optional(),
  /** An instance gets requests once a GET of this path was answered 2xx. Absent: once it listens. */
  health: httpPathSchema.optional(),
  /** Nodes of these alone run it. Absent: of all. */
  architectures: z.array(architectureSchema).min(1).max(2).optional(),
  /** Secrets of the app that it gets as variables of its environment; their values are never here. */
  secrets: z.array(variableNameSchema).max(SECRETS_PER_FUNCTION_MAX).optional(),
  /** Which version of each was the newest when this was deployed: a newer value makes another revision. What a function gets is the newest there is. */
  secretVersions: z
    .record(variableNameSchema, z.int().min(1))
    .refine((versions) => Object.keys(versions).length <= SECRETS_PER_FUNCTION_MAX, `has more than ${SECRETS_PER_FUNCTION_MAX}`)
    .optional(),
  cron: z.array(cronSchema).max(16).optional(),
  /** It serves these files alone, and gateways hold each against the list before anybody gets it. Absent: whatever it answers. */
  assets: assetListRefSchema.optional(),
  /** Accounts whose nodes alone run it. Absent: all. */
  owners: z.array(accountIdSchema).min(1).max(OWNERS_MAX).optional(),
  /** Most of a day's pay, per cent of each line, that the nodes of one owner get together. Absent: 100. */
  ownerSharePercentMax: z.int().min(1).max(100).optional(),
  rewards: z.array(rewardLineSchema).max(8)
})
export type RevisionSpec = z.output<typeof revisionSpecSchema>

/** Revisions that share one function's traffic at most, and tags that a function has at most: each of them is leased. */
export const TRAFFIC_REVISIONS_MAX = 5
export const TAGS_PER_FUNCTION_MAX = 5

/** What part of a function's requests a revision gets; a function's shares make 100. */
export const trafficShareSchema = z.object({revision: revisionIdSchema, percent: z.int().min(1).max(100)})
export type TrafficShare = z.output<typeof trafficShareSchema>

/** A name under which one revision has an address of its own, `<tag>--<function>--<app>--<org>`. */
export const tagSchema = z.object({tag: nameSchema, revision: revisionIdSchema})
export type Tag = z.output<typeof tagSchema>
