import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import type {AddedKey} from '../../../developer/account-keys.ts'

export default class AccountKeyAdd extends CreoCommand {
  static override summary = 'Make another key for an account, in a file of its own.'
  static override description = `For another machine of yours, such as one that deploys. Copy the file there as \
keys/NETWORK-ID/ACCOUNT.json in the config folder. For somebody else's key: creo account invite.
Roles: owner (everything), deployer (deploys, traffic), treasurer (pools, offers, orders, payments, redemptions), trader (orders, swaps, redeeming), viewer (reads logs).`
  static override examples = ['<%= config.bin %> <%= command.id %> deployer --out ./deployer.json']
  static override args = {role: Args.string({required: true, description: 'Role, or several with commas between.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    out: Flags.string({required: true, helpValue: 'FILE', description: 'File of the new key; a key that is there is added as it is.'})
  }

  async run(): Promise<AddedKey> {
    const {args, flags} = await this.parse(AccountKeyAdd)
    const [{openAccount}, {addKey, parseRoles}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/account-keys.ts')
    ])
    const roles = parseRoles(args.role)
    const added = await addKey(await openAccount(flags, this.abort), {roles, keyPath: flags.out})
    const verb = added.status === 'added' ? 'Added' : 'Already there:'
    this.log(`${verb} key ${added.keyId} of ${added.account}: ${added.roles.join(', ')}. It is in ${added.keyPath}.`)
    this.logToStderr(`Take it away again with: creo account key revoke ${added.keyId}`)
    return added
  }
}
