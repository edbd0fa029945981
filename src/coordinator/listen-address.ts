import {CreoError} from '../core/errors.ts'

const PORT_MAX = 65_535

/** "127.0.0.1:7700" or "[::1]:7700" → host and port. @throws {CreoError} `usage` */
export function parseListenAddress(text: string): {readonly host: string; readonly port: number} {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host !== undefined && port <= PORT_MAX) return {host, port}
  throw new CreoError('usage', `"${text}" is not an address to listen on.`, {hint: 'Write HOST:PORT, for example 127.0.0.1:7700.'})
}
