import {joinNetwork} from '../client/join.ts'
import {openUserConfig} from '../config/user-config.ts'
import type {NetworkContext} from '../config/user-settings.ts'
import {contextNameSchema} from '../config/user-settings.ts'
import {CreoError} from '../core/errors.ts'
import {networkIdSchema} from '../core/protocol/scalars.ts'

const NAME_LENGTH_MAX = 60

export interface StoredNetwork {
  readonly name: string
  readonly networkId: string
  readonly coordinatorUrl: string
  /** `production` or `development`. */
  readonly network: string
}

/** Checks that a coordinator runs the expected network and stores it as the current one. Nothing is stored otherwise. */
export async function joinAndStore(
  wanted: {readonly coordinatorUrl: string; readonly networkId: string; readonly name: string | undefined},
  signal: AbortSignal
): Promise<StoredNetwork> {
  if (!/^https?:/.test(wanted.coordinatorUrl)) {
    throw new CreoError('invalid_input', `${wanted.coordinatorUrl} is not the URL of a coordinator.`, {hint: 'Write http://… or https://…'})
  }
  if (!networkIdSchema.safeParse(wanted.networkId).success) {
    throw new CreoError('invalid_input', `"${wanted.networkId}" is not the id of a network.`, {
      hint: 'Give the 64 hex digits that its operator told you.'
    })
  }
  const coordinatorUrl = wanted.coordinatorUrl.replace(/\/+$/, '')
  const {networkId, coordinatorKey, genesis} = await joinNetwork({coordinatorUrl, networkId: wanted.networkId, signal})
  const config = openUserConfig(process.env)
  const name = wanted.name ?? storedName(config.read().contexts, networkId) ?? contextName(genesis.name)
  const other = config.read().contexts[name]
  if (other !== undefined && other.networkId !== networkId) {
    throw new CreoError('conflict', `Another network is stored as "${name}".`, {hint: 'Give this one another name with --name.'})
  }
  config.saveContext(name, {coordinatorUrl, networkId, coordinatorKey})
  return {name, networkId, coordinatorUrl, network: genesis.network}
}

/** @throws {CreoError} `not_found` for a network that is not stored; `invalid_input` for what is no name; `conflict` for one that is taken. */
export function renameNetwork(from: string, to: string): {readonly name: string; readonly before: string; readonly networkId: string} {
  const config = openUserConfig(process.env)
  const {name, ...context} = config.context(from)
  if (!contextNameSchema.safeParse(to).success)
    throw new CreoError('invalid_input', `"${to}" is not a name for a network.`, {
      hint: 'Use up to 60 lower-case letters, digits, dots and hyphens, the first a letter or digit.'
    })
  if (to !== name && config.read().contexts[to] !== undefined)
    throw new CreoError('conflict', `Another network is stored as "${to}".`, {hint: 'creo network list'})
  config.change(({contexts: {[name]: _, ...others}, currentContext, ...rest}) => ({
    ...rest,
    contexts: {...others, [to]: context},
    ...(currentContext !== undefined && {currentContext: currentContext === name ? to : currentContext})
  }))
  return {name: to, before: name, networkId: context.networkId}
}

/** Forgets a stored network; none is the current one then, if it was. */
export function removeNetwork(name: string): {readonly removed: NetworkContext | undefined; readonly current: string | null} {
  const config = openUserConfig(process.env)
  const removed = config.read().contexts[name]
  if (removed !== undefined) {
    config.change(({contexts: {[name]: _, ...contexts}, currentContext, ...rest}) => ({
      ...rest,
      contexts,
      ...(currentContext !== undefined && currentContext !== name && {currentContext})
    }))
  }
  return {removed, current: config.read().currentContext ?? null}
}

function storedName(contexts: Readonly<Record<string, {readonly networkId: string}>>, networkId: string): string | undefined {
  return Object.entries(contexts).find(([, context]) => context.networkId === networkId)?.[0]
}

/** A genesis may be called anything; a stored name is lower-case letters, digits, dots and hyphens. */
function contextName(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, NAME_LENGTH_MAX)
  return plain === '' ? 'network' : plain
}
