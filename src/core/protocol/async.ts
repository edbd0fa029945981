import {z} from 'zod'
import {nameSchema, timeMsSchema} from './scalars.ts'

/**
 * Calls that are answered later (docs/PROTOCOL.md): `POST /async/<path>` where an app is asked, `/async/calls/<id>` to look at one or end it,
 * and under `/.creo/async` what the coordinator asks of a gateway.
 */

/** 24 bytes, base64url: who knows the id of a call may see and end it. */
export const callIdSchema = z.string().regex(/^call_[A-Za-z0-9_-]{32}$/)
export const ASYNC_PREFIX = '/async'
/** At a gateway's own address, beside those of apps. */
export const GATEWAY_CALLS_PATH = '/.creo/async/calls'

/** Told to the function: which call this is, the same at each attempt; the number of the attempt, from 1; when a schedule meant it to be. */
export const CALL_ID_HEADER = 'creo-call-id'
export const ATTEMPT_HEADER = 'creo-attempt'
export const SCHEDULED_HEADER = 'creo-scheduled-at'
/** Sent with the call: where its result is posted, and a name that makes a repeated one the same call. */
export const CALLBACK_HEADER = 'creo-callback'
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** Of one call. What is larger belongs into a store, and its place into the call. */
export const ASYNC_BODY_BYTES_MAX = 2 ** 20
/** Kept of an answer; the rest is counted and left. */
export const RESULT_BYTES_MAX = 256 * 1024
export const CALLS_LISTED_MAX = 1000

const endedStates = ['succeeded', 'failed', 'cancelled'] as const
export type EndedState = (typeof endedStates)[number]
export const callStateSchema = z.enum(['queued', 'running', ...endedStates])
export type CallState = z.output<typeof callStateSchema>

/** What the last attempt came to. */
export const callResultSchema = z.object({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  /** As text when it is UTF-8 and no longer so in JSON, else in base64. */
  body: z.string(),
  encoding: z.enum(['utf8', 'base64']),
  /** The answer had more than is kept, or, in a callback, more than the queue had room to tell. */
  truncated: z.boolean()
})
export type CallResult = z.output<typeof callResultSchema>

/** A call without its answer, as lists have it. */
export const callSummarySchema = z.object({
  id: callIdSchema,
  state: callStateSchema,
  /** `org/app/function`; of a callback that leaves the network `org/app`. */
  function: z.string(),
  method: z.string(),
  /** Path and query as they were asked for, or the address of a callback; in lists the first 1024 characters. */
  target: z.string(),
  /** Attempts that were begun. */
  attempts: z.int(),
  acceptedAtMs: timeMsSchema,
  /** Of a queued one. */
  nextAttemptAtMs: timeMsSchema.optional(),
  endedAtMs: timeMsSchema.optional(),
  /** When a schedule meant it to be. */
  scheduledAtMs: timeMsSchema.optional(),
  /** The call whose result this one tells. */
  callbackOf: callIdSchema.optional(),
  /** Why the last attempt did not succeed. */
  error: z.object({code: z.string(), message: z.string()}).optional()
})
export type CallSummary = z.output<typeof callSummarySchema>

export const callViewSchema = callSummarySchema.extend({result: callResultSchema.optional()})
export type CallView = z.output<typeof callViewSchema>

export const callsSchema = z.object({calls: z.array(callSummarySchema).max(CALLS_LISTED_MAX)})

/** The same over all gateways of the network, as the coordinator tells an app's owner. */
export const callsOfAppSchema = z.object({
  /** Without ids for a key that may only look. */
  calls: z.array(callSummarySchema.extend({id: callIdSchema.optional(), gateway: z.string()})),
  /** Gateways that did not answer: what they have is missing. */
  silent: z.array(z.string())
})
export type CallOfApp = z.output<typeof callsOfAppSchema>['calls'][number]

/** What a call is answered with when it is on disk. `location` is its path where it was posted. */
export const acceptedCallSchema = z.object({id: callIdSchema, state: callStateSchema, location: z.string()})

/** What a call that the coordinator hands in is answered with. */
export const handedCallSchema = z.object({state: callStateSchema})

/** What the coordinator hands to a gateway when a schedule comes due. */
export const scheduledCallSchema = z.strictObject({
  id: callIdSchema,
  org: nameSchema,
  app: nameSchema,
  function: nameSchema,
  method: z.string().regex(/^[A-Z]{1,16}$/),
  path: z
    .string()
    .max(1024)
    .regex(/^\/[\x21-\x7e]*$/),
  scheduledAtMs: timeMsSchema
})
export type ScheduledCall = z.output<typeof scheduledCallSchema>
