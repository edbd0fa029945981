import {rename, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import {HEARTBEAT_MS} from '../core/protocol/api.ts'
import {amountSchema} from '../core/protocol/scalars.ts'
import type {Log} from '../telemetry/log.ts'

const count = z.int().min(0)

/** What the miner last knew of itself, for `creo mine status`; but for the leases replaced every few seconds, whether or not there is a heartbeat. */
export const minerStatusSchema = z.object({
  node: z.string(),
  pid: z.int(),
  startedAtMs: count,
  atMs: count,
  draining: z.boolean(),
  /** Which of the owner's own rules lets nothing run now, in a sentence. */
  restReason: z.string().nullable(),
  lastHeartbeatMs: count.nullable(),
  /** How often the coordinator wants to hear of this node when nothing is new. */
  heartbeatEveryMs: count.default(HEARTBEAT_MS),
  /** Why the last heartbeat was not accepted, in a code. */
  heartbeatRefused: z.string().nullable(),
  noWorkReason: z.string().nullable(),
  tableVersion: z.int(),
  gateways: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      connected: z.boolean(),
      roundTripMs: count.nullable(),
      leftUntilMs: count.nullable().default(null),
      /** As the gateway tested it from its public address, see reach.ts. */
      reachedAtMs: count.nullable().default(null),
      reachedInMs: count.nullable().default(null),
      unreachedSinceMs: count.nullable().default(null)
    })
  ),
  leases: z.array(
    z.object({
      id: z.string(),
      function: z.string(),
      endsAtMs: count,
      budgetEmpty: z.boolean(),
      imageReady: z.boolean(),
      /** While the image is being fetched. */
      imageProgress: z.object({doneBytes: count, totalBytes: count}).nullable()
    })
  ),
  instances: z.array(z.object({instance: z.string(), revision: z.string(), gateway: z.string()})),
  /** Containers that wait for the next request, by tier, and what they hold of the memory that the owner lends. */
  resting: z
    .object({frozen: count, initialised: count, created: count, memoryBytes: count})
    .default({frozen: 0, initialised: 0, created: 0, memoryBytes: 0}),
  /** As this node reckons it by the rates of its leases; Gutta comes by epochs and is in the owner's balance. */
  earnings: z.array(z.object({incentive: z.string(), paidMinor: amountSchema, pendingMinor: amountSchema})),
  pendingReceipts: count,
  rejectedReceipts: z.array(z.object({id: z.string(), code: z.string(), message: z.string()})),
  bytesMoved: count,
  imageBytes: count,
  logLinesDropped: count,
  /** In this calendar month. */
  dataUsedBytes: count,
  diskUsedBytes: count
})
export type MinerStatus = z.output<typeof minerStatusSchema>

/** The leases have a file of their own: there may be thousands, and they seldom change. */
const leasesSchema = minerStatusSchema.shape.leases
const otherSchema = minerStatusSchema.omit({leases: true})
/** Without `leases` those that are on disk are right still. */
type WrittenStatus = Omit<MinerStatus, 'leases'> & Partial<Pick<MinerStatus, 'leases'>>

function statusPath(dataDirectory: string): string {
  return join(dataDirectory, 'status.json')
}

function leasesPath(dataDirectory: string): string {
  return join(dataDirectory, 'status-leases.json')
}

/** Replaces the files whole, that of the leases when they are given; they are not worth a sync of the disk. */
export async function writeStatus(dataDirectory: string, {leases, ...other}: WrittenStatus): Promise<void> {
  if (leases !== undefined) await replace(leasesPath(dataDirectory), z.encode(leasesSchema, leases))
  await replace(statusPath(dataDirectory), z.encode(otherSchema, other))
}

async function replace(path: string, content: object): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(content), {mode: 0o600})
  await rename(`${path}.new`, path)
}

/** The same, where a status that is old is no reason to end work that goes on. Answers whether it is written. */
export async function keepStatus(where: {readonly dataDirectory: string; readonly log: Log}, status: WrittenStatus): Promise<boolean> {
  try {
    await writeStatus(where.dataDirectory, status)
    return true
  } catch (error) {
    where.log.warn({error: String(error)}, 'the status could not be written')
    return false
  }
}

/** Undefined when there is none, or none that can be read: a power cut leaves whatever it likes of a file that was not synced. */
export async function readStatus(dataDirectory: string): Promise<MinerStatus | undefined> {
  const files = await Promise.all([statusPath, leasesPath].map((path) => readFileIfThere(path(dataDirectory))))
  const [other, leases] = files.map((bytes) => bytes?.toString('utf8'))
  if (other === undefined || leases === undefined) return undefined
  try {
    return {...otherSchema.parse(JSON.parse(other)), leases: leasesSchema.parse(JSON.parse(leases))}
  } catch {
    return undefined
  }
}
