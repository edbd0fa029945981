import type {KeyRole} from '../protocol/account-keys.ts'
import type {CommandType} from '../protocol/commands.ts'
import {refuse, type SequencedCommand} from './outcome.ts'
import type {AccountState, LedgerState} from './state.ts'

/**
 * Who may sign what: the network's own keys, a key that the body brings along, an account's recovery key and no other, or an account's key in one of
 * these roles (owner: always).
 */
export const COMMAND_SIGNERS: Readonly<Record<CommandType, 'coordinator' | 'operator' | 'new' | 'recovery' | readonly KeyRole[]>> = {
  'account.create': 'new',
  'key.add': [],
  'key.revoke': [],
  'key.rotate': [],
  'key.invite': [],
  'key.accept': 'new',
  'recovery.start': 'recovery',
  'recovery.cancel': [],
  'node.enroll': 'new',
  'node.token': [],
  'gateway.admit': 'operator',
  'gateway.revoke': 'operator',
  'operator.block': 'operator',
  'operator.unblock': 'operator',
  allot: 'operator',
  'incentive.issue': [],
  'incentive.limit': ['treasurer'],
  'pool.fund': ['treasurer'],
  'offer.add': ['treasurer'],
  'offer.edit': ['treasurer'],
  'order.place': ['treasurer', 'trader'],
  'order.cancel': ['treasurer', 'trader'],
  'orders.cancel': ['treasurer', 'trader'],
  'order.replace': ['treasurer', 'trader'],
  swap: ['treasurer', 'trader'],
  'account.transfer': ['treasurer'],
  'redemption.request': ['treasurer', 'trader'],
  'redemption.capture': ['treasurer'],
  'redemption.release': ['treasurer'],
  'revision.deploy': ['deployer'],
  'traffic.set': ['deployer'],
  'app.destroy': [],
  'lease.grant': 'coordinator',
  'lease.end': 'coordinator',
  'receipt.pay': 'coordinator',
  'epoch.close': 'coordinator',
  'time.advance': 'coordinator'
}

/** Who signs this command. The account of the exchange's org takes Gutta's name, so the operator makes it. */
function signersOf(state: LedgerState, {body}: SequencedCommand): (typeof COMMAND_SIGNERS)[CommandType] {
  const isExchangeOrg = body.type === 'account.create' && body.name === state.genesis.exchangeOrg
  return isExchangeOrg ? 'operator' : COMMAND_SIGNERS[body.type]
}

/** The account that a command is for, if one is; refuses a signer who may not. The edge has checked that the key made the signature. */
export function authorise(state: LedgerState, command: SequencedCommand): AccountState | undefined {
  const signers = signersOf(state, command)
  if (signers === 'coordinator' || signers === 'operator' || signers === 'new') {
    if (command.account !== signers) refuse('forbidden', `${command.body.type} is signed as "${signers}", not as "${command.account}".`)
    return undefined
  }
  const found = state.accountsByKey.get(command.keyId)
  if (found === undefined || found.account.id !== command.account)
    refuse('forbidden', `Key ${command.keyId} is not a key of ${command.account}.`)
  const roles: readonly KeyRole[] = signers === 'recovery' ? ['recovery'] : ['owner', ...signers]
  if (!found.key.roles.some((role) => roles.includes(role))) {
    refuse('forbidden', `${command.body.type} needs a key with the role ${roles.join(' or ')}.`)
  }
  return found.account
}
