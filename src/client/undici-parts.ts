import {createRequire} from 'node:module'
import type {Agent, Dispatcher} from 'undici'

const require = createRequire(import.meta.url)

/**
 * undici's agent without the rest of undici: its index loads a browser's fetch, WebSocket, caches and mocks as well, a hundred files that no command needs
 * and that took a quarter of each command's time. The version is pinned, and so are the paths of these two files.
 */
export const AgentOnly = require('undici/lib/dispatcher/agent.js') as typeof Agent

const api = require('undici/lib/api/index.js') as {
  readonly request: (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>
}

/** undici's `request` over an agent that may be one of `AgentOnly`. */
export function requestBy(dispatcher: Dispatcher, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  return api.request.call(dispatcher, options)
}
