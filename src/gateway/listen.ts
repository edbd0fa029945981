import {once} from 'node:events'
import type {AddressInfo, Server, Socket} from 'node:net'
import {Server as TlsServer} from 'node:tls'
import {CreoError} from '../core/errors.ts'

/** Longest wait for requests under way when a server closes. */
const CLOSE_MAX_MS = 10_000

/** Any server that can be told to come to an end. */
interface Endable extends Server {
  closeIdleConnections(): void
}

export interface Listening {
  readonly port: number
  /** `http://host:port`, or `https:` for a TLS server. */
  readonly url: string
  /** For connections from now on; a certificate only where the server has TLS. */
  useLimits(limits: {readonly connections: number; readonly tls: {readonly cert: string; readonly key: string} | undefined}): void
  /** Takes no new connections, waits a while for what runs, then cuts it. */
  close(): Promise<void>
}

/** @throws {CreoError} `port_taken`, `invalid_input` for an address that this machine does not have. */
export async function listenOn(
  server: Endable,
  address: {readonly host: string; readonly port: number},
  {closeMaxMs = CLOSE_MAX_MS}: {readonly closeMaxMs?: number} = {}
): Promise<Listening> {
  const {host, port} = address
  const sockets = openSockets(server)
  server.listen({host, port})
  try {
    await once(server, 'listening')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'EADDRINUSE' || code === 'EACCES') {
      throw new CreoError('port_taken', `Port ${port} of ${host} cannot be used: another program has it, or this user may not.`, {
        hint: 'Choose another port, or stop the other program.',
        cause: error
      })
    }
    throw new CreoError('invalid_input', `${host}:${port} is not an address to listen on.`, {cause: error})
  }
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `${server instanceof TlsServer ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    useLimits: ({connections, tls}) => {
      server.maxConnections = connections
      if (server instanceof TlsServer && tls !== undefined) server.setSecureContext(tls)
    },
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, closeMaxMs)
      await closed
      clearTimeout(timer)
    }
  }
}

/** All connections, also those that were upgraded: the server itself forgets these. */
function openSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

/** "127.0.0.1:7801" or "[::1]:7801". @throws {CreoError} `usage` */
export function parseListen(text: string): {readonly host: string; readonly port: number} {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match?.[1] === undefined || port > 65_535) {
    throw new CreoError('usage', `"${text}" is not an address to listen on.`, {hint: 'Write host:port, for example 127.0.0.1:7801.'})
  }
  return {host: match[1].replace(/^\[|\]$/g, ''), port}
}
