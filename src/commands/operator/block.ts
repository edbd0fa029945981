import {CreoCommand} from '../../cli/base-command.ts'
import {blockArgs, blockFlags} from '../../cli/flags.ts'
import type {ChangedBlock} from '../../developer/blocks.ts'

export default class OperatorBlock extends CreoCommand {
  static override summary = 'Keep an image, an account or a domain out of the network, as its operator.'
  static override description =
    'A blocked image can be neither pushed, pulled, deployed nor run; a blocked account can neither push nor deploy, and nothing of it runs; what asks to reach a blocked domain, or a name below it, can neither be deployed nor run. Leases end within seconds. The reason is public, and stays in the journal.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> account spammer --reason "Sends mail that nobody asked for" --key operator.key'
  ]
  static override args = blockArgs
  static override flags = blockFlags

  async run(): Promise<ChangedBlock> {
    const {args, flags} = await this.parse(OperatorBlock)
    const {changeBlock} = await import('../../developer/blocks.ts')
    const changed = await changeBlock(flags, {action: 'block', ...args}, this.abort)
    const said = {blocked: 'Blocked', already_blocked: 'Was blocked already:'}[changed.status]
    this.log(`${said} the ${changed.kind} ${changed.name}.`)
    return changed
  }
}
