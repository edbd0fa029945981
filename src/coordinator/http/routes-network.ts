import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {epochViewSchema, networkViewSchema, signedTimeSchema} from '../../core/protocol/api.ts'
import {blockEventSchema} from '../../core/protocol/blocks.ts'
import type {Genesis} from '../../core/protocol/genesis.ts'
import {gatewayIdSchema, publicKeySchema} from '../../core/protocol/scalars.ts'
import type {KeyPair} from '../../identity/keys.ts'
import {signTime} from '../../identity/time.ts'
import type {JournalGroupView} from '../../ledger/port.ts'
import {limitSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'

const JOURNAL_GROUPS_MAX = 100
const JOURNAL_ANSWER_BYTES_MAX = 16 * 2 ** 20

export interface NetworkTools extends RouteTools {
  readonly genesis: Genesis
  readonly genesisText: string
  readonly key: KeyPair
  readonly version: string
  readonly nowMs: () => number
}

const gatewayViewSchema = z.object({
  id: gatewayIdSchema,
  publicKey: publicKeySchema,
  name: z.string(),
  tunnelUrl: z.string(),
  publicUrl: z.string()
})
const blocksSchema = z.object({blocks: z.array(blockEventSchema)})
const journalGroupSchema = z.object({
  number: z.int(),
  firstSeq: z.int(),
  lastSeq: z.int(),
  ruleset: z.string(),
  prevHash: z.string(),
  hash: z.string(),
  body: z.string()
})

/** What the network is, and its public record. */
export function networkRoutes(app: FastifyInstance, tools: NetworkTools): void {
  const {ledger, genesis} = tools
  route(app, tools, {method: 'GET', path: '/v1/network', answer: networkViewSchema}, () => ({
    id: ledger.networkId,
    name: genesis.name,
    network: genesis.network,
    coordinatorKey: genesis.coordinatorKey,
    genesis: tools.genesisText,
    version: tools.version,
    sequence: ledger.sequence,
    registryPath: '/v2/' as const
  }))
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/time', query: z.object({nonce: z.string().min(1).max(64)}), answer: signedTimeSchema},
    ({query}) => signTime({nonce: query.nonce, atMs: ledger.nowMs(), key: tools.key})
  )
  route(app, tools, {method: 'GET', path: '/v1/gateways', answer: z.object({gateways: z.array(gatewayViewSchema)})}, () => ({
    gateways: ledger.reads.gateways().map((gateway) => ({...gateway}))
  }))
  route(app, tools, {method: 'GET', path: '/v1/blocks', query: z.object({limit: limitSchema}), answer: blocksSchema}, ({query}) => ({
    blocks: ledger.reads.blocks(query)
  }))
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/blocks/history', query: z.object({limit: limitSchema}), answer: blocksSchema},
    ({query}) => ({blocks: ledger.reads.blockEvents(query)})
  )
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/epochs', query: z.object({limit: limitSchema}), answer: z.object({epochs: z.array(epochViewSchema)})},
    ({query}) => ({epochs: ledger.reads.epochs(query)})
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/journal',
      query: z.object({
        from: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(JOURNAL_GROUPS_MAX).default(20)
      }),
      answer: z.object({groups: z.array(journalGroupSchema)})
    },
    ({query}) => ({groups: withinBytes(ledger.reads.journal(query))})
  )
}

/** The first groups that fit one answer, and always at least one, so that a reader gets on. */
function withinBytes(groups: readonly JournalGroupView[]): JournalGroupView[] {
  let bytes = 0
  return groups.filter((group, index) => {
    bytes += group.body.length
    return index === 0 || bytes <= JOURNAL_ANSWER_BYTES_MAX
  })
}
