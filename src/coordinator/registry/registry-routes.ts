import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import {isCreoError} from '../../core/errors.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import type {Log} from '../../telemetry/log.ts'
import {appendUpload, beginUpload, cancelUpload, completeUpload, sendBlob, uploadProgress} from './blob-routes.ts'
import type {ManifestCatalog} from './catalog.ts'
import {putManifest, sendManifest, sendTags} from './manifest-routes.ts'
import {OciError, replyWithError} from './oci-error.ts'
import {parseRegistryPath, type RegistryPath} from './repository-name.ts'
import {type StorageLimits, StorageRoom} from './storage-room.ts'
import {UploadSessions} from './upload-sessions.ts'

export interface RegistryOptions {
  readonly store: BlobStore
  readonly catalog: ManifestCatalog
  /** Resolves when the request may do this, rejects with a CreoError when it may not. Asked before any byte of a body is read. */
  readonly authorize: (request: FastifyRequest, action: 'pull' | 'push', repository: string) => Promise<void>
  readonly nowMs: () => number
  readonly log: Log
  readonly limits?: Partial<StorageLimits>
}

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'] as const

/**
 * The part of the OCI distribution API that pushing and pulling need, below `/v2/`. A fastify plugin:
 * `app.register(registryRoutes, {store, catalog, authorize, nowMs, log})`. Blobs are shared by all repositories: who may pull from one and knows a
 * digest can have the blob, as when a base image lies under many functions; manifests and tags belong to their repository.
 */
export function registryRoutes(app: FastifyInstance, options: RegistryOptions, registered: () => void): void {
  const sessions = new UploadSessions(options.store, options.nowMs, new StorageRoom(options.store.directory, options.limits))
  const tools = {...options, sessions}
  app.addHook('onClose', () => sessions.close())
  app.setErrorHandler((error, request, reply) => {
    if (!isCreoError(error)) options.log.error({err: error, method: request.method, path: request.url}, 'the registry failed')
    return replyWithError(reply, error)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.get('/v2/', (_request, reply) => reply.header('docker-distribution-api-version', 'registry/2.0').send({}))
  app.route({
    method: [...METHODS],
    url: '/v2/*',
    handler: async (request, reply) => {
      const path = parseRegistryPath((request.params as {'*': string})['*'])
      reply.header('docker-distribution-api-version', 'registry/2.0')
      return answer(tools, path, request, reply)
    },
    onRequest: async (request) => {
      const path = parseRegistryPath((request.params as {'*': string})['*'])
      const reads = (request.method === 'GET' || request.method === 'HEAD') && path.kind !== 'upload'
      await options.authorize(request, reads ? 'pull' : 'push', path.repository)
    }
  })
  registered()
}

type Tools = RegistryOptions & {readonly sessions: UploadSessions}

function answer(tools: Tools, path: RegistryPath, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> | FastifyReply {
  const {repository} = path
  if (path.kind === 'uploads' && request.method === 'POST') return beginUpload(tools, repository, request, reply)
  if (path.kind === 'upload') return answerUpload(tools, path, request, reply)
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (path.kind === 'blob' && reads) return sendBlob(tools, path.digest, request, reply)
  if (path.kind === 'manifest' && reads) return sendManifest(tools, path, request, reply)
  if (path.kind === 'manifest' && request.method === 'PUT') return putManifest(tools, path, request, reply)
  if (path.kind === 'tags' && request.method === 'GET') return sendTags(tools, repository, request, reply)
  throw notOffered(request)
}

function answerUpload(
  tools: Tools,
  path: {readonly repository: string; readonly id: string},
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> | FastifyReply {
  switch (request.method) {
    case 'GET':
      return uploadProgress(tools, path.repository, path.id, reply)
    case 'PATCH':
      return appendUpload(tools, path.repository, path.id, request, reply)
    case 'PUT':
      return completeUpload(tools, path.repository, path.id, request, reply)
    case 'DELETE':
      return cancelUpload(tools, path.repository, path.id, reply)
    default:
      throw notOffered(request)
  }
}

function notOffered(request: FastifyRequest): OciError {
  return new OciError('UNSUPPORTED', 405, 'invalid_input', `The registry does not do ${request.method} here.`)
}
