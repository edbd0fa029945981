import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class MineDrain extends CreoCommand {
  static override summary = 'Let this node finish its work and stop it.'
  static override description =
    `Takes no new work, lets requests under way end, stops every container and hands in the last receipts; then the process ends.
What Ctrl-C does in the terminal of the miner, from anywhere. Nothing is lost; creo mine start goes on.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --data /var/lib/creo/miner --json'
  ]
  static override flags = {
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'})
  }

  async run(): Promise<{readonly status: 'stopped' | 'already_stopped'}> {
    const {flags} = await this.parse(MineDrain)
    const [{drainMiner, runningMiner}, {nodeFolder}] = await Promise.all([
      import('../../compose/miner-control.ts'),
      import('../../cli/read-lending.ts')
    ])
    const directory = nodeFolder(flags.data)
    const holder = await runningMiner(directory)
    if (holder === undefined) {
      this.log('It does not run.')
      return {status: 'already_stopped'}
    }
    await this.progress.step('Letting requests end and handing in receipts', () => drainMiner(directory, holder, this.abort))
    this.log('Stopped. creo mine start goes on where it ended.')
    return {status: 'stopped'}
  }
}
