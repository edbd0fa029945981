import {CreoError} from '../core/errors.ts'
import {calledFunction} from '../core/protocol/revisions.ts'
import type {Caller} from '../core/protocol/tunnel.ts'
import {type Destination, hostName, type RoutingIndex, routeCall, routeRequest} from '../core/routing.ts'
import {depthOfCall} from './call-depth.ts'
import type {Fleet} from './fleet.ts'
import {HOPS_HEADER} from './headers.ts'
import type {ClientCall} from './http/client-call.ts'
import type {RequestHead} from './http/request-head.ts'
import type {KnownCaller} from './known-caller.ts'

/** Of a Host, in words for people. */
const HOST_CHARACTERS_MAX = 80

export interface AddressOptions {
  readonly fleet: Fleet
  /** Undefined while this gateway may not serve: it has no table, or is not admitted. */
  routing(): RoutingIndex | undefined
  readonly random: () => number
}

/** What a request is for. */
export interface Addressed {
  readonly destination: Destination
  /** The same by the newest table, and by another number drawn where revisions share the traffic. */
  readonly routeAgain: () => Destination
  /** Calls between it and the request from outside that it follows from; 0 for that one itself. */
  readonly depth: number
  /** It is answered, however that went. */
  readonly end: () => void
}

/** @throws {CreoError} `unavailable`, `not_found`; for a function's call `forbidden` and `loop_detected` as well. */
export function addressOf(options: AddressOptions, {client, head}: Pick<ClientCall, 'client' | 'head'>): Addressed {
  const routing = options.routing()
  if (routing === undefined)
    throw new CreoError('unavailable', 'This gateway is not admitted to the network yet.', {hint: 'Try again in a moment.'})
  if (client.caller !== undefined) return addressOfCall(options, routing, client.caller, head)
  const route = (by: RoutingIndex): Destination | undefined => routeRequest(by, head.host, head.target, options.random())
  const destination = route(routing)
  if (destination === undefined) throw new CreoError('not_found', 'Nothing has this address.', {hint: 'Check the name and the path.'})
  return {destination, routeAgain: again(options, route, destination), depth: 0, end: () => undefined}
}

/** Within the caller's app, to what the caller's own revision lists, and never anywhere else. */
function addressOfCall(options: AddressOptions, routing: RoutingIndex, caller: Caller, {host, headers, target}: RequestHead): Addressed {
  const known = options.fleet.callerOf(caller)
  if (known === undefined)
    throw new CreoError('forbidden', 'The node that passes this call on has no such instance.', {hint: 'Try again in a moment.'})
  const name = listedFunction(known, host)
  const {org, app} = known.revision
  const route = (by: RoutingIndex): Destination | undefined => routeCall(by, {org, app, function: name}, target, options.random())
  const destination = route(routing)
  if (destination === undefined)
    throw new CreoError('not_found', `The app ${app} has no function ${name}.`, {hint: 'Deploy it, or take it off calls: in creo.yaml.'})
  const counted = known.depths?.caller()
  const depth = depthOfCall(counted, headerOf(headers, HOPS_HEADER))
  if (counted === undefined) return {destination, routeAgain: again(options, route, destination), depth, end: () => undefined}
  counted.calls += 1
  const end = (): void => {
    counted.calls -= 1
  }
  return {destination, routeAgain: again(options, route, destination), depth, end}
}

/** @throws {CreoError} `forbidden` */
function listedFunction({revision}: KnownCaller, host: string): string {
  const name = calledFunction(hostName(host))
  if (name !== undefined && revision.spec.calls?.includes(name)) return name
  throw new CreoError('forbidden', `The function ${revision.function} may not call ${host.slice(0, HOST_CHARACTERS_MAX)}.`, {
    hint: 'List the function under calls: in creo.yaml, and deploy again.'
  })
}

function again({routing}: AddressOptions, route: (by: RoutingIndex) => Destination | undefined, otherwise: Destination): () => Destination {
  return () => {
    const newest = routing()
    return (newest && route(newest)) ?? otherwise
  }
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1]
  return undefined
}
