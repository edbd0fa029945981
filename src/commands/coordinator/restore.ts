import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import type {RestoredBackup} from '../../coordinator/backup/restore-backup.ts'

type Restored = Omit<RestoredBackup, 'madeAtMs'> & {readonly madeAt: string}

export default class CoordinatorRestore extends CreoCommand {
  static override summary = "Make a coordinator's folder of a backup, and replay it whole before it says so."
  static override description = `The folder is there when every command was replayed and compared, or not at all. Nothing is overwritten.
What was acknowledged after the backup was made is not in it. Never let two coordinators of one network run.`
  static override examples = ['<%= config.bin %> <%= command.id %> /mnt/backup/creo-monday --data /var/lib/creo/coordinator']
  static override args = {file: Args.string({required: true, description: 'What `creo coordinator backup` wrote.'})}
  static override flags = {
    data: Flags.string({required: true, helpValue: 'DIR', description: 'Folder to make; it may be there if it is empty.'}),
    signatures: Flags.boolean({default: true, allowNo: true, description: 'Check who signed each command too.'})
  }

  async run(): Promise<Restored> {
    const {args, flags} = await this.parse(CoordinatorRestore)
    const {restoreBackup} = await import('../../coordinator/backup/restore-backup.ts')
    const {madeAtMs, ...restored} = await this.progress.step('Restoring and replaying', (onProgress) =>
      restoreBackup({file: args.file, directory: flags.data, signatures: flags.signatures, signal: this.abort, onProgress})
    )
    const madeAt = new Date(madeAtMs).toISOString()
    const {data, commands, groups, accounts, headHash} = restored
    this.log(`Restored ${data} as it was at ${madeAt}: ${commands} commands in ${groups} groups of ${accounts} accounts, all replayed.`)
    this.log(`Head ${headHash}`)
    this.log(`Next: put coordinator.key and secrets.key there, then ${this.config.bin} coordinator serve --data ${data}`)
    return {...restored, madeAt}
  }
}
