import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import type {ErrorCode} from '../../core/errors.ts'
import type {RegistryAction} from '../../core/protocol/registry.ts'
import type {Log} from '../../telemetry/log.ts'
import {appendUpload, beginUpload, cancelUpload, completeUpload, deleteBlob, sendBlob, uploadProgress} from './blob-routes.ts'
import {deleteManifest, putManifest, sendManifest, sendTags} from './manifest-routes.ts'
import {asRegistryError, OciError, replyWithError} from './oci-error.ts'
import {sendReferrers} from './referrer-routes.ts'
import type {Registry} from './registry.ts'
import {parseRegistryPath, type RegistryPath} from './repository-name.ts'

/** Who may do what. Each resolves, or rejects with a CreoError, before any byte of a body is read. */
export interface RegistryAccess {
  /** Somebody whom the network knows: what clients ask to see how to log in. */
  readonly authenticate: (request: FastifyRequest) => Promise<unknown>
  readonly authorize: (request: FastifyRequest, action: RegistryAction, repository: string) => Promise<void>
  /** Gives whoever logged in a token for what it asks for, as far as it may. */
  readonly grant: (request: FastifyRequest) => Promise<Readonly<Record<string, unknown>>>
}

export interface RegistryRoutesOptions {
  readonly registry: Registry
  readonly access: RegistryAccess
  readonly log: Log
  /** Told of each request that is answered an error. */
  readonly onError?: (code: ErrorCode) => void
}

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'] as const

/**
 * The OCI distribution API, below `/v2/`. A fastify plugin: `app.register(registryRoutes, {registry, access, log})`. Blobs are shared by all repositories:
 * who may pull from one and knows a digest can have the blob, as when a base image lies under many functions; manifests and tags belong to their
 * repository.
 */
export function registryRoutes(
  app: FastifyInstance,
  {registry, access, log, onError}: RegistryRoutesOptions,
  registered: () => void
): void {
  app.addHook('onClose', () => registry.sessions.close())
  app.setErrorHandler((error, request, reply) => {
    const known = asRegistryError(error)
    if (known !== error) log.error({err: error, method: request.method, path: request.url}, 'the registry failed')
    onError?.(known.code)
    // What is left of the body would stand before the next request, which would wait for it until it is cut.
    if (!request.raw.complete) reply.header('connection', 'close')
    return replyWithError(reply, known)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('docker-distribution-api-version', 'registry/2.0')
  })
  app.get('/v2/', {config: {described: {about: 'Whether the client is logged in to the registry.'}}}, async (request) => {
    await access.authenticate(request)
    return {}
  })
  app.get('/v2/token', {config: {described: {about: 'A token of the registry, for who brings a password.'}}}, (request) =>
    access.grant(request)
  )
  app.route({
    method: [...METHODS],
    url: '/v2/*',
    config: {described: {about: 'The OCI distribution API, version 1.1: blobs, manifests, tags and referrers.', answerType: '*/*'}},
    handler: async (request, reply) => answer(registry, pathOf(request), request, reply),
    onRequest: async (request) => {
      const path = pathOf(request)
      await access.authorize(request, actionOf(path, request.method), path.repository)
    }
  })
  registered()
}

function pathOf(request: FastifyRequest): RegistryPath {
  return parseRegistryPath((request.params as {'*': string})['*'], request.method)
}

function actionOf({kind}: RegistryPath, method: string): RegistryAction {
  if (method === 'DELETE' && kind !== 'upload') return 'delete'
  return (method === 'GET' || method === 'HEAD') && kind !== 'upload' ? 'pull' : 'push'
}

function answer(
  registry: Registry,
  path: RegistryPath,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> | FastifyReply {
  const {repository} = path
  const {method} = request
  const reads = method === 'GET' || method === 'HEAD'
  if (path.kind === 'uploads' && method === 'POST') return beginUpload(registry, repository, request, reply)
  if (path.kind === 'upload') return answerUpload(registry, path, request, reply)
  if (path.kind === 'blob' && reads) return sendBlob(registry, path.digest, request, reply)
  if (path.kind === 'blob' && method === 'DELETE') return deleteBlob(registry, repository, path.digest, reply)
  if (path.kind === 'manifest' && reads) return sendManifest(registry, path, request, reply)
  if (path.kind === 'manifest' && method === 'PUT') return putManifest(registry, path, request, reply)
  if (path.kind === 'manifest' && method === 'DELETE') return deleteManifest(registry, path, reply)
  if (path.kind === 'tags' && method === 'GET') return sendTags(registry, repository, request, reply)
  if (path.kind === 'referrers' && method === 'GET') return sendReferrers(registry, path, request, reply)
  throw notOffered(request)
}

function answerUpload(
  registry: Registry,
  path: {readonly repository: string; readonly id: string},
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> | FastifyReply {
  switch (request.method) {
    case 'GET':
      return uploadProgress(registry, path.repository, path.id, reply)
    case 'PATCH':
      return appendUpload(registry, path.repository, path.id, request, reply)
    case 'PUT':
      return completeUpload(registry, path.repository, path.id, request, reply)
    case 'DELETE':
      return cancelUpload(registry, path.repository, path.id, reply)
    default:
      throw notOffered(request)
  }
}

function notOffered(request: FastifyRequest): OciError {
  return new OciError('UNSUPPORTED', 405, 'invalid_input', `The registry does not do ${request.method} here.`)
}
