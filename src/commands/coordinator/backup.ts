import {join} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import type {MadeBackup} from '../../coordinator/backup/make-backup.ts'

export default class CoordinatorBackup extends CreoCommand {
  static override summary = 'Write a backup of a coordinator to one file, while it works or not.'
  static override description =
    `Holds the journal, the genesis, secrets as they are sealed, schedules, webhooks, pictures of offers, the standing of nodes and what probes found.
Keys are never in it: keep coordinator.key, secrets.key and operator.key apart, where only you can read them.
Nothing is overwritten.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> /mnt/backup/creo-monday --data /var/lib/creo/coordinator',
    '<%= config.bin %> <%= command.id %> ./with-images --images'
  ]
  static override args = {file: Args.string({required: true, description: 'Where to write it; nothing may be there.'})}
  static override flags = {
    data: Flags.string({helpValue: 'DIR', description: "The coordinator's folder; its default place when left out."}),
    images: Flags.boolean({description: "Take the registry's images in too; without them they are pushed again by those who have them."})
  }

  async run(): Promise<MadeBackup> {
    const {args, flags} = await this.parse(CoordinatorBackup)
    const [{makeBackup}, {dataDirectory}] = await Promise.all([
      import('../../coordinator/backup/make-backup.ts'),
      import('../../config/paths.ts')
    ])
    const directory = flags.data ?? join(dataDirectory(process.env), 'coordinator')
    const made = await this.progress.step('Copying the journal', (onProgress) =>
      makeBackup({directory, file: args.file, images: flags.images, nowMs: Date.now(), signal: this.abort, onProgress})
    )
    this.log(`Wrote ${made.file}: ${made.commands} commands in ${made.groups} groups, and ${made.files} files.`)
    this.log('Keys are not in it. Keep coordinator.key and secrets.key apart: without them nothing that is restored can start.')
    this.log(`Try it: ${this.config.bin} coordinator restore ${args.file} --data ANOTHER_FOLDER`)
    return made
  }
}
