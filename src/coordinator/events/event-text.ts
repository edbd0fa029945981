import assert from 'node:assert'
import {z} from 'zod'
import {EVENT_SCHEMAS} from '../../core/protocol/events.ts'

/** Lines of the stream for an event. Its own schema refuses what is not of its form: then the fault is ours. */
export function eventText<N extends keyof typeof EVENT_SCHEMAS>(name: N, data: z.output<(typeof EVENT_SCHEMAS)[N]>): string {
  const wire = z.safeEncode(EVENT_SCHEMAS[name] as z.ZodType, data)
  assert(wire.success, `an event is not of its form: ${wire.error?.message}`)
  return `event: ${name}\ndata: ${JSON.stringify(wire.data)}\n`
}
