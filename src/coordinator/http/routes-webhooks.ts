import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import {
  deliveriesQuerySchema,
  deliveriesSchema,
  webhookAnswerSchema,
  webhookRemovedSchema,
  webhookRetriedSchema,
  webhookRetrySchema,
  webhookSetSchema,
  webhookTestedSchema
} from '../../core/protocol/webhooks.ts'
import type {Webhooks} from '../webhooks/webhooks.ts'
import {type RouteTools, route} from './route.ts'

export interface WebhookTools extends RouteTools {
  readonly webhooks: Webhooks
}

const emptySchema = z.strictObject({})

/** Where an org is told of its redemptions. All of it is the org's own business: its address is answered to its own keys alone. */
export function webhookRoutes(app: FastifyInstance, tools: WebhookTools): void {
  const {webhooks, signer} = tools
  const params = z.object({org: nameSchema})
  const path = '/v1/orgs/:org/webhook'
  const signed = {params, signed: true} as const
  route(
    app,
    tools,
    {method: 'GET', path, about: 'Where an org is told of its redemptions, and how that goes.', answer: webhookAnswerSchema, ...signed},
    ({params: {org}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
      return {webhook: webhooks.store.view(org) ?? null}
    }
  )
  route(
    app,
    tools,
    {method: 'POST', path, about: "Sets an org's webhook.", body: webhookSetSchema, answer: webhookAnswerSchema, ...signed},
    ({params: {org}, body: {url}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['deployer'])
      webhooks.set({org, url, keyId})
      return {webhook: webhooks.store.view(org) ?? null}
    }
  )
  route(
    app,
    tools,
    {method: 'POST', path: `${path}/remove`, about: 'Tells the org no more.', body: emptySchema, answer: webhookRemovedSchema, ...signed},
    ({params: {org}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['deployer'])
      return {status: webhooks.remove(org) ? ('removed' as const) : ('already_removed' as const)}
    }
  )
  route(
    app,
    tools,
    {
      method: 'POST',
      path: `${path}/test`,
      about: 'Sends an event that says nothing.',
      body: emptySchema,
      answer: webhookTestedSchema,
      ...signed
    },
    ({params: {org}, keyId, signal}) => {
      signer.assertOrgKey(keyId, org, ['deployer'])
      return webhooks.test(org, signal)
    }
  )
  deliveryRoutes(app, tools)
}

function deliveryRoutes(app: FastifyInstance, tools: WebhookTools): void {
  const {webhooks, signer, ledger} = tools
  const params = z.object({org: nameSchema})
  const path = '/v1/orgs/:org/webhook/deliveries'
  route(
    app,
    tools,
    {
      method: 'GET',
      path,
      about: 'Events that an org was told, or is to be told, newest first.',
      params,
      query: deliveriesQuerySchema,
      answer: deliveriesSchema,
      signed: true
    },
    ({params: {org}, query: {state, limit}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['deployer', 'viewer'])
      return {deliveries: webhooks.store.deliveries(org, {state, limit})}
    }
  )
  route(
    app,
    tools,
    {
      method: 'POST',
      path: `${path}/retry`,
      about: 'Tells events again that were given up, or one that waits.',
      params,
      body: webhookRetrySchema,
      answer: webhookRetriedSchema,
      signed: true
    },
    ({params: {org}, body: {delivery}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['deployer'])
      const state = delivery === undefined ? undefined : webhooks.store.stateOf(org, delivery)
      if (delivery !== undefined && state === undefined) {
        throw new CreoError('not_found', `${org} has no delivery ${delivery}.`, {hint: 'creo redemption webhook deliveries'})
      }
      if (state === 'delivered') throw new CreoError('conflict', `${delivery} has arrived.`, {hint: 'creo redemption webhook deliveries'})
      return {retried: webhooks.store.retry(org, {id: delivery, nowMs: ledger.nowMs()})}
    }
  )
}
