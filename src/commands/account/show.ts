import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'

interface ShownAccount {
  readonly id: string
  readonly name: string
  readonly createdAt: string
  readonly keys: readonly {readonly keyId: string; readonly roles: readonly string[]}[]
  /** The key that takes the place of the owner keys. */
  readonly recovery: {readonly keyId: string; readonly dueAt: string} | null
}

export default class AccountShow extends CreoCommand {
  static override summary = 'Show an account and its keys.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> colibris']
  static override args = {name: Args.string({description: 'Name or id; your own when left out.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<ShownAccount> {
    const {args, flags} = await this.parse(AccountShow)
    const {openAccount, openContext} = await import('../../developer/context.ts')
    const {client} = await openContext(flags, this.abort)
    const view = await client.account(args.name ?? (await openAccount(flags, this.abort)).account.id)
    const keys = view.keys.map(({keyId, roles}) => ({keyId, roles}))
    this.log(`${view.name}  ${view.id}`)
    for (const key of keys) this.log(`  key ${key.keyId}  ${key.roles.join(', ')}`)
    const recovery = view.recovery && {keyId: view.recovery.keyId, dueAt: new Date(view.recovery.dueAtMs).toISOString()}
    if (recovery) this.log(`  From ${recovery.dueAt} on, key ${recovery.keyId} is the owner. To stop that: creo account recovery cancel`)
    return {id: view.id, name: view.name, createdAt: new Date(view.createdAtMs).toISOString(), keys, recovery: recovery ?? null}
  }
}
