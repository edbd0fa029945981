import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {networkFlags} from '../cli/flags.ts'
import {renderTable} from '../cli/table.ts'
import type {ListedApp} from '../developer/apps.ts'

export default class Apps extends CreoCommand {
  static override summary = 'List apps and where they answer.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --org colibris']
  static override flags = {...networkFlags, org: Flags.string({helpValue: 'ORG', description: 'Of this org alone.'})}

  async run(): Promise<{readonly apps: readonly ListedApp[]}> {
    const {flags} = await this.parse(Apps)
    const [{openContext}, {listApps}] = await Promise.all([import('../developer/context.ts'), import('../developer/apps.ts')])
    const apps = await listApps(await openContext(flags, this.abort), flags.org, this.abort)
    this.log(
      renderTable(apps, [
        {header: 'APP', value: (row) => row.app},
        {header: 'FUNCTIONS', value: (row) => row.functions.join(' ')},
        {header: 'ADDRESS', value: (row) => row.addresses[0] ?? ''},
        {header: 'DEPLOYED', value: (row) => row.deployedAt ?? ''}
      ])
    )
    if (apps.length === 0) this.log('No app is deployed yet: creo init, then creo deploy')
    return {apps}
  }
}
