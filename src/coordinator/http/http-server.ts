import Fastify, {type FastifyInstance, type FastifyReply} from 'fastify'
import {CreoError} from '../../core/errors.ts'
import type {Log} from '../../telemetry/log.ts'
import {createMetrics} from '../../telemetry/metrics.ts'
import {createAccess} from '../registry/access.ts'
import type {Registry} from '../registry/registry.ts'
import {registryRoutes} from '../registry/registry-routes.ts'
import type {CoordinatorSettings} from '../settings.ts'
import type {ClientLimits} from './client-limits.ts'
import {asCreoError, sendError, unknownAddress} from './error-answer.ts'
import {ErrorCounts} from './error-counts.ts'
import {type ObservedTools, observe} from './observe.ts'
import {openApiRoute} from './openapi.ts'
import {PlainRequests, refuseConnect} from './plain-requests.ts'
import {acceptJsonBytes} from './route.ts'
import {accountRoutes} from './routes-accounts.ts'
import {type AppReportTools, appReportRoutes} from './routes-app-reports.ts'
import {type AppTools, appRoutes} from './routes-apps.ts'
import {type CallTools, callRoutes} from './routes-calls.ts'
import {type CommandTools, commandRoutes} from './routes-commands.ts'
import {type EventTools, eventRoutes} from './routes-events.ts'
import {marketRoutes} from './routes-market.ts'
import {type NetworkTools, networkRoutes} from './routes-network.ts'
import {type NodeTools, nodeRoutes} from './routes-nodes.ts'
import {operatorRoutes, readOperatorFiles} from './routes-operator.ts'
import {type PictureTools, pictureRoutes} from './routes-pictures.ts'
import {type ReputationTools, reputationRoutes} from './routes-reputation.ts'
import {type SecretTools, secretRoutes} from './routes-secrets.ts'
import {type WebhookTools, webhookRoutes} from './routes-webhooks.ts'

/** A layer of an image over 1 Mbit/s takes a quarter of an hour. */
const REQUEST_TIMEOUT_MS = 30 * 60_000
const PARAM_LENGTH_MAX = 512
/** Answers under way get this long once the server stops; a client that reads slower is cut, and asks again. */
const CLOSE_MAX_MS = 5000

export interface HttpTools
  extends AppTools,
    Omit<AppReportTools, 'scheduler'>,
    CallTools,
    CommandTools,
    EventTools,
    NodeTools,
    NetworkTools,
    ObservedTools,
    PictureTools,
    Omit<ReputationTools, 'scheduler'>,
    SecretTools,
    WebhookTools {
  readonly settings: CoordinatorSettings
  readonly limits: ClientLimits
  readonly registry: Registry
  readonly log: Log
}

/** The coordinator's whole HTTP surface, ready to listen. */
export async function buildHttpServer(tools: HttpTools): Promise<FastifyInstance> {
  const plain = new PlainRequests()
  const app = Fastify({
    logger: false,
    http: {requireHostHeader: false},
    clientErrorHandler: (error, socket) => plain.refuseUnparsed(error, socket),
    frameworkErrors: (error, request, reply) => {
      sendError(plain.faultIn(request.raw, reply.raw) ?? error, reply, tools.log)
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    routerOptions: {maxParamLength: PARAM_LENGTH_MAX}
  })
  // Their size is limited: not one of them is overlooked for their number.
  app.server.maxHeadersCount = 0
  app.server.on('checkExpectation', (request, answer) => plain.refuseExpectation(request, answer)).on('connect', refuseConnect)
  app.addHook('onRequest', (request, reply, done) => done(plain.faultIn(request.raw, reply.raw)))
  acceptJsonBytes(app)
  const errors = {api: new ErrorCounts(), registry: new ErrorCounts()}
  const fail = (error: unknown, reply: FastifyReply): FastifyReply => {
    errors.api.add(asCreoError(error).code)
    return sendError(error, reply, tools.log)
  }
  app.setErrorHandler((error, _request, reply) => fail(error, reply))
  app.setNotFoundHandler((request, reply) => fail(unknownAddress(request), reply))
  openApiRoute(app, tools)
  app.addHook('onRequest', async (request) => tools.limits.takeFromAddress(tools.addressOf(request)))
  observe(app, createMetrics(), errors, tools)
  const all = [networkRoutes, commandRoutes, accountRoutes, marketRoutes, appRoutes, appReportRoutes, callRoutes, nodeRoutes, secretRoutes]
  for (const routes of [...all, eventRoutes, reputationRoutes, webhookRoutes, pictureRoutes]) routes(app, tools)
  await app.register(operatorRoutes, {tools, errors, files: await readOperatorFiles()})
  const {ledger, signer, registry, log} = tools
  const access = createAccess({reads: ledger.reads, signer, networkId: ledger.networkId, nowMs: () => ledger.nowMs()})
  await app.register(registryRoutes, {registry, access, log, onError: (code) => errors.registry.add(code)})
  return app
}

/** Listens and answers the URL. @throws {CreoError} `port_taken`. */
export async function listenAt(app: FastifyInstance, {host, port}: {readonly host: string; readonly port: number}): Promise<string> {
  try {
    return await app.listen({host, port})
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'EADDRINUSE')
      throw new CreoError('port_taken', `Another program listens on ${host}:${port}.`, {
        hint: 'End it, or choose another address with --listen.',
        cause
      })
    throw new CreoError('failed', `Cannot listen on ${host}:${port} (${String(code ?? cause)}).`, {
      hint: 'Choose another address with --listen.',
      cause
    })
  }
}

/** Ends what is under way and frees the port: within seconds, whoever has stopped reading. */
export async function closeWithin(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_MAX_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
  }
}
