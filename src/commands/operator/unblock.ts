import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {blockArgs, networkFlags} from '../../cli/flags.ts'
import type {ChangedBlock} from '../../developer/blocks.ts'

export default class OperatorUnblock extends CreoCommand {
  static override summary = 'Let an image, an account or a domain back in, as the operator of the network.'
  static override description = 'What was deployed before and still has traffic gets leases again. The record keeps both.'
  static override examples = ['<%= config.bin %> <%= command.id %> account spammer --reason "Mended" --key operator.key']
  static override args = blockArgs
  static override flags = {
    ...networkFlags,
    key: Flags.file({required: true, exists: true, description: "Key file of the network's operator."}),
    reason: Flags.string({required: true, description: 'Why, in one line that everybody may read.'})
  }

  async run(): Promise<ChangedBlock> {
    const {args, flags} = await this.parse(OperatorUnblock)
    const [{openContext}, {loadKeyFile}, {changeBlock}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../identity/keys.ts'),
      import('../../developer/blocks.ts')
    ])
    const context = await openContext(flags, this.abort)
    const change = {action: 'unblock', kind: args.kind, name: args.name, reason: flags.reason} as const
    const changed = await changeBlock(context, await loadKeyFile(flags.key), change)
    const said = {unblocked: 'Unblocked', already_unblocked: 'Was not blocked:'}[changed.status]
    this.log(`${said} the ${changed.kind} ${changed.name}.`)
    return changed
  }
}
