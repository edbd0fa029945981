import {join, resolve} from 'node:path'
import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import type {StatusReport} from '../../miner/status-report.ts'

export default class MineStatus extends CreoCommand {
  static override summary = 'Show what this node does, has earned, and why it has no work.'
  static override description = 'Reads the folder of the miner, and asks the coordinator for amounts when it answers.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --data /var/lib/creo/miner --json'
  ]
  static override flags = {
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'})
  }

  async run(): Promise<StatusReport> {
    const {flags} = await this.parse(MineStatus)
    const [{minerStatus}, {dataDirectory}, {minerStatusText}] = await Promise.all([
      import('../../compose/miner-status.ts'),
      import('../../config/paths.ts'),
      import('../../cli/miner-status-text.ts')
    ])
    const directory = flags.data === undefined ? join(dataDirectory(process.env), 'miner') : resolve(flags.data)
    const report = await minerStatus(directory, Date.now(), this.abort)
    this.log(minerStatusText(report))
    return report
  }
}
