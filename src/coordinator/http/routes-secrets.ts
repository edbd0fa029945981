import type {FastifyInstance} from 'fastify'
import {LRUCache} from 'lru-cache'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {nodeIdSchema} from '../../core/protocol/scalars.ts'
import {
  nodeSecretsRequestSchema,
  nodeSecretsSchema,
  type SealingKeyStatement,
  sealingKeySchema,
  secretSetSchema,
  secretsViewSchema,
  secretUnsetSchema,
  secretUnsetViewSchema,
  secretViewSchema
} from '../../core/protocol/secrets.ts'
import {verifySealingKey} from '../../identity/sealing.ts'
import type {RevisionView} from '../../ledger/port.ts'
import type {SecretStore} from '../secret-store.ts'
import {appParamsSchema} from './query.ts'
import {type RouteTools, route} from './route.ts'

/** Nodes whose secrets are known to have come from here; of others nothing is told with their heartbeats. */
const HOLDERS_MAX = 100_000
const APPS_PER_HOLDER_MAX = 256

/** Which nodes were given secrets of which apps, since this process started: a node asks anew after each start of the coordinator. */
export class SecretHolders {
  readonly #apps = new LRUCache<string, Map<string, {readonly org: string; readonly app: string}>>({max: HOLDERS_MAX})

  gave(node: string, place: {readonly org: string; readonly app: string}): void {
    const apps = this.#apps.get(node) ?? new Map()
    apps.set(`${place.org}/${place.app}`, place)
    for (const oldest of [...apps.keys()].slice(0, Math.max(0, apps.size - APPS_PER_HOLDER_MAX))) apps.delete(oldest)
    this.#apps.set(node, apps)
  }

  /** The newest change of what the node was given; undefined for one that was given nothing. */
  changeFor(node: string, store: Pick<SecretStore, 'changeOf'>): number | undefined {
    const apps = this.#apps.get(node)
    return apps === undefined ? undefined : Math.max(...[...apps.values()].map((place) => store.changeOf(place)))
  }
}

export interface SecretTools extends RouteTools {
  readonly secrets: SecretStore
  readonly secretHolders: SecretHolders
  /** The key to which developers seal values, signed by the coordinator's. */
  readonly sealingKey: SealingKeyStatement
}

/** Values come in sealed, are kept sealed, and leave sealed to one node; nothing here answers one in the clear. */
export function secretRoutes(app: FastifyInstance, tools: SecretTools): void {
  const {reads, networkId} = tools.ledger
  route(
    app,
    tools,
    {method: 'GET', path: '/v1/sealing-key', about: 'The key to which secrets are sealed on their way here.', answer: sealingKeySchema},
    () => tools.sealingKey
  )
  developerRoutes(app, tools)
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/nodes/:node/secrets',
      about: 'Secrets of a leased revision, sealed to the node that asks.',
      params: z.object({node: nodeIdSchema}),
      body: nodeSecretsRequestSchema,
      answer: nodeSecretsSchema,
      signed: true
    },
    async ({params: {node}, body: {revision: id, sealingKey}, keyId}) => {
      const nodeKey = reads.node(node)?.publicKey
      if (node !== `node_${keyId}` || nodeKey === undefined)
        throw new CreoError('forbidden', `${node} asks for itself alone.`, {hint: "Sign with that node's key."})
      if (!verifySealingKey(sealingKey, {network: networkId, key: nodeKey}))
        throw new CreoError('bad_signature', "The sealing key is not signed by the node's key.", {hint: 'Upgrade the miner.'})
      const isLeased = reads.leases({node, revision: id, status: 'active'}).length > 0
      const revision = isLeased ? reads.revision(id) : undefined
      if (revision === undefined) throw new CreoError('forbidden', `${node} holds no lease of ${id}.`, {hint: 'Wait for the next table.'})
      return await sealedFor(tools, revision, {node, to: sealingKey.publicKey})
    }
  )
}

async function sealedFor({secrets, secretHolders}: SecretTools, revision: RevisionView, to: {readonly node: string; readonly to: string}) {
  const {org, app, spec} = revision
  // Told before it is read: what is set meanwhile is a newer change.
  const change = secrets.changeOf({org, app})
  secretHolders.gave(to.node, {org, app})
  const sealed = await Promise.all((spec.secrets ?? []).map((name) => secrets.sealedTo({org, app}, {name, ...to})))
  return {org, app, secrets: sealed.filter((one) => one !== undefined), change}
}

function developerRoutes(app: FastifyInstance, tools: SecretTools): void {
  const {ledger, secrets, signer} = tools
  const [path, params] = ['/v1/apps/:org/:app/secrets', appParamsSchema]
  route(
    app,
    tools,
    {method: 'GET', path, about: 'Names and versions of its secrets.', params, answer: secretsViewSchema, signed: true},
    ({params: place, keyId}) => {
      signer.assertOrgKey(keyId, place.org, ['deployer', 'viewer'])
      return {secrets: secrets.list(place)}
    }
  )
  route(
    app,
    tools,
    {method: 'POST', path, about: 'Sets a secret that was sealed.', params, body: secretSetSchema, answer: secretViewSchema, signed: true},
    ({params: place, body, keyId}) => {
      signer.assertOrgKey(keyId, place.org, ['deployer'])
      return secrets.set(place, {...body, keyId})
    }
  )
  route(
    app,
    tools,
    {
      method: 'POST',
      path: `${path}/unset`,
      about: 'Forgets a secret that no function needs.',
      params,
      body: secretUnsetSchema,
      answer: secretUnsetViewSchema,
      signed: true
    },
    async ({params: place, body: {name}, keyId, signal}) => {
      signer.assertOrgKey(keyId, place.org, ['deployer'])
      // A deploy that was answered a moment ago says what is needed now.
      await ledger.projected(ledger.sequence, signal)
      refuseNeeded(tools, place, name)
      return {status: await secrets.unset(place, {name, keyId})}
    }
  )
}

/** A function that serves would not start any more. */
function refuseNeeded({ledger: {reads}}: SecretTools, {org, app}: z.output<typeof appParamsSchema>, name: string): void {
  const needing = reads.app(org, app)?.revisions.filter(({spec}) => spec.secrets?.includes(name)) ?? []
  const [first] = needing
  if (first === undefined) return
  throw new CreoError('conflict', `${first.function} needs ${name}: ${first.id} names it and gets traffic or has a tag.`, {
    hint: `Take it out of that function's secrets in creo.yaml, run creo deploy, and then this again.`
  })
}
