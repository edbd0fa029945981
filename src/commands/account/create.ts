import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {recoveryCodeText} from '../../cli/recovery-text.ts'
import type {CreatedAccount} from '../../developer/accounts.ts'

export default class AccountCreate extends CreoCommand {
  static override summary = 'Create an account with a key on this machine.'
  static override description = `One account may be an organization, the owner of miners and a trader at once. Its name is part of the \
addresses of its apps. Whoever has the key file has the account: keep a copy of it in a safe place. The recovery code is for the day when no copy is \
left; it is shown once and stored nowhere.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris',
    '<%= config.bin %> <%= command.id %> creometry --operator-key /var/lib/creo/coordinator/operator.key'
  ]
  static override args = {name: Args.string({required: true, description: 'Unique in the network, lower-case.'})}
  static override flags = {
    ...networkFlags,
    'operator-key': Flags.file({
      helpValue: 'FILE',
      exists: true,
      description: "Key file of the network's operator: needed for the exchange's org alone."
    })
  }

  async run(): Promise<CreatedAccount> {
    const {args, flags} = await this.parse(AccountCreate)
    const {createAccount} = await import('../../developer/accounts.ts')
    const showCode = (code: string): void => this.log(recoveryCodeText(code))
    const account = await createAccount(flags, {name: args.name, operatorKeyPath: flags['operator-key'], showCode}, this.abort)
    this.log(account.status === 'created' ? `Created ${account.name}, ${account.id}.` : `${account.name} is yours already, ${account.id}.`)
    this.log(`Its key is ${account.keyPath}. Keep a copy in a safe place.`)
    if (account.isDefault) this.log('Commands without --as act in its name.')
    if (account.status === 'already_exists')
      this.log(`If you have no recovery code of it: creo account recovery renew --as ${account.name}`)
    return account
  }
}
