import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class NetworkUse extends CreoCommand {
  static override summary = 'Make a joined network the current one.'
  static override examples = ['<%= config.bin %> <%= command.id %> home']
  static override args = {name: Args.string({required: true, description: 'Its name, as network list shows it.'})}

  async run(): Promise<{readonly name: string; readonly networkId: string}> {
    const {args} = await this.parse(NetworkUse)
    const {openUserConfig} = await import('../../config/user-config.ts')
    const config = openUserConfig(process.env)
    const {name, ...context} = config.context(args.name)
    config.saveContext(name, context)
    this.log(`${name} is the current network.`)
    return {name, networkId: context.networkId}
  }
}
