import {CreoCommand} from '../../cli/base-command.ts'
import {renderTable} from '../../cli/table.ts'

interface ListedNetwork {
  readonly name: string
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly current: boolean
}

export default class NetworkList extends CreoCommand {
  static override summary = 'List the networks that you joined.'
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly networks: readonly ListedNetwork[]}> {
    await this.parse(NetworkList)
    const {openUserConfig} = await import('../../config/user-config.ts')
    const {contexts, currentContext} = openUserConfig(process.env).read()
    const networks = Object.entries(contexts).map(([name, {coordinatorUrl, networkId}]) => ({
      name,
      coordinatorUrl,
      networkId,
      current: name === currentContext
    }))
    if (networks.length === 0) this.log('None yet. Join one: creo network join URL --id HASH')
    else
      this.log(
        renderTable(networks, [
          {header: '', value: (row) => (row.current ? '*' : ' ')},
          {header: 'NAME', value: (row) => row.name},
          {header: 'COORDINATOR', value: (row) => row.coordinatorUrl},
          {header: 'ID', value: (row) => row.networkId}
        ])
      )
    return {networks}
  }
}
