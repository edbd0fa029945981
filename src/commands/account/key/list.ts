import {Args} from '@oclif/core'
import {CreoCommand} from '../../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../../cli/flags.ts'
import {renderTable} from '../../../cli/table.ts'
import type {ShownKey} from '../../../developer/account-keys.ts'

export default class AccountKeyList extends CreoCommand {
  static override summary = 'List the keys of an account, its open invitations, and what each may do.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> colibris --json']
  static override args = {name: Args.string({description: 'Name or id; your own when left out.'})}
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly account: string; readonly keys: readonly ShownKey[]}> {
    const {args, flags} = await this.parse(AccountKeyList)
    const [{openAccount, openContext}, {listKeys}] = await Promise.all([
      import('../../../developer/context.ts'),
      import('../../../developer/account-keys.ts')
    ])
    const {client} = await openContext(flags, this.abort)
    const listed = await listKeys(client, args.name ?? (await openAccount(flags, this.abort)).account.id)
    this.log(
      renderTable(listed.keys, [
        {header: 'KEY', value: (row) => row.keyId},
        {header: 'ROLES', value: (row) => row.roles.join(', ')},
        {header: 'ADDED', value: (row) => addedText(row)},
        {header: 'STATE', value: (row) => (row.until === null ? row.state : `${row.state} ${row.until}`)}
      ])
    )
    return listed
  }
}

/** The day, and the beginning of the key that did it. */
function addedText({addedBy, addedAt}: ShownKey): string {
  if (addedBy === null) return 'at first'
  return `${addedAt === null ? '' : `${addedAt.slice(0, 10)} `}by ${addedBy.slice(0, 8)}`
}
