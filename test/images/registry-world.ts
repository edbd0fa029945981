import {mkdtemp, rm} from 'node:fs/promises'
import {connect, createServer, type Server, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import fastify, {type FastifyRequest} from 'fastify'
import {pino} from 'pino'
import {openRegistry, type Registry, type RegistryOptions} from '../../src/coordinator/registry/registry.ts'
import {registryRoutes} from '../../src/coordinator/registry/registry-routes.ts'
import type {BlobStore} from '../../src/images/blob-store.ts'
import type {Log} from '../../src/telemetry/log.ts'

export interface RegistryWorld {
  readonly url: string
  readonly store: BlobStore
  readonly registry: Registry
  /** Ends the server as a crash would: nothing is tidied up. */
  close(): Promise<void>
}

export type Authorize = (request: FastifyRequest, action: 'pull' | 'push' | 'delete', repository: string) => Promise<void>

/** A registry on a real socket, with its files in `directory`. */
export async function startRegistry(
  directory: string,
  authorize: Authorize = async () => undefined,
  log: Log = pino({level: 'silent'}),
  options: Partial<RegistryOptions> = {}
): Promise<RegistryWorld> {
  const registry = await openRegistry({directory: join(directory, 'store'), nowMs: Date.now, liveImages: () => new Set(), ...options})
  const app = fastify({forceCloseConnections: true})
  const access = {authorize, authenticate: async () => undefined, grant: async () => ({})}
  await app.register(registryRoutes, {registry, access, log})
  await app.listen({host: '127.0.0.1', port: 0})
  const {port} = app.server.address() as {port: number}
  return {url: `http://127.0.0.1:${port}`, store: registry.store, registry, close: () => app.close()}
}

/** A directory of one test, removed by `remove`. */
export async function scratchDirectory(): Promise<{readonly path: string; remove(): Promise<void>}> {
  const path = await mkdtemp(join(tmpdir(), 'creo-images-'))
  return {path, remove: () => rm(path, {recursive: true, force: true})}
}

export interface CuttingLink {
  readonly url: string
  readonly cuts: number
  onCut(listener: () => void): void
  close(): Promise<void>
}

/** A TCP relay that resets a connection after so many bytes in one direction, as often as `cuts` says. */
export async function startCuttingLink(
  target: string,
  options: {readonly afterBytes?: number; readonly afterUpstreamBytes?: number; readonly cuts: number}
): Promise<CuttingLink> {
  const {hostname, port} = new URL(target)
  const sockets = new Set<Socket>()
  const listeners: (() => void)[] = []
  let cuts = 0
  const server: Server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    const relay = (from: Socket, to: Socket, limit: number): void => {
      let bytes = 0
      from.on('data', (chunk) => {
        const left = limit - bytes
        bytes += chunk.length
        if (bytes > limit && cuts < options.cuts) {
          cuts += 1
          from.pause()
          to.write(chunk.subarray(0, left), () => {
            near.resetAndDestroy()
            far.resetAndDestroy()
            for (const listener of listeners) listener()
          })
          return
        }
        if (!to.write(chunk)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
      from.on('end', () => to.end())
    }
    relay(far, near, options.afterBytes ?? Number.POSITIVE_INFINITY)
    relay(near, far, options.afterUpstreamBytes ?? Number.POSITIVE_INFINITY)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as {port: number}).port}`,
    get cuts() {
      return cuts
    },
    onCut: (listener) => listeners.push(listener),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
