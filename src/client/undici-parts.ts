import {createRequire} from 'node:module'
import type {Dispatcher, Agent as UndiciAgent, Client as UndiciClient, Pool as UndiciPool, request as undiciRequest} from 'undici'

const require = createRequire(import.meta.url)

/**
 * undici's agents without the rest of undici: its index loads a browser's fetch, WebSocket, caches and mocks as well, a hundred files that nothing here needs,
 * that took a quarter of each command's time, and five MiB of each role's memory. The version is pinned, and so are the paths of these files.
 */
export const AgentOnly = require('undici/lib/dispatcher/agent.js') as typeof UndiciAgent
const PoolOnly = require('undici/lib/dispatcher/pool.js') as typeof UndiciPool
const ClientOnly = require('undici/lib/dispatcher/client.js') as typeof UndiciClient

const api = require('undici/lib/api/index.js') as {
  readonly request: (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>
}
const {prototype} = require('undici/lib/dispatcher/dispatcher.js') as typeof Dispatcher
// What undici's index does, so that agents and pools have a `request` of their own.
Object.assign(prototype, api)

/** undici's `request` over an agent that may be one of `AgentOnly`. */
export function requestBy(dispatcher: Dispatcher, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  return api.request.call(dispatcher, options)
}

type RequestTo = Parameters<typeof undiciRequest>[1]
let shared: Dispatcher | undefined

/** undici's `request` of a whole address, over the dispatcher that is given or one that all share. */
function requestTo(address: string | URL, {dispatcher, ...options}: NonNullable<RequestTo> = {}): Promise<Dispatcher.ResponseData> {
  const {origin, pathname, search} = new URL(address)
  shared ??= new AgentOnly()
  return requestBy(dispatcher ?? shared, {...options, opaque: null, method: options.method ?? 'GET', origin, path: pathname + search})
}

/** The parts under undici's own names, for who is handed undici. */
export const undiciParts = {Agent: AgentOnly, Pool: PoolOnly, Client: ClientOnly, request: requestTo as typeof undiciRequest}
