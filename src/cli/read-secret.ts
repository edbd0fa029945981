import {createReadStream} from 'node:fs'
import {addAbortSignal} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import {askHidden} from './prompt.ts'

/** No secret is nearly as long; what is longer is not read on. */
const INPUT_BYTES_MAX = 64 * 1024

/** A value that is not to be seen: from a file, from a pipe, or typed on the terminal without being shown. */
export async function readSecret(options: {
  readonly file: string | undefined
  readonly question: string
  readonly signal: AbortSignal
}): Promise<Buffer> {
  const {file, question, signal} = options
  if (file !== undefined) return await bounded(createReadStream(file, {signal}))
  if (process.stdin.isTTY) return Buffer.from(await askHidden(question, {flag: '--from-file', signal}))
  return await bounded(addAbortSignal(signal, process.stdin))
}

async function bounded(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > INPUT_BYTES_MAX)
      throw new CreoError('invalid_input', `The value has more than ${INPUT_BYTES_MAX} bytes.`, {
        hint: 'Keep the long part elsewhere, and its key here.'
      })
  }
  return Buffer.concat(chunks)
}
