import {z} from 'zod'
import type {Log} from '../telemetry/log.ts'
import {ContainerFacts} from './container-facts.ts'

/** How much of each container's output has arrived at the coordinator, in bytes: containers keep what they print, so nothing is lost, or said twice. */
export type LogPositions = ContainerFacts<number>

/** A file that can't be read says nothing: then what containers printed is told again. */
export function openLogPositions(path: string, log: Log): Promise<LogPositions> {
  return ContainerFacts.open({path, schema: z.int().min(0), about: 'what was told of the output of containers', log})
}
