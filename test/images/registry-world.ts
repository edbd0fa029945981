import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import fastify, {type FastifyRequest} from 'fastify'
import {pino} from 'pino'
import {openManifestCatalog} from '../../src/coordinator/registry/catalog.ts'
import {registryRoutes} from '../../src/coordinator/registry/registry-routes.ts'
import {type BlobStore, openBlobStore} from '../../src/images/blob-store.ts'
import type {Log} from '../../src/telemetry/log.ts'

export interface RegistryWorld {
  readonly url: string
  readonly store: BlobStore
  /** Ends the server as a crash would: nothing is tidied up. */
  close(): Promise<void>
}

export type Authorize = (request: FastifyRequest, action: 'pull' | 'push', repository: string) => Promise<void>

/** A registry on a real socket, with its files in `directory`. */
export async function startRegistry(
  directory: string,
  authorize: Authorize = async () => undefined,
  log: Log = pino({level: 'silent'})
): Promise<RegistryWorld> {
  const store = await openBlobStore(join(directory, 'store'))
  const catalog = await openManifestCatalog(join(directory, 'catalog'))
  const app = fastify({forceCloseConnections: true})
  await app.register(registryRoutes, {store, catalog, authorize, nowMs: Date.now, log})
  await app.listen({host: '127.0.0.1', port: 0})
  const {port} = app.server.address() as {port: number}
  return {url: `http://127.0.0.1:${port}`, store, close: () => app.close()}
}

/** A directory of one test, removed by `remove`. */
export async function scratchDirectory(): Promise<{readonly path: string; remove(): Promise<void>}> {
  const path = await mkdtemp(join(tmpdir(), 'creo-images-'))
  return {path, remove: () => rm(path, {recursive: true, force: true})}
}
