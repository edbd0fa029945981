import type {Readable} from 'node:stream'
import type {FastifyRequest} from 'fastify'
import {CreoError} from '../../core/errors.ts'

const BODY_IDLE_TIMEOUT_MS = 60_000

/** The bytes of the request as they come. A sender that sends nothing for a minute is cut off. */
export async function* requestBody(request: FastifyRequest): AsyncGenerator<Buffer> {
  const body = request.body as Readable | null | undefined
  if (!body) return
  const idle = setTimeout(() => body.destroy(new CreoError('timeout', 'The request’s body stopped coming.')), BODY_IDLE_TIMEOUT_MS)
  try {
    for await (const chunk of body) {
      idle.refresh()
      yield chunk as Buffer
    }
  } finally {
    clearTimeout(idle)
  }
}
