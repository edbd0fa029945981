import {CreoError} from '../core/errors.ts'
import {CALLS_PORT} from '../core/protocol/revisions.ts'
import type {InstanceSpec} from './port.ts'

const INSTANCE_ID = /^[a-z0-9-]{1,60}$/
const LABELS_MAX = 16
const PORT_MAX = 65_535

/** @throws {CreoError} `invalid_input` when no runtime could start that. */
export function checkSpec(spec: InstanceSpec): void {
  const refuse = (message: string, hint: string) => new CreoError('invalid_input', message, {hint})
  if (!INSTANCE_ID.test(spec.id)) throw refuse(`"${spec.id}" is not an instance id.`, 'Use 1 to 60 of a-z, 0-9 and -.')
  if (!Number.isInteger(spec.port) || spec.port < 1 || spec.port > PORT_MAX)
    throw refuse(`${spec.port} is not a port.`, `Use 1 to ${PORT_MAX}.`)
  if (spec.port === CALLS_PORT && (spec.waysOut?.hosts?.length ?? 0) > 0)
    throw refuse(
      `A function that calls others cannot listen on port ${CALLS_PORT}.`,
      'There it finds the functions that it calls: use another port.'
    )
  if (Object.keys(spec.labels).length > LABELS_MAX) throw refuse(`More than ${LABELS_MAX} labels.`, 'Use fewer labels.')
}
