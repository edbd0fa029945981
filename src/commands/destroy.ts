import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, networkFlags} from '../cli/flags.ts'
import type {Destroyed} from '../developer/apps.ts'

export default class Destroy extends CreoCommand {
  static override summary = 'Take an app away for good: its address, its tags, its leases, its secrets.'
  static override description =
    `It can't be undone: there is no revision to go back to afterwards. Requests stop at once, leases end within minutes, and what nobody has earned of them \
goes back to the pools. The values of its secrets are forgotten. What was deployed and paid stays in the ledger, and the name may be deployed anew. Needs an owner key.`
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop --confirm=shop']
  static override args = {app: Args.string({required: true, description: 'ORG/APP.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    confirm: Flags.string({helpValue: 'APP', description: 'The name of the app once more.'})
  }

  async run(): Promise<Destroyed> {
    const {args, flags} = await this.parse(Destroy)
    const [{openOrg}, {destroyApp}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/apps.ts'),
      import('../developer/app-name.ts')
    ])
    const name = await appNameOf(args.app, '.')
    const confirmed = flags.confirm ?? (await this.#asked(args.app))
    const context = await openOrg(flags, name.org, this.abort)
    const destroyed = await destroyApp(context, name, confirmed, this.abort)
    this.log(
      destroyed.status === 'destroyed'
        ? `${destroyed.app} is gone. It can't be rolled back; creo deploy makes it anew.`
        : `${destroyed.app} was gone already.`
    )
    for (const {incentive, amount} of destroyed.returning)
      this.log(`${amount} ${incentive} that nobody has earned goes back to the pool once the last receipts are paid.`)
    return destroyed
  }

  async #asked(app: string): Promise<string | undefined> {
    if (!process.stdin.isTTY || this.jsonEnabled()) return undefined
    const {askText} = await import('../cli/prompt.ts')
    return await askText(`${app} will be gone for good. Type its name to go on:`, {flag: '--confirm', signal: this.abort})
  }
}
