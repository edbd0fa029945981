import assert from 'node:assert'
import {createHash} from 'node:crypto'
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {IN_WORDS} from '../../core/issue-words.ts'
import {AFTER_SEQUENCE_HEADER, AFTER_SEQUENCE_WAIT_MAX_MS} from '../../core/protocol/api.ts'
import {ANSWER_TAG} from '../../core/protocol/signing-texts.ts'
import {signAnswer} from '../../identity/answer-signatures.ts'
import {contentDigestOf} from '../../identity/content-digest.ts'
import type {KeyPair} from '../../identity/keys.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {RequestSignals} from './request-signals.ts'
import type {RequestSigner} from './request-signer.ts'

const BODY_BYTES_MAX = 64 * 1024
/** Longer answers are sent without a tag or a signature: they are asked for rarely, and hashing them would hold others up. */
const TAGGED_CHARS_MAX = 2 ** 22
/** Longest that any request may take, long polls included, unless a route may wait for longer. */
const REQUEST_TIME_MAX_MS = 60_000
const sequenceSchema = z.coerce.number().int().min(0)

/** What routes need from their surroundings. */
export interface RouteTools {
  readonly ledger: Ledger
  readonly signer: RequestSigner
  readonly signals: RequestSignals
  /** Whose address a request counts to; undefined when the client has gone. */
  readonly addressOf: (request: FastifyRequest) => string | undefined
  /** The coordinator's own, which signs answers for who asks for that. */
  readonly key: KeyPair
}

export interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** One sentence for who reads the API's document. */
  readonly about: string
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly answer: A
  readonly bodyBytesMax?: number
  /** True: the request is signed by RFC 9421, and the handler learns by which key. */
  readonly signed?: boolean
  /** How long it may wait for something to change, besides the usual. */
  readonly waitMaxMs?: number
  /** What its answers carry besides, for who asks. */
  readonly headers?: (request: FastifyRequest) => Readonly<Record<string, string>>
}

export interface RouteRequest<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Of a signed route. */
  readonly keyId: string
  /** Where it comes from. */
  readonly address: string
  /** Fires when the client has gone, the server stops or the request takes too long. */
  readonly signal: AbortSignal
}

/**
 * One route: everything that comes in is parsed by its schema, what goes out is encoded by one. A handler that gives undefined is answered 204.
 * A read that names a ledger sequence waits until it is there.
 */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  app: FastifyInstance,
  tools: RouteTools,
  spec: RouteSpec<P, Q, B, A>,
  handler: (request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.output<A> | undefined> | z.output<A> | undefined
): void {
  app.route({
    method: spec.method,
    url: spec.path,
    bodyLimit: spec.bodyBytesMax ?? BODY_BYTES_MAX,
    config: {described: spec},
    handler: async (request, reply) => {
      const bytes = Buffer.isBuffer(request.body) ? request.body : undefined
      const keyId = spec.signed ? await tools.signer.keyOf(request, bytes) : ''
      const signal = tools.signals.of(reply.raw, REQUEST_TIME_MAX_MS + (spec.waitMaxMs ?? 0))
      const parsed = {
        params: parsedBy(spec.params, request.params),
        query: parsedBy(spec.query, request.query),
        body: spec.body ? spec.body.parse(jsonOf(bytes), IN_WORDS) : (undefined as z.output<B>),
        keyId,
        address: tools.addressOf(request) ?? '',
        signal
      }
      if (spec.method === 'GET') await waitForSequence(request, tools.ledger, signal)
      if (spec.headers) reply.headers(spec.headers(request))
      const signed = signing(request, bytes, tools)
      const answer = await handler(parsed)
      if (answer === undefined) return reply.code(204).send()
      const text = encoded(spec.answer, answer)
      if (spec.method === 'GET' && !spec.signed && isKnown(request, reply, text)) return reply.code(304).send()
      return reply.headers(signed(text)).type('application/json').send(text)
    }
  })
}

/** Bodies are kept as the bytes that came, because signatures are over bytes. */
export function acceptJsonBytes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', {parseAs: 'buffer'}, (_request, body, done) => done(null, body))
}

function parsedBy<S extends z.ZodType>(schema: S | undefined, value: unknown): z.output<S> {
  return schema ? schema.parse(value, IN_WORDS) : (undefined as z.output<S>)
}

/** An answer that its own schema refuses is a fault of ours, not of who asked. */
function encoded<A extends z.ZodType>(schema: A, answer: z.output<A>): string {
  const wire = z.safeEncode(schema, answer)
  assert(wire.success, `an answer is not of its form: ${wire.error?.message}`)
  return JSON.stringify(wire.data)
}

/** Tags the answer by its content; true when who asks says that it has it. */
function isKnown(request: FastifyRequest, reply: FastifyReply, text: string): boolean {
  if (text.length > TAGGED_CHARS_MAX) return false
  const tag = `"${createHash('sha256').update(text).digest('base64url')}"`
  reply.header('etag', tag).header('cache-control', 'no-cache')
  const known = request.headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? []
  return known.includes(tag) || known.includes('*')
}

/** Signs an answer for who asks for that. @throws {CreoError} `digest_mismatch`, before anything is done, when the body is not the one whose digest came along. */
function signing(request: FastifyRequest, body: Buffer | undefined, {key, ledger}: RouteTools): (text: string) => Record<string, string> {
  const wanted = request.headers['accept-signature']
  if (typeof wanted !== 'string' || !wanted.includes(`tag="${ANSWER_TAG}"`)) return () => ({})
  const asked = {method: request.method, target: request.url, digest: digestOf(request, body)}
  return (text) => (text.length > TAGGED_CHARS_MAX ? {} : signAnswer({status: 200, text, request: asked, key, nowMs: ledger.nowMs()}))
}

/** As it came with the request, when it is its body's. */
function digestOf({headers}: FastifyRequest, body: Buffer | undefined): string | undefined {
  const told = headers['content-digest']
  if (told === undefined || told === contentDigestOf(body ?? '')) return told
  throw new CreoError('digest_mismatch', 'The body is not the one that content-digest names.', {hint: 'Send it again.'})
}

function jsonOf(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(String(bytes ?? ''))
  } catch (cause) {
    throw new CreoError('invalid_input', 'The body is not JSON.', {hint: 'Send content-type: application/json and a JSON object.', cause})
  }
}

async function waitForSequence(request: FastifyRequest, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const header = request.headers[AFTER_SEQUENCE_HEADER]
  if (header === undefined) return
  const sequence = sequenceSchema.safeParse(header)
  if (!sequence.success)
    throw new CreoError('invalid_input', `The header ${AFTER_SEQUENCE_HEADER} is not a ledger sequence.`, {
      hint: 'Send the number that a command was answered with.'
    })
  const timeout = AbortSignal.timeout(AFTER_SEQUENCE_WAIT_MAX_MS)
  try {
    await ledger.projected(sequence.data, AbortSignal.any([signal, timeout]))
  } catch (cause) {
    if (!timeout.aborted) throw cause
    throw new CreoError('timeout', `The ledger did not reach sequence ${sequence.data} in time.`, {hint: 'Ask again.', cause})
  }
}
