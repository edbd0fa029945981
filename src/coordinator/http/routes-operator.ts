import {readFile} from 'node:fs/promises'
import type {FastifyInstance, FastifyRequest} from 'fastify'
import {programFile} from '../../config/paths.ts'
import {CreoError} from '../../core/errors.ts'
import {isLoopback} from '../../core/loopback.ts'
import {operatorViewSchema} from '../../core/protocol/operator.ts'
import type {CountedErrors, Overview} from '../operator/overview.ts'
import {type RouteTools, route} from './route.ts'

const PLACE = programFile('packaging/operator/')
/** Nothing but its own two files and this coordinator; no markup is made of text. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'"
].join('; ')
const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-cache'
}
/** Headers that proxies add, each some of them. */
const OF_PROXIES = /^(forwarded|via|x-forwarded-[a-z]+|x-real-ip)$/
const FILES = [
  {url: '/operator', file: 'page.html', type: 'text/html', about: "The operator's page, for who is on this machine."},
  {url: '/operator/page.css', file: 'page.css', type: 'text/css', about: "How the operator's page looks."},
  {url: '/operator/page.js', file: 'page.js', type: 'text/javascript', about: "What the operator's page does."}
] as const

export interface OperatorTools extends RouteTools {
  readonly overview: Overview
}

export interface OperatorRoutesOptions {
  readonly tools: OperatorTools
  readonly errors: CountedErrors
  readonly files: readonly OperatorFile[]
}

type OperatorFile = (typeof FILES)[number] & {readonly bytes: Uint8Array}

export async function readOperatorFiles(): Promise<OperatorFile[]> {
  return await Promise.all(FILES.map(async (one) => ({...one, bytes: await readFile(new URL(one.file, PLACE))})))
}

/** A page on how the network is. Who may see it is on this machine, or comes through a tunnel to it: a browser can't sign as the operator. A fastify plugin. */
export function operatorRoutes(app: FastifyInstance, {tools, errors, files}: OperatorRoutesOptions, registered: () => void): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    refuseStrangers(request)
  })
  for (const {url, type, about, bytes} of files) {
    app.get(url, {config: {described: {about, answerType: type}}}, (_request, reply) => reply.type(`${type}; charset=utf-8`).send(bytes))
  }
  route(app, tools, {method: 'GET', path: '/operator/data', about: "What the operator's page shows.", answer: operatorViewSchema}, () =>
    tools.overview.view(errors)
  )
  registered()
}

/**
 * Neither another machine, nor what a proxy of this one passes on, nor a page of another origin: that could have a name of its own lead here.
 * @throws {CreoError} `forbidden`
 */
function refuseStrangers({headers, socket, raw}: FastifyRequest): void {
  const [peer, own] = [addressOf(socket.remoteAddress), addressOf(socket.localAddress)]
  const host = headers.host?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') ?? ''
  const isHere = (name: string): boolean => isLoopback(name) || (name !== '' && name === own)
  // No browser speaks HTTP/1.0 any more; a proxy that adds no header often does.
  const isPassedOn = raw.httpVersion === '1.0' || Object.keys(headers).some((name) => OF_PROXIES.test(name))
  const isForeign = !['same-origin', 'none', undefined].includes(headers['sec-fetch-site'] as string | undefined)
  if (isHere(peer) && isHere(host) && !isPassedOn && !isForeign) return
  throw new CreoError('forbidden', "The operator's page is shown on the coordinator's own machine alone.", {
    hint: 'Open a tunnel, ssh -L 7700:127.0.0.1:7700 HOST, and then http://127.0.0.1:7700/operator'
  })
}

/** Of a socket that takes both kinds, an IPv4 address as it is written alone. */
function addressOf(address = ''): string {
  return address.replace(/^::ffff:/, '')
}
