import type {CreoError} from '../core/errors.ts'
import {failureWords, isByFunction, signalOf} from '../core/instance-failure.ts'
import type {LogLine} from '../core/protocol/api.ts'
import type {RevisionReadiness} from '../core/protocol/app-reports.ts'

/** A revision is given up when each of its nodes has failed with it, and so many starts in all. */
const FAILURES_MIN = 2

/** What a node said on the way, as what it comes to once nobody waits any longer. */
const AT_THE_END: Readonly<Record<string, string>> = {not_listening_yet: 'port_not_opened', not_healthy_yet: 'unhealthy'}

/** Why a deployed function does not answer. */
export interface Trouble {
  readonly function: string
  readonly revision: string
  /**
   * `crash`, `out_of_memory`, `port_not_opened`, `unhealthy`, `wrong_architecture`, `too_large` (for every node), `image` (it could not be had), `node` (the node's own fault), `timeout`, `pool_empty`,
   * `day_spent`, `no_node`, `no_gateway`.
   */
  readonly reason: string
  readonly message: string
  /** It would be the same however long one waits. */
  readonly isFinal: boolean
  /** Where it failed; null when no instance was started. */
  readonly node: string | null
  readonly instance: string | null
  readonly exitCode: number | null
  /** Name of the signal that killed it. */
  readonly signal: string | null
}

/** What is known of a function that is asked. */
export interface Asked {
  readonly function: string
  readonly revision: string
  readonly port: number
}

/** What will not become better by waiting: every node that may run the revision has failed with it by the function's own doing. */
export function finalTrouble(asked: Asked, seen: RevisionReadiness): Trouble | undefined {
  const own = seen.failures.filter(({failure}) => failure !== undefined && isByFunction(failure))
  const failedOn = new Set(own.map(({node}) => node))
  const last = own.at(-1)
  if (last === undefined || seen.nodes.length === 0 || !seen.nodes.every((node) => failedOn.has(node))) return undefined
  const isCertain = last.failure?.reason === 'wrong_architecture'
  return own.length >= FAILURES_MIN || isCertain ? {...failedInstance(asked, last), isFinal: true} : undefined
}

/** What is known once the time is over. `last` is what the gateway said last. */
export function lastTrouble(asked: Asked, seen: RevisionReadiness | undefined, last: CreoError): Trouble {
  const failed = seen?.failures.at(-1)
  if (failed !== undefined) return failedInstance(asked, failed)
  if (last.code === 'reward_pool_empty') return withoutInstance(asked, 'pool_empty', last.message)
  if (seen === undefined || seen.nodes.length > 0) return withoutInstance(asked, 'timeout', `${last.message} (${last.code})`)
  return unhosted(asked, seen)
}

/** What keeps every node that is there from a revision, as the coordinator knows: until somebody does something, nothing comes. */
export function hopelessTrouble(asked: Asked, seen: RevisionReadiness): Trouble | undefined {
  if (seen.nodes.length > 0 || seen.failures.length > 0) return undefined
  return seen.candidates === 0 || seen.shortOfPay !== null ? unhosted(asked, seen) : undefined
}

function unhosted(asked: Asked, seen: RevisionReadiness): Trouble {
  if (seen.shortOfPay === 'pool_empty')
    return withoutInstance(asked, 'pool_empty', 'The reward pool that should pay it is empty, so no node was asked.')
  if (seen.shortOfPay !== null)
    return withoutInstance(asked, 'day_spent', 'Its function has spent its budget for today, so no node was asked.')
  if (seen.otherArchitecture > 0)
    return withoutInstance(asked, 'wrong_architecture', `No node is of an architecture that it is built for. ${refusalWords(seen)}`)
  if (seen.tooSmall > 0 && !seen.candidates)
    return withoutInstance(asked, 'too_large', `No node is large enough for it. ${refusalWords(seen)}`)
  return withoutInstance(asked, 'no_node', `No node runs it. ${refusalWords(seen)}`)
}

function refusalWords({refusals}: RevisionReadiness): string {
  if (refusals.length === 0) return 'No node is there.'
  return refusals.map(({reason, nodes}) => `${nodes === 1 ? 'One node is' : `${nodes} nodes are`} told: ${reason}`).join(' ')
}

function failedInstance({function: name, revision, port}: Asked, {node, instance, line, failure}: LogLine): Trouble {
  const {reason = 'node', exitCode} = failure ?? {}
  const known = failure && failureWords(failure, port)
  return {
    function: name,
    revision,
    reason: AT_THE_END[reason] ?? reason,
    message: known ?? line,
    isFinal: false,
    node,
    instance,
    exitCode: exitCode ?? null,
    signal: signalOf(exitCode)
  }
}

export function withoutInstance({function: name, revision}: Asked, reason: string, message: string): Trouble {
  return {function: name, revision, reason, message, isFinal: false, node: null, instance: null, exitCode: null, signal: null}
}
