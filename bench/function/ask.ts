import {once} from 'node:events'
import {type IncomingMessage, type RequestOptions, request} from 'node:http'

export interface Question {
  /** A unix socket, or a port on loopback. */
  readonly to: {readonly socketPath: string} | {readonly port: number}
  readonly path: string
  readonly host: string
  /** Posted when larger than 0. */
  readonly bodyBytes?: number
  readonly signal: AbortSignal
}

/**
 * One request on a connection of its own; how long it took to the end of its answer, and how large that was.
 * Any status but 200 is an error that carries the answer's words.
 */
export async function ask({to, path, host, bodyBytes = 0, signal}: Question): Promise<{readonly ms: number; readonly bytes: number}> {
  const beganMs = performance.now()
  const options: RequestOptions = {path, method: bodyBytes > 0 ? 'POST' : 'GET', headers: {host}, agent: false, signal}
  const asked = request('socketPath' in to ? {...options, ...to} : {...options, host: '127.0.0.1', ...to})
  asked.end(bodyBytes > 0 ? Buffer.alloc(bodyBytes, 'x') : undefined)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  if (answer.statusCode !== 200) throw new Error(`${path} was answered ${answer.statusCode}: ${bytes.toString('utf8', 0, 500)}`)
  return {ms: performance.now() - beganMs, bytes: bytes.length}
}
