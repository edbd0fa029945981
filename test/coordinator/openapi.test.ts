import {subscribe, unsubscribe} from 'node:diagnostics_channel'
import {Validator} from '@seriousme/openapi-schema-validator'
import type {FastifyInstance} from 'fastify'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {startWorld} from './coordinator-world.ts'

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly security: readonly unknown[]
  readonly parameters?: readonly {readonly name: string; readonly in: string; readonly schema: Record<string, unknown>}[]
  readonly responses: Record<string, {readonly $ref?: string; readonly content?: Record<string, {readonly schema?: object}>}>
}
interface Document {
  readonly paths: Record<string, Record<string, Operation>>
}

const CHANNEL = 'fastify.initialization'
const served: string[] = []
let world: Awaited<ReturnType<typeof startWorld>>
let document: Document

/** Fastify itself says which routes it serves. */
function onServer(message: unknown): void {
  const {fastify} = message as {readonly fastify: FastifyInstance}
  fastify.addHook('onRoute', ({method, url}) => {
    for (const one of [method].flat()) if (one !== 'HEAD') served.push(`${one} ${url}`)
  })
}

beforeAll(async () => {
  subscribe(CHANNEL, onServer)
  world = await startWorld()
  unsubscribe(CHANNEL, onServer)
  document = (await world.actors.ask('GET', '/v1/openapi.json')).json as unknown as Document
})
afterAll(() => world.close())

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method.toUpperCase()} ${path}`, operation])
  )

it('serves a document that OpenAPI 3.1 accepts', async () => {
  const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>)
  expect(result).toMatchObject({valid: true})
})

it('describes every route that is served and nothing else, each with a sentence and an id of its own', () => {
  const described = operations().map(([route]) => route.replace('{path}', '*').replace(/\{(\w+)\}/g, ':$1'))
  expect(described.toSorted()).toEqual(served.toSorted())
  expect(operations().filter(([, {summary}]) => !summary?.endsWith('.'))).toEqual([])
  expect(new Set(operations().map(([, {operationId}]) => operationId)).size).toBe(served.length)
})

it('says of each route who signs, what it takes, and how errors look', () => {
  const heartbeats = document.paths['/v1/heartbeats']?.post
  expect(heartbeats?.security).toEqual([{signatureInput: [], signature: []}])
  expect(heartbeats?.parameters?.map(({name}) => name)).toEqual(['content-digest'])
  const trades = document.paths['/v1/markets/{org}/{code}/trades']?.get
  expect(trades?.security).toEqual([])
  expect(trades?.parameters?.find(({name}) => name === 'limit')).toMatchObject({
    in: 'query',
    schema: {minimum: 1, maximum: 1000, default: 100}
  })
  for (const [, {responses}] of operations()) expect(responses.default?.$ref).toBe('#/components/responses/error')
})

it('shows amounts as the strings that they are on the wire', () => {
  const answer = document.paths['/v1/offers']?.get?.responses['200']?.content?.['application/json']?.schema
  expect(answer).toMatchObject({properties: {offers: {items: {properties: {priceMinor: {type: 'string'}}}}}})
})

it('counts errors by their code, and groups of the ledger', async () => {
  const {actors} = world
  const numbers = async (): Promise<string[]> => (await (await fetch(`${actors.url}/metrics`)).text()).split('\n')
  await actors.ask('GET', '/v1/nowhere')
  await actors.ask('GET', '/v1/offers?limit=0')
  const errors = await numbers()
  expect(errors).toContain('creo_coordinator_errors_total{code="not_found"} 1')
  expect(errors).toContain('creo_coordinator_errors_total{code="invalid_input"} 1')
  await actors.person('ann')
  const groups = async (): Promise<number> =>
    Number((await numbers()).find((line) => line.startsWith('creo_ledger_groups_total '))?.split(' ')[1])
  // A group is answered before it is counted.
  await expect.poll(groups, {timeout: 20_000}).toBeGreaterThan(0)
})
