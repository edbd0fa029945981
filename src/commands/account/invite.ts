import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'

interface ShownInvitation {
  readonly account: string
  readonly token: string
  readonly keyId: string
  readonly roles: readonly string[]
  readonly expiresAt: string
}

export default class AccountInvite extends CreoCommand {
  static override summary = 'Make a one-use token with which somebody adds a key of their own to an account.'
  static override description =
    `Whoever uses the token first has the role. It is shown once and stored nowhere; the ledger knows only the public half.
Roles: owner (everything), deployer (deploys, traffic), treasurer (pools, offers, orders, payments, redemptions), trader (orders, swaps, redeeming), viewer (reads logs).`
  static override examples = [
    '<%= config.bin %> <%= command.id %> deployer',
    '<%= config.bin %> <%= command.id %> treasurer,viewer --expires 30m'
  ]
  static override args = {role: Args.string({required: true, description: 'Role, or several with commas between.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    expires: Flags.string({default: '24h', helpValue: 'DURATION', description: 'How long it can be used.'})
  }

  async run(): Promise<ShownInvitation> {
    const {args, flags} = await this.parse(AccountInvite)
    const [{openAccount}, {invite}, {parseRoles}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/invitations.ts'),
      import('../../developer/account-keys.ts')
    ])
    const asked = {roles: parseRoles(args.role), lifetimeMs: parseDurationMs(flags.expires)}
    const {expiresAtMs, ...made} = await invite(await openAccount(flags, this.abort), asked)
    const expiresAt = new Date(expiresAtMs).toISOString()
    this.log(made.token)
    this.logToStderr(`Good once, until ${expiresAt}. Whoever is invited runs: creo account accept …`)
    this.logToStderr(`Withdraw it with: creo account key revoke ${made.keyId}`)
    return {...made, expiresAt}
  }
}
