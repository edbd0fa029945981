import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, networkFlags} from '../cli/flags.ts'

interface ShownLine {
  readonly at: string
  readonly revision: string
  readonly instance: string
  readonly line: string
}

export default class Logs extends CreoCommand {
  static override summary = "Show what an app's functions wrote."
  static override description = 'With --follow it goes on until Ctrl-C; under --json then one object a line.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop --follow']
  static override args = {app: Args.string({description: 'ORG/APP; the app of creo.yaml in this folder when left out.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    follow: Flags.boolean({char: 'f', default: false, description: 'Wait for more.'})
  }

  async run(): Promise<{readonly app: string; readonly lines: readonly ShownLine[]}> {
    const {args, flags} = await this.parse(Logs)
    const [{openAccount}, {readLogs}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/logs.ts'),
      import('../developer/app-name.ts')
    ])
    const name = await appNameOf(args.app, '.')
    const context = await openAccount({...flags, as: flags.as ?? name.org}, this.abort)
    const lines: ShownLine[] = []
    for await (const {atMs, revision, instance, line} of readLogs(context, name, {follow: flags.follow, signal: this.abort})) {
      const shown = {at: new Date(atMs).toISOString(), revision, instance, line}
      this.log(`${shown.at} ${revision} ${instance} ${line.replace(/\p{Cc}+/gu, ' ')}`)
      if (flags.follow) this.logJsonLine(shown)
      else lines.push(shown)
    }
    return {app: `${name.org}/${name.app}`, lines}
  }
}
