import {z} from 'zod'
import type {Log} from '../telemetry/log.ts'
import {ContainerFacts} from './container-facts.ts'

const nameSchema = z.object({instance: z.string(), gateway: z.string(), lease: z.string()})

/** What a gateway calls an instance, and what it asked for it under. */
type InstanceName = z.output<typeof nameSchema>

/** Which instance each container became that had waited: its own labels say where it came from, not who has asked for it since. */
export type InstanceNames = ContainerFacts<InstanceName>

/** A file that can't be read names nothing: then a container goes by its labels. */
export function openInstanceNames(path: string, log: Log): Promise<InstanceNames> {
  return ContainerFacts.open({path, schema: nameSchema, about: 'the names of instances', log})
}
