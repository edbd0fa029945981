import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import type {RevokedKey} from '../../../developer/account-keys.ts'

export default class AccountKeyRevoke extends CreoCommand {
  static override summary = 'Take a key, or an invitation that nobody has accepted, away.'
  static override description =
    `From then on it signs nothing. The last owner key of an account stays. Whoever stole an owner key may have added keys \
of their own: --with-added takes those away too.`
  static override examples = ['<%= config.bin %> <%= command.id %> 9f86d081884c7d659a2feaa0c55ad015']
  static override args = {key: Args.string({required: true, description: 'Id of the key, as creo account key list shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    'with-added': Flags.boolean({default: false, description: 'Also the keys that it has added, and those that they have.'})
  }

  async run(): Promise<RevokedKey> {
    const {args, flags} = await this.parse(AccountKeyRevoke)
    const [{openAccount}, {revokeKey}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/account-keys.ts')
    ])
    const revoked = await revokeKey(await openAccount(flags, this.abort), args.key, {withAdded: flags['with-added']})
    this.log(
      revoked.status === 'revoked' ? `Key ${revoked.keyId} signs nothing any more.` : `${revoked.account} has no key ${revoked.keyId}.`
    )
    if (revoked.withAdded.length > 0) this.log(`Nor do the keys that it had added: ${revoked.withAdded.join(', ')}.`)
    if (revoked.addedLeft.length > 0) this.logToStderr(leftText(revoked, flags['with-added']))
    return revoked
  }
}

function leftText({keyId, addedLeft}: RevokedKey, isOwn: boolean): string {
  if (isOwn) return `It had added ${addedLeft.join(', ')} too, with which this was signed: that stays.`
  return `It had added keys that still sign: ${addedLeft.join(', ')}.\nTo take them away too: creo account key revoke ${keyId} --with-added`
}
