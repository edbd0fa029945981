import {basename, resolve} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'

export default class Init extends CreoCommand {
  static override summary = 'Write a small app: a manifest and one function.'
  static override examples = ['<%= config.bin %> <%= command.id %> shop --org colibris --incentive colibris/LEAF']
  static override args = {folder: Args.string({required: true, description: 'A new or empty folder; its name is the name of the app.'})}
  static override flags = {
    org: Flags.string({env: 'CREO_ACCOUNT', required: true, description: 'Account that will own the app.'}),
    app: Flags.string({description: "Name of the app, instead of the folder's."}),
    incentive: Flags.string({
      helpValue: 'ORG/CODE',
      description: 'What hosts are paid in. Without it nobody hosts the app, unless the epochs pay.'
    })
  }

  async run(): Promise<{readonly app: string; readonly org: string; readonly files: readonly string[]}> {
    const {args, flags} = await this.parse(Init)
    const {initApp} = await import('../developer/init.ts')
    const app = flags.app ?? basename(resolve(args.folder))
    const files = await initApp(args.folder, {app, org: flags.org, incentive: flags.incentive})
    for (const file of files) this.log(`Wrote ${file}`)
    this.log(`Next: creo deploy ${args.folder}`)
    return {app, org: flags.org, files}
  }
}
