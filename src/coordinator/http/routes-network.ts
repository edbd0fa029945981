import type {FastifyInstance, FastifyRequest} from 'fastify'
import {z} from 'zod'
import {epochViewSchema, networkViewSchema, SEEN_HEADER, signedTimeSchema} from '../../core/protocol/api.ts'
import {blockEventSchema} from '../../core/protocol/blocks.ts'
import type {Genesis} from '../../core/protocol/genesis.ts'
import {gatewayIdSchema, publicKeySchema} from '../../core/protocol/scalars.ts'
import {signTime} from '../../identity/time.ts'
import type {JournalGroupView} from '../../ledger/port.ts'
import {cursorSchema, limitSchema, nextOf, nextSchema, pageOf} from './query.ts'
import {type RouteTools, route} from './route.ts'

const JOURNAL_GROUPS_MAX = 100
const JOURNAL_ANSWER_BYTES_MAX = 16 * 2 ** 20

export interface NetworkTools extends RouteTools {
  readonly genesis: Genesis
  readonly genesisText: string
  readonly version: string
  readonly nowMs: () => number
  /** How a client is seen: `ClientAddresses.seen`. */
  readonly seenOf: (request: FastifyRequest) => {readonly address: string; readonly proxy: string}
}

const gatewayViewSchema = z.object({
  id: gatewayIdSchema,
  publicKey: publicKeySchema,
  name: z.string(),
  tunnelUrl: z.string(),
  publicUrl: z.string()
})
const blocksSchema = z.object({blocks: z.array(blockEventSchema), next: nextSchema})
const journalGroupSchema = z.object({
  number: z.int(),
  firstSeq: z.int(),
  lastSeq: z.int(),
  ruleset: z.string(),
  prevHash: z.string(),
  hash: z.string(),
  form: z.int(),
  body: z.string()
})

/** What the network is, and its public record. */
export function networkRoutes(app: FastifyInstance, tools: NetworkTools): void {
  const {ledger, genesis} = tools
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/network',
      about: 'What the network is: genesis, keys, last sequence.',
      answer: networkViewSchema,
      headers: (request) => {
        const {address, proxy} = tools.seenOf(request)
        return {[SEEN_HEADER]: `${address}; proxy=${proxy}`}
      }
    },
    () => ({
      id: ledger.networkId,
      name: genesis.name,
      network: genesis.network,
      coordinatorKey: genesis.coordinatorKey,
      genesis: tools.genesisText,
      version: tools.version,
      sequence: ledger.sequence,
      registryPath: '/v2/' as const
    })
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/time',
      about: "The ledger's time, signed together with your nonce.",
      query: z.object({nonce: z.string().min(1).max(64)}),
      answer: signedTimeSchema
    },
    ({query}) => signTime({nonce: query.nonce, atMs: ledger.nowMs(), key: tools.key})
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/gateways',
      about: 'The gateways that the operator admitted.',
      answer: z.object({gateways: z.array(gatewayViewSchema)})
    },
    () => ({
      gateways: ledger.reads.gateways().map((gateway) => ({...gateway}))
    })
  )
  recordRoutes(app, tools)
}

/** What anybody can look up later: blocks, epochs, the journal. */
function recordRoutes(app: FastifyInstance, tools: NetworkTools): void {
  const {ledger} = tools
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/blocks',
      about: 'What the operator keeps out now.',
      query: z.object({limit: limitSchema, cursor: cursorSchema}),
      answer: blocksSchema
    },
    ({query}) => {
      const blocks = ledger.reads.blocks(pageOf(query))
      return {blocks, ...nextOf(blocks, query.limit, ({seq}) => [seq])}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/blocks/history',
      about: 'All that the operator ever blocked and let in again.',
      query: z.object({limit: limitSchema, cursor: cursorSchema}),
      answer: blocksSchema
    },
    ({query}) => {
      const blocks = ledger.reads.blockEvents(pageOf(query))
      return {blocks, ...nextOf(blocks, query.limit, ({seq}) => [seq])}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/epochs',
      about: 'What was minted, and for whom.',
      query: z.object({limit: limitSchema, cursor: cursorSchema}),
      answer: z.object({epochs: z.array(epochViewSchema), next: nextSchema})
    },
    ({query}) => {
      const epochs = ledger.reads.epochs(pageOf(query))
      return {epochs, ...nextOf(epochs, query.limit, ({epoch}) => [epoch])}
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/journal',
      about: 'Journaled groups, to replay.',
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
