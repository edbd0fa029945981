import type {LeaseEnding, LeaseGrant} from '../core/lease-plan.ts'
import type {OwnCommand} from './own-commands.ts'

/** A command that a plan asks for, and what the log says of it. */
export interface Change extends OwnCommand {
  readonly facts: Readonly<Record<string, string>>
}

export function grantChange({node, revision, endsAtMs, budgets, cause}: LeaseGrant): Change {
  return {body: {type: 'lease.grant', node, revision, endsAtMs, budgets: [...budgets]}, cause: `g:${cause}`, facts: {node, revision}}
}

export function endingChange({lease, reason}: LeaseEnding): Change {
  return {body: {type: 'lease.end', lease}, cause: `e:${lease}`, facts: {lease, reason}}
}
