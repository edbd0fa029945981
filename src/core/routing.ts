import {isLoopback} from './loopback.ts'
import type {RoutesTable} from './protocol/tables.ts'
import {pickShare} from './traffic.ts'

/** What a request is for, once its address is understood (DESIGN.md §4). */
export interface Destination {
  readonly org: string
  readonly app: string
  readonly function: string
  /** By its tag, or by its share of the function's traffic. */
  readonly revision: string
  /** The tag was asked for: no other revision will do. */
  readonly isPinned: boolean
  /** Path and query as the function sees them. */
  readonly target: string
  /** What was cut off in front of the path, without a slash at its end; empty when the host named the app. */
  readonly prefix: string
  /** In an app with a function that serves listed files: this one does, or it answers beside one and must not pass for it. */
  readonly pages?: 'own' | 'beside'
}

interface AppRoutes {
  readonly org: string
  readonly app: string
  /** Longest first. */
  readonly routes: readonly {readonly path: string; readonly function: string}[]
  /** The table's own entries by name. */
  readonly functions: ReadonlyMap<string, RoutesTable['apps'][number]['functions'][number]>
  /** Names of those that serve listed files; undefined when none does. */
  readonly pages: ReadonlySet<string> | undefined
}

/** A routes table made ready to be asked for every request. */
export interface RoutingIndex {
  /** What hosts that were asked for mean, so that they are not taken apart for each request. */
  readonly hosts: Map<string, HostMeaning>
  /** By `app--org`. */
  readonly apps: ReadonlyMap<string, AppRoutes>
  /** Domains whose first label names an app or a function. */
  readonly domains: ReadonlySet<string>
  /** What a loopback address means without `/@`. */
  readonly localApp: Address | undefined
}

/** What a Host header says by itself. */
type HostMeaning = {readonly kind: 'loopback' | 'unknown'} | {readonly kind: 'named'; readonly address: Address}

interface Address {
  readonly app: AppRoutes
  /** Undefined when the path decides. */
  readonly function: string | undefined
  readonly tag: string | undefined
}

/** Hosts that are remembered; anybody can make up more, so all are forgotten then. */
const HOSTS_MAX = 4096
const LOCAL_DOMAIN = 'localhost'
const PATH_FORM = /^\/@([a-z0-9-]{1,63})(?=[/?]|$)/

/** `domains` are those of the gateway besides `localhost`; `localApp` is `org/app`, what a loopback address means by itself. */
export function indexRoutes(
  table: Pick<RoutesTable, 'apps'> & Partial<Pick<RoutesTable, 'revisions'>>,
  domains: readonly string[],
  localApp?: string
): RoutingIndex {
  const withAssets = new Set(table.revisions?.flatMap(({id, spec}) => (spec.assets === undefined ? [] : [id])))
  const apps = table.apps.map((app): [string, AppRoutes] => [
    `${app.app}--${app.org}`,
    {
      org: app.org,
      app: app.app,
      routes: [...app.routes].sort((a, b) => b.path.length - a.path.length),
      functions: new Map(app.functions.map((entry) => [entry.function, entry])),
      pages: pagesOf(app, withAssets)
    }
  ])
  const local = apps.find(([, {org, app}]) => `${org}/${app}` === localApp)?.[1]
  return {
    hosts: new Map(),
    apps: new Map(apps),
    domains: new Set([LOCAL_DOMAIN, ...domains]),
    localApp: local === undefined ? undefined : {app: local, function: undefined, tag: undefined}
  }
}

/** Of the functions of an app, those of which a revision that serves has listed files. */
function pagesOf({functions}: RoutesTable['apps'][number], withAssets: ReadonlySet<string>): ReadonlySet<string> | undefined {
  if (withAssets.size === 0) return undefined
  const pages = functions.filter(({revision, traffic = [], tags = []}) =>
    [{revision}, ...traffic, ...tags].some((served) => withAssets.has(served.revision))
  )
  return pages.length === 0 ? undefined : new Set(pages.map((entry) => entry.function))
}

/**
 * Where a request goes, by its Host header and its target (path and query), and by a number from 0 up to 1 drawn for it where revisions share the
 * traffic; undefined when nothing has that address.
 */
