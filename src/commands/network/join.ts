import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class NetworkJoin extends CreoCommand {
  static override summary = 'Join a network and make it the current one.'
  static override description = `Asks the coordinator for its genesis and believes it only if its hash is the id that you were told. The \
id pins the network: nobody at that address can later pass for it. Joining again changes the address.`
  static override examples = ['<%= config.bin %> <%= command.id %> https://creo.example --id 9f2c…']
  static override args = {url: Args.url({required: true, description: 'Where the coordinator answers.'})}
  static override flags = {
    id: Flags.string({required: true, helpValue: 'HASH', description: 'Id of the network: SHA-256 of its genesis, hex.'}),
    name: Flags.string({helpValue: 'NAME', description: 'What to call it on this machine, instead of its own name.'})
  }

  async run(): Promise<{readonly name: string; readonly networkId: string; readonly coordinatorUrl: string; readonly network: string}> {
    const {args, flags} = await this.parse(NetworkJoin)
    const {joinAndStore} = await import('../../developer/networks.ts')
    const joined = await joinAndStore({coordinatorUrl: args.url.href, networkId: flags.id, name: flags.name}, this.abort)
    this.log(`Joined ${joined.name}, a ${joined.network} network, and made it the current one.`)
    return joined
  }
}
