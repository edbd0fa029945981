import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class NetworkRename extends CreoCommand {
  static override summary = 'Call a joined network something else on this machine.'
  static override examples = ['<%= config.bin %> <%= command.id %> creo-development home']
  static override args = {
    name: Args.string({required: true, description: 'Its name, as network list shows it.'}),
    to: Args.string({required: true, description: 'The new one.'})
  }

  async run(): Promise<{readonly name: string; readonly before: string; readonly networkId: string}> {
    const {args} = await this.parse(NetworkRename)
    const {renameNetwork} = await import('../../developer/networks.ts')
    const renamed = renameNetwork(args.name, args.to)
    this.log(`${renamed.before} is called ${renamed.name} now.`)
    return renamed
  }
}
