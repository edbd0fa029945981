import type {FastifyInstance, FastifyRequest} from 'fastify'
import {z} from 'zod'
import {clientNetwork} from '../../core/client-network.ts'
import {CreoError} from '../../core/errors.ts'
import {IN_WORDS} from '../../core/issue-words.ts'
import {type EventsQuery, eventsQuerySchema} from '../../core/protocol/events.ts'
import type {EventHub} from '../events/event-hub.ts'
import type {RouteTools} from './route.ts'

const LAST_EVENT_HEADER = 'last-event-id'
const HEADERS = {'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no'}
const sequenceSchema = z.coerce.number().int().min(0)

/** Of `topic=books,trades&incentive=colibris/LEAF`: the book as it is, then a purchase of two lots out of three. */
const EXAMPLE = `retry: 1402
id: 40
event: open
data: {"sequence":40}

event: book
data: {"incentive":"colibris/LEAF","sequence":40,"bids":[],"asks":[{"priceMicroGutta":"5000","lots":"3"}],"whole":true}

event: book
data: {"incentive":"colibris/LEAF","sequence":41,"bids":[],"asks":[{"priceMicroGutta":"5000","lots":"1"}],"whole":false}

id: 41
event: trade
data: {"seq":41,"index":0,"incentive":"colibris/LEAF","priceMicroGutta":"5000","lots":"2","takerSide":"buy","atMs":1790000000000}

`

export interface EventTools extends RouteTools {
  readonly events: EventHub
}

/** Server-sent events: what happens, as it happens. Who watches `instances` signs by a key of the app's org; all else anybody can read. */
export function eventRoutes(app: FastifyInstance, tools: EventTools): void {
  const about = 'What happens, as server-sent events: goes on after `last-event-id`, or after `after`.'
  app.route({
    method: 'GET',
    url: '/v1/events',
    exposeHeadRoute: false,
    config: {described: {about, query: eventsQuerySchema, answerType: 'text/event-stream', example: EXAMPLE, signed: 'optional'}},
    handler: async (request, reply) => {
      const query = eventsQuerySchema.parse(request.query, IN_WORDS)
      const after = placeOf(request, query)
      const keyId = request.headers.signature === undefined ? undefined : await tools.signer.keyOf(request)
      const mayRead = readerOf(tools, query, keyId)
      const account = query.account === undefined ? undefined : tools.ledger.reads.account(query.account)?.id
      if (query.account !== undefined && account === undefined)
        throw new CreoError('not_found', `There is no account "${query.account}".`, {hint: 'Watch one that exists.'})
      const signer = keyId === undefined ? undefined : tools.ledger.reads.accountByKey(keyId)?.account
      const client = {account: signer, address: clientNetwork(tools.addressOf(request) ?? '')}
      tools.events.refuseTooMany(client)
      reply.hijack()
      reply.raw.writeHead(200, HEADERS)
      tools.events.watch({query: {...query, account}, after, ...client, mayRead, out: reply.raw})
    }
  })
}

function placeOf(request: FastifyRequest, {after}: EventsQuery): number | undefined {
  const header = request.headers[LAST_EVENT_HEADER]
  if (header === undefined || header === '') return after
  const place = sequenceSchema.safeParse(header)
  if (place.success) return place.data
  throw new CreoError('invalid_input', `The header ${LAST_EVENT_HEADER} is not a ledger sequence.`, {
    hint: 'Send the id of the last event that came, or leave it out.'
  })
}

/** @throws {CreoError} `invalid_input`, `unauthorized`, `forbidden` */
function readerOf({signer}: EventTools, {topic, app}: EventsQuery, keyId: string | undefined): () => boolean {
  if (!topic.includes('instances')) return () => true
  const org = app?.split('/')[0]
  if (org === undefined)
    throw new CreoError('invalid_input', 'Instances are told of one app at a time.', {hint: 'Say of which: app=ORG/APP'})
  if (keyId === undefined)
    throw new CreoError('unauthorized', `What instances of ${app} do is told to ${org} alone.`, {hint: `Sign the request as ${org}.`})
  signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
  return () => signer.isOrgKey(keyId, org, ['deployer', 'viewer'])
}
