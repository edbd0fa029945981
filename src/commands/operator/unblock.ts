import {CreoCommand} from '../../cli/base-command.ts'
import {blockArgs, blockFlags} from '../../cli/flags.ts'
import type {ChangedBlock} from '../../developer/blocks.ts'

export default class OperatorUnblock extends CreoCommand {
  static override summary = 'Let an image, an account or a domain back in, as the operator of the network.'
  static override description = 'What was deployed before and still has traffic gets leases again. The record keeps both.'
  static override examples = ['<%= config.bin %> <%= command.id %> account spammer --reason "Mended" --key operator.key']
  static override args = blockArgs
  static override flags = blockFlags

  async run(): Promise<ChangedBlock> {
    const {args, flags} = await this.parse(OperatorUnblock)
    const {changeBlock} = await import('../../developer/blocks.ts')
    const changed = await changeBlock(flags, {action: 'unblock', ...args}, this.abort)
    const said = {unblocked: 'Unblocked', already_unblocked: 'Was not blocked:'}[changed.status]
    this.log(`${said} the ${changed.kind} ${changed.name}.`)
    return changed
  }
}
