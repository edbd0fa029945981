import assert from 'node:assert'
import type {CommandOf} from '../protocol/commands.ts'
import {assertFreeKey} from './key-commands.ts'
import {
  CLOCK_SKEW_MAX_MS,
  NODE_TOKEN_LIFETIME_MAX_MS,
  NODE_TOKENS_OPEN_MAX,
  NODE_TOKENS_PER_ACCOUNT_MAX,
  NODE_TOKENS_RESERVED
} from './limits.ts'
import {refuse} from './outcome.ts'
import type {AccountState, CommandContext, Result} from './state.ts'
import {dropToken} from './time-commands.ts'

export function createAccount(context: CommandContext, body: CommandOf<'account.create'>): Result {
  const {state} = context
  const keys = body.keys.map((key, index) => ({keyId: context.bodyKeyIds[index] ?? '', publicKey: key.publicKey, roles: key.roles}))
  const isOperators = body.name === state.genesis.exchangeOrg
  if (!isOperators && !keys.some((key) => key.keyId === context.keyId))
    refuse('forbidden', 'A new account is signed by one of its own keys.')
  if (!keys.some((key) => key.roles.includes('owner'))) refuse('invalid_input', 'An account needs a key with the role owner.')
  if (new Set(keys.map((key) => key.keyId)).size !== keys.length) refuse('invalid_input', 'A key is named twice.')
  if (state.accountsByName.has(body.name)) refuse('conflict', `The name "${body.name}" is taken.`)
  for (const key of keys) assertFreeKey(state, key.keyId)
  const id = `acc_${context.hash().slice(0, 32)}`
  assert(!state.accountsById.has(id), 'two commands of one hash')
  const account: AccountState = {index: state.accounts.length, id, name: body.name, keys, openOrders: 0, openTokens: 0, incentives: 0}
  state.accounts.push(account)
  state.accountsById.set(id, account)
  state.accountsByName.set(body.name, account)
  for (const key of keys) state.accountsByKey.set(key.keyId, {account, key})
  context.effects.push({type: 'account', id, name: body.name, keys})
  return {account: id, name: body.name}
}

export function makeNodeToken(context: CommandContext, signer: AccountState, body: CommandOf<'node.token'>): Result {
  const {state, seq, atMs} = context
  if (body.expiresAtMs <= atMs) refuse('invalid_input', 'The token would be expired already.')
  if (body.expiresAtMs > atMs + NODE_TOKEN_LIFETIME_MAX_MS + CLOCK_SKEW_MAX_MS)
    refuse('invalid_input', 'A join token is good for at most thirty days.')
  if (state.nodeTokens.has(body.tokenHash)) refuse('conflict', 'This token exists already.')
  if (state.usedTokens.has(body.tokenHash)) refuse('conflict', 'This token was used already.')
  if (signer.openTokens >= NODE_TOKENS_PER_ACCOUNT_MAX)
    refuse('rejected', `An account has at most ${NODE_TOKENS_PER_ACCOUNT_MAX} unused join tokens.`)
  const openMax = signer.openTokens === 0 ? NODE_TOKENS_OPEN_MAX + NODE_TOKENS_RESERVED : NODE_TOKENS_OPEN_MAX
  if (state.nodeTokens.size >= openMax) refuse('overloaded', 'Too many join tokens are open.')
  signer.openTokens += 1
  state.nodeTokens.set(body.tokenHash, {account: signer.index, expiresAtMs: body.expiresAtMs})
  state.expiries.push({atMs: body.expiresAtMs, seq, what: 'token', id: body.tokenHash})
  return {tokenHash: body.tokenHash, expiresAtMs: body.expiresAtMs}
}

export function enrollNode(context: CommandContext, body: CommandOf<'node.enroll'>): Result {
  const {state, atMs, keyId} = context
  if (context.bodyKeyIds[0] !== keyId) refuse('forbidden', 'A node enrolls with its own key.')
  const token = state.nodeTokens.get(body.tokenHash)
  if (token === undefined) refuse('not_found', 'There is no such join token, or it was used.')
  if (token.expiresAtMs <= atMs) refuse('expired', 'The join token has expired.')
  const id = `node_${keyId}`
  if (state.nodes.has(id)) refuse('conflict', `${id} is enrolled already.`)
  const owner = state.accountName(token.account)
  if (owner !== body.owner) refuse('forbidden', 'The join token is of another account than the node was told.')
  dropToken(state, body.tokenHash)
  state.usedTokens.add(body.tokenHash)
  state.nodes.set(id, {id, owner: token.account, keyId, publicKey: body.publicKey})
  context.effects.push({type: 'node', id, owner, name: body.name, architecture: body.architecture, keyId, publicKey: body.publicKey})
  return {node: id, owner}
}

/** Admitting an admitted gateway again changes its addresses. */
export function admitGateway(context: CommandContext, body: CommandOf<'gateway.admit'>): Result {
  const {state, atMs} = context
  const id = `gw_${context.bodyKeyIds[0] ?? ''}`
  const gateway = state.gateways.get(id) ?? {id, publicKey: body.publicKey, terms: []}
  if (gateway.terms.at(-1)?.toMs !== null) gateway.terms.push({fromMs: atMs, toMs: null})
  state.gateways.set(id, gateway)
  context.effects.push({
    type: 'gateway',
    id,
    publicKey: body.publicKey,
    name: body.name,
    tunnelUrl: body.tunnelUrl,
    publicUrl: body.publicUrl
  })
  return {gateway: id}
}

export function revokeGateway(context: CommandContext): Result {
  const id = `gw_${context.bodyKeyIds[0] ?? ''}`
  const term = context.state.gateways.get(id)?.terms.at(-1)
  if (term === undefined || term.toMs !== null) refuse('not_found', `${id} is not admitted.`)
  term.toMs = context.atMs
  context.effects.push({type: 'gateway.revoked', id})
  return {gateway: id}
}
