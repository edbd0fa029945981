import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class NetworkRemove extends CreoCommand {
  static override summary = 'Forget a joined network on this machine.'
  static override description =
    'The keys of your accounts in it stay where they are: joining it again by the same id finds them. Its nodes and apps go on.'
  static override examples = ['<%= config.bin %> <%= command.id %> home']
  static override args = {name: Args.string({required: true, description: 'Its name, as network list shows it.'})}

  async run(): Promise<{readonly name: string; readonly status: 'removed' | 'already_removed'; readonly current: string | null}> {
    const {args} = await this.parse(NetworkRemove)
    const {removeNetwork} = await import('../../developer/networks.ts')
    const {removed, current} = removeNetwork(args.name)
    if (removed === undefined) this.log(`No network is stored as ${args.name}.`)
    else this.log(`Forgot ${args.name}. Undo it: creo network join ${removed.coordinatorUrl} --id ${removed.networkId} --name ${args.name}`)
    if (removed !== undefined && current === null) this.log('No network is the current one now: creo network use NAME')
    return {name: args.name, status: removed === undefined ? 'already_removed' : 'removed', current}
  }
}
