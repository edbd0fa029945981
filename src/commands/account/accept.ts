import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import type {AcceptedInvitation} from '../../developer/invitations.ts'

export default class AccountAccept extends CreoCommand {
  static override summary = 'Accept an invitation: a key on this machine becomes one of the account that invites.'
  static override examples = ['<%= config.bin %> <%= command.id %> invite.acc_9f86….KIZ6…']
  static override args = {token: Args.string({required: true, description: 'What creo account invite printed.'})}
  static override flags = {...networkFlags}

  async run(): Promise<AcceptedInvitation> {
    const {args, flags} = await this.parse(AccountAccept)
    const {acceptInvitation} = await import('../../developer/invitations.ts')
    const accepted = await acceptInvitation(flags, args.token, this.abort)
    const said = accepted.status === 'accepted' ? 'You are now' : 'You are already'
    this.log(`${said} ${accepted.roles.join(' and ')} of ${accepted.name}. Your key is ${accepted.keyPath}.`)
    if (accepted.movedTo !== undefined) this.log(`The key that was in its place is not used: it is now ${accepted.movedTo}.`)
    this.log(accepted.isDefault ? 'Commands without --as act in its name.' : `Act in its name with --as ${accepted.name}.`)
    return accepted
  }
}