export function routeRequest(index: RoutingIndex, host: string, target: string, random: number): Destination | undefined {
  const meaning = index.hosts.get(host) ?? rememberHost(index, host)
  if (meaning.kind === 'named') return destinationOf(meaning.address, {target, prefix: '', random})
  if (meaning.kind === 'unknown') return undefined
  const match = PATH_FORM.exec(target)
  if (match === null) return index.localApp === undefined ? undefined : destinationOf(index.localApp, {target, prefix: '', random})
  const address = match[1] === undefined ? undefined : addressOf(index, match[1])
  if (address === undefined) return undefined
  const rest = target.slice(match[0].length)
  return destinationOf(address, {target: rest.startsWith('/') ? rest : `/${rest}`, prefix: match[0], random})
}

/** The app that a request is for, and what stands behind its address in the target, whatever function that is; undefined when it names no app. */
export function splitTarget(
  index: RoutingIndex,
  host: string,
  target: string
): {readonly org: string; readonly app: string; readonly prefix: string; readonly rest: string} | undefined {
  const meaning = index.hosts.get(host) ?? rememberHost(index, host)
  const match = meaning.kind === 'loopback' ? PATH_FORM.exec(target) : null
  const whole = meaning.kind === 'loopback' && match === null ? index.localApp : meaning.kind === 'named' ? meaning.address : undefined
  if (whole !== undefined) {
    const {org, app} = whole.app
    return {org, app, prefix: '', rest: target}
  }
  const address = match?.[1] === undefined ? undefined : addressOf(index, match[1])
  if (match === null || address === undefined) return undefined
  const {org, app} = address.app
  return {org, app, prefix: match[0], rest: target.slice(match[0].length)}
}

/** Where a call of one function of an app to another one goes; undefined when the app has no such function. */
export function routeCall(
  index: RoutingIndex,
  {org, app, function: name}: {readonly org: string; readonly app: string; readonly function: string},
  target: string,
  random: number
): Destination | undefined {
  const routes = index.apps.get(`${app}--${org}`)
  return routes === undefined ? undefined : destinationOf({app: routes, function: name, tag: undefined}, {target, prefix: '', random})
}

function rememberHost(index: RoutingIndex, host: string): HostMeaning {
  if (index.hosts.size >= HOSTS_MAX) index.hosts.clear()
  const meaning = meaningOf(index, hostName(host))
  index.hosts.set(host, meaning)
  return meaning
}

function meaningOf(index: RoutingIndex, name: string): HostMeaning {
  if (isLoopback(name)) return {kind: 'loopback'}
  const dot = name.indexOf('.')
  const address = dot !== -1 && index.domains.has(name.slice(dot + 1)) ? addressOf(index, name.slice(0, dot)) : undefined
  return address === undefined ? {kind: 'unknown'} : {kind: 'named', address}
}

/** The lower-case name in a Host header, without port and final dot. */
export function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
}

/** `app--org`, `function--app--org`, or `tag--function--app--org`. */
function addressOf(index: RoutingIndex, label: string): Address | undefined {
  const parts = label.split('--')
  const app = index.apps.get(parts.slice(-2).join('--'))
  return app === undefined || parts.length > 4 ? undefined : {app, function: parts.at(-3), tag: parts.at(-4)}
}

interface Asked {
  readonly target: string
  readonly prefix: string
  readonly random: number
}

/** The function that is named, or the one that the app's routes send this path to; of its revisions the tagged one, or one by chance. */
function destinationOf({app, function: named, tag}: Address, {target, prefix, random}: Asked): Destination | undefined {
  const name = named ?? routedFunction(app, pathOf(target))
  const entry = name === undefined ? undefined : app.functions.get(name)
  if (name === undefined || entry === undefined) return undefined
  const {traffic, tags = []} = entry
  const shared = traffic === undefined ? entry.revision : pickShare(traffic, random)
  const revision = tag === undefined ? shared : tags.find((known) => known.tag === tag)?.revision
  if (revision === undefined) return undefined
  const destination = {org: app.org, app: app.app, function: name, revision, isPinned: tag !== undefined, target, prefix}
  return app.pages === undefined ? destination : {...destination, pages: app.pages.has(name) ? 'own' : 'beside'}
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
