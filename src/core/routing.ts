import {isLoopback} from './loopback.ts'
import type {RoutesTable} from './protocol/tables.ts'

/** What a request is for, once its address is understood (DESIGN.md §4). */
export interface Destination {
  readonly org: string
  readonly app: string
  readonly function: string
  /** The revision that the function's traffic goes to. */
  readonly revision: string
  /** Path and query as the function sees them. */
  readonly target: string
  /** What was cut off in front of the path, without a slash at its end; empty when the host named the app. */
  readonly prefix: string
}

interface AppRoutes {
  readonly org: string
  readonly app: string
  /** Longest first. */
  readonly routes: readonly {readonly path: string; readonly function: string}[]
  readonly revisions: ReadonlyMap<string, string>
}

/** A routes table made ready to be asked for every request. */
export interface RoutingIndex {
  /** By `app--org`. */
  readonly apps: ReadonlyMap<string, AppRoutes>
  /** Domains whose first label names an app or a function. */
  readonly domains: ReadonlySet<string>
}

const LOCAL_DOMAIN = 'localhost'
const PATH_FORM = /^\/@([a-z0-9-]{1,63})(?=[/?]|$)/

/** `domains` are those of the gateway besides `localhost`. */
export function indexRoutes(table: Pick<RoutesTable, 'apps'>, domains: readonly string[]): RoutingIndex {
  const apps = table.apps.map((app): [string, AppRoutes] => [
    `${app.app}--${app.org}`,
    {
      org: app.org,
      app: app.app,
      routes: [...app.routes].sort((a, b) => b.path.length - a.path.length),
      revisions: new Map(app.functions.map((entry) => [entry.function, entry.revision]))
    }
  ])
  return {apps: new Map(apps), domains: new Set([LOCAL_DOMAIN, ...domains])}
}

/** Where a request goes, by its Host header and its target (path and query); undefined when nothing has that address. */
export function routeRequest(index: RoutingIndex, host: string, target: string): Destination | undefined {
  const name = hostName(host)
  if (isLoopback(name)) {
    const match = PATH_FORM.exec(target)
    if (match?.[1] === undefined) return undefined
    const rest = target.slice(match[0].length)
    return destinationOf(index, match[1], rest.startsWith('/') ? rest : `/${rest}`, match[0])
  }
  const dot = name.indexOf('.')
  if (dot === -1 || !index.domains.has(name.slice(dot + 1))) return undefined
  return destinationOf(index, name.slice(0, dot), target, '')
}

/** The lower-case name in a Host header, without port and final dot. */
export function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
}

/** `app--org` by its routes, or `function--app--org` itself. */
function destinationOf(index: RoutingIndex, label: string, target: string, prefix: string): Destination | undefined {
  const parts = label.split('--')
  const app = index.apps.get(parts.slice(-2).join('--'))
  if (app === undefined || parts.length > 3) return undefined
  const name = parts.length === 3 ? parts[0] : routedFunction(app, pathOf(target))
  const revision = name === undefined ? undefined : app.revisions.get(name)
  if (name === undefined || revision === undefined) return undefined
  return {org: app.org, app: app.app, function: name, revision, target, prefix}
}

function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** A prefix ends at a `/` or at the end of the path: `/api` takes `/api` and `/api/x`, not `/apiary`. */
function routedFunction(app: AppRoutes, path: string): string | undefined {
  for (const route of app.routes) {
    if (!path.startsWith(route.path)) continue
    if (path.length === route.path.length || route.path.endsWith('/') || path[route.path.length] === '/') return route.function
  }
  return undefined
}
