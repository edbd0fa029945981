import {z} from 'zod'
import {callIdSchema, callStateSchema} from './async.ts'
import {nameSchema, timeMsSchema} from './scalars.ts'

/** A schedule of an app, when it comes due next, and what came of the last time. */
export const scheduleViewSchema = z.object({
  function: nameSchema,
  schedule: z.string(),
  timezone: z.string(),
  method: z.string(),
  path: z.string(),
  /** Null for a schedule that never comes due again. */
  nextAtMs: timeMsSchema.nullable(),
  last: z
    .object({
      scheduledAtMs: timeMsSchema,
      /** Left out for a key that may only look. */
      call: callIdSchema.optional(),
      /** `waiting`: no gateway has taken it yet. `given_up`: none did in time. `unknown`: the gateway that took it does not say. */
      state: z.enum([...callStateSchema.options, 'waiting', 'given_up', 'unknown']),
      /** What the function answered at its last attempt. */
      status: z.int().optional(),
      error: z.string().optional()
    })
    .nullable()
})
export type ScheduleView = z.output<typeof scheduleViewSchema>
export const schedulesSchema = z.object({schedules: z.array(scheduleViewSchema)})

/** How a call came to its id: the SHA-256 of the coordinator's signature of this text, which is always the same and which nobody else can make. */
export function firingText(of: {
  readonly network: string
  readonly org: string
  readonly app: string
  readonly function: string
  readonly schedule: string
  readonly timezone: string
  readonly method: string
  readonly path: string
  readonly atMs: number
}): string {
  const {network, org, app, function: name, schedule, timezone, method, path, atMs} = of
  return ['creo-cron-v1', network, org, app, name, schedule, timezone, method, path, String(atMs)].join('\n')
}
