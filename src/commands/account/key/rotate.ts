import {Flags} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import type {RotatedKey} from '../../../developer/account-keys.ts'

export default class AccountKeyRotate extends CreoCommand {
  static override summary = 'Put a new key in the place of an old one, with the same roles.'
  static override description =
    `In one step: the new key signs from the moment when the old one does not. Without --key it is this machine's own key \
of the account; copies of the old file are worth nothing afterwards. A run that was cut is completed by the next one.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --key ./deployer.json']
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    key: Flags.file({exists: true, helpValue: 'FILE', description: 'File of another key of the account, which is replaced.'})
  }

  async run(): Promise<RotatedKey> {
    const {flags} = await this.parse(AccountKeyRotate)
    const [{openAccount}, {rotateKey}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/account-keys.ts')
    ])
    const rotated = await rotateKey(await openAccount(flags, this.abort), flags.key)
    this.log(`Key ${rotated.keyId} of ${rotated.account} has taken the place of ${rotated.replaces}.`)
    this.log(`It is in ${rotated.keyPath}. Keep a copy in a safe place.`)
    return rotated
  }
}
