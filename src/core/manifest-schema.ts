import {z} from 'zod'
import {manifestSchema} from './manifest.ts'

/**
 * `creo.yaml` as a JSON Schema (draft 7), for editors: its keys, their forms and defaults. What only the whole file tells, such as a route to a
 * function that is not there, stays with `parseManifest`.
 */
export function manifestJsonSchema(): Readonly<Record<string, unknown>> {
  const {$schema, ...schema} = z.toJSONSchema(manifestSchema, {io: 'input', target: 'draft-7'})
  return {$schema, title: 'creo.yaml', description: "An app's functions, where its paths lead, and what hosts are paid.", ...schema}
}
