import {chmod, rm} from 'node:fs/promises'
import {createServer, type Server, type Socket} from 'node:net'
import {secretsBytes} from '../runtime/ways-out.ts'
import type {Log} from '../telemetry/log.ts'

/** What does not take the answer by then is cut. */
const SILENT_MAX_MS = 10_000
const CONNECTIONS_MAX = 1

export interface SecretsSocketOptions {
  readonly socketPath: string
  /** Opened when they are asked for, so that a container which waited gets the newest. */
  readonly secrets: () => Promise<Readonly<Record<string, string>>>
  readonly log: Log
}

/**
 * Tells a container's init the secrets of its function, once: when its process is started. After that nobody listens here any more, so that a
 * function can't have them opened over and over.
 */
export async function openSecretsSocket({socketPath, secrets, log}: SecretsSocketOptions): Promise<{close(): Promise<void>}> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket))
    socket.setTimeout(SILENT_MAX_MS, () => socket.destroy())
    const told = (bytes: Buffer): void => {
      socket.end(bytes)
      server.close()
    }
    secrets()
      .then((values) => told(secretsBytes(values)))
      .catch((error: unknown) => {
        log.warn({error: String(error)}, 'the secrets of a function could not be opened')
        socket.destroy()
      })
  })
  server.maxConnections = CONNECTIONS_MAX
  await rm(socketPath, {force: true})
  await listening(server, socketPath)
  await chmod(socketPath, 0o666)
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(socketPath, {force: true})
    }
  }
}

function listening(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
}
