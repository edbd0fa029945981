import {z} from 'zod'
import {nodeIdSchema} from './scalars.ts'

/** Where the coordinator has a gateway ask a function as somebody from outside would, and is told which nodes were tried. Signed by its key. */
export const WORK_PROBES_PATH = '/.creo/work-probes'
/** Of an answer, as far as it is handed back. */
export const PROBED_TEXT_BYTES_MAX = 4096
/** Nodes that one epoch names. */
export const PROBED_NODES_MAX = 1000

export const workProbeSchema = z.strictObject({
  /** Host and path, as a browser would ask. */
  host: z
    .string()
    .max(100)
    .regex(/^[a-z0-9.:[\]-]+$/),
  path: z
    .string()
    .max(200)
    .regex(/^\/[\x21-\x7e]*$/),
  /** From where the node is to believe that it is asked. */
  address: z.ipv4()
})
export type WorkProbe = z.output<typeof workProbeSchema>

export const probedSchema = z.object({
  /** In turn; none where no instance was found, which is nobody's fault. The last one is whose answer this is. */
  nodes: z.array(nodeIdSchema).max(10),
  /** Of the answer; null where none came. */
  status: z.int().nullable(),
  text: z.string().max(PROBED_TEXT_BYTES_MAX),
  ms: z.number()
})
export type Probed = z.output<typeof probedSchema>

const countSchema = z.int().min(0).max(1_000_000)
/** What came of the last probes of one node. */
export const nodeProbesSchema = z.strictObject({node: nodeIdSchema, good: countSchema, failed: countSchema})
export type NodeProbes = z.output<typeof nodeProbesSchema>
