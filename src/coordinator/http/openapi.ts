import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {ERROR_CODES} from '../../core/errors.ts'
import {apiErrorSchema} from '../../core/protocol/api.ts'

/** What the document says of a route: its schemas, or for what isn't JSON the type of its answer. */
export interface RouteDescription {
  readonly about?: string
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly answer?: z.ZodType
  readonly answerType?: string
  /** What it may answer, where no schema says so. */
  readonly example?: string
  /** Optional: who signs is told more. */
  readonly signed?: boolean | 'optional'
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly described?: RouteDescription
  }
}

type Json = Record<string, unknown>

const SIGNED = [{signatureInput: [], signature: []}]
const PERHAPS_SIGNED = [{}, ...SIGNED]
const CONTENT_DIGEST = {name: 'content-digest', in: 'header', required: true, description: 'RFC 9530, SHA-256.', schema: {type: 'string'}}
const ERROR = {$ref: '#/components/responses/error'}
/** Methods that OpenAPI has a place for; HEAD is answered wherever GET is. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Serves an OpenAPI 3.1 document of every route that is added to the app from now on. */
export function openApiRoute(app: FastifyInstance, {version}: {readonly version: string}): void {
  const paths: Record<string, Json> = {}
  let text: string | undefined
  app.addHook('onRoute', ({method, url, config}) => {
    const path = url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}')
    for (const one of [method].flat()) {
      if (METHODS.has(one)) paths[path] = {...paths[path], [one.toLowerCase()]: operation(one, path, config?.described ?? {})}
    }
  })
  const described: RouteDescription = {about: 'This document.', answer: z.looseObject({openapi: z.string()})}
  app.get('/v1/openapi.json', {config: {described}}, (_request, reply) => {
    text ??= JSON.stringify({openapi: '3.1.1', info: info(version), paths, components: COMPONENTS})
    return reply.type('application/json').send(text)
  })
}

function info(version: string): Json {
  return {
    title: 'creo coordinator',
    version,
    license: {name: 'Apache License 2.0', identifier: 'Apache-2.0'},
    description: 'Amounts are strings of decimal digits in the minor unit that the field names, times milliseconds since 1970 UTC.'
  }
}

const COMPONENTS: Json = {
  schemas: {error: wireSchema(apiErrorSchema)},
  responses: {
    error: {
      description: `An error; \`code\` is one of ${Object.keys(ERROR_CODES).join(', ')}. With 429 and 503, \`retry-after\` says in how many seconds to ask again.`,
      headers: {'retry-after': {schema: {type: 'integer'}}},
      content: {'application/json': {schema: {$ref: '#/components/schemas/error'}}}
    }
  },
  securitySchemes: {
    signatureInput: {type: 'apiKey', in: 'header', name: 'signature-input', description: 'RFC 9421, ed25519, tag="creo".'},
    signature: {type: 'apiKey', in: 'header', name: 'signature', description: 'RFC 9421, by a key that may do this.'}
  }
}

function operation(method: string, path: string, route: RouteDescription): Json {
  const {about, body, answer, answerType = 'application/json', example, signed = false} = route
  const id = `${method.toLowerCase()}${path.replace(/[^a-zA-Z0-9]+/g, '_').replace(/_$/, '')}`
  const parameters = [...inPath(path, route.params), ...inQuery(route.query), ...(signed && body ? [CONTENT_DIGEST] : [])]
  const tagged = method === 'GET' && !signed && answer !== undefined
  return {
    operationId: id,
    ...(about !== undefined && {summary: about}),
    security: signed === 'optional' ? PERHAPS_SIGNED : signed ? SIGNED : [],
    ...(parameters.length > 0 && {parameters}),
    ...(body && {requestBody: {required: true, content: {'application/json': {schema: wireSchema(body)}}}}),
    responses: {
      200: {
        description: 'Done.',
        content: {[answerType]: answer ? {schema: wireSchema(answer)} : {...(example !== undefined && {example})}}
      },
      204: {description: 'Nothing newer, or nothing to say.'},
      ...(tagged && {304: {description: 'What you have by its `etag`, sent as `if-none-match`, is still so.'}}),
      default: ERROR
    }
  }
}

function inPath(path: string, schema: z.ZodType | undefined): Json[] {
  const {properties = {}} = objectSchema(schema)
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: properties[name] ?? {type: 'string'}
  }))
}

function inQuery(schema: z.ZodType | undefined): Json[] {
  const {properties = {}, required = []} = objectSchema(schema)
  return Object.entries(properties).map(([name, of]) => ({name, in: 'query', required: required.includes(name), schema: of}))
}

function objectSchema(schema: z.ZodType | undefined): {readonly properties?: Record<string, Json>; readonly required?: readonly string[]} {
  return schema ? wireSchema(schema) : {}
}

/** As it crosses the wire: amounts are strings there. */
function wireSchema(schema: z.ZodType): Json {
  const {$schema: _, '~standard': __, ...rest} = z.toJSONSchema(schema, {io: 'input', unrepresentable: 'any'}) as Json
  return rest
}
