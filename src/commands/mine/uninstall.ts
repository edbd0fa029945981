import {CreoCommand} from '../../cli/base-command.ts'
import {serviceFlags, serviceScope} from '../../cli/service-flags.ts'

export default class MineUninstall extends CreoCommand {
  static override summary = 'Remove the unit that creo mine install wrote.'
  static override description = 'The service must be disabled before. The folder of the node stays: its key, its receipts and its settings.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --user --json']
  static override flags = {...serviceFlags}

  async run(): Promise<{readonly status: 'uninstalled' | 'already_uninstalled'}> {
    const {flags} = await this.parse(MineUninstall)
    const {servicePlace, uninstallUnit} = await import('../../miner/service-files.ts')
    const status = await uninstallUnit(servicePlace(serviceScope(flags), process.env))
    this.log(status === 'uninstalled' ? 'Removed.' : 'There is none.')
    return {status}
  }
}
