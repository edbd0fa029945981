import {type Agent, request} from 'undici'
import {CreoError} from '../core/errors.ts'

const REQUEST_TIMEOUT_MS = 30_000
/** The coordinator's longest lists, with a thousand apps of many functions, fit. */
const BODY_BYTES_MAX = 16 * 2 ** 20

/** One GET; the body is bounded and the wait too. @throws {CreoError} `payload_too_large` */
export async function ask(
  url: string,
  options: {readonly agent?: Agent; readonly signal: AbortSignal}
): Promise<{readonly status: number; readonly text: string}> {
  const {statusCode, body} = await request(url, {
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    ...(options.agent === undefined ? {} : {dispatcher: options.agent})
  })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new CreoError('payload_too_large', `${url} answers more than ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return {status: statusCode, text: Buffer.concat(chunks).toString()}
}
