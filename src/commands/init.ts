import {basename, join, resolve} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {TEMPLATE_NAMES, TEMPLATES} from '../developer/templates.ts'

export default class Init extends CreoCommand {
  static override summary = 'Write a small app: a manifest and one function.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> shop --org colibris --incentive colibris/LEAF',
    '<%= config.bin %> <%= command.id %> shop --org colibris --template python'
  ]
  static override args = {folder: Args.string({required: true, description: 'A new or empty folder; its name is the name of the app.'})}
  static override flags = {
    template: Flags.option({
      options: TEMPLATE_NAMES,
      default: 'server',
      description: TEMPLATE_NAMES.map((name) => `${name}: ${TEMPLATES[name].summary}`).join('; ')
    })(),
    org: Flags.string({
      helpValue: 'ORG',
      env: 'CREO_ACCOUNT',
      description: 'Account that will own the app. Default: the one that commands act as.'
    }),
    app: Flags.string({helpValue: 'NAME', description: "Name of the app, instead of the folder's."}),
    incentive: Flags.string({
      helpValue: 'ORG/CODE',
      description: 'What hosts are paid in. Without it nobody hosts the app, unless the epochs pay.'
    })
  }

  async run(): Promise<{readonly app: string; readonly org: string; readonly files: readonly string[]}> {
    const {args, flags} = await this.parse(Init)
    const {initApp, orgOf} = await import('../developer/init.ts')
    const app = flags.app ?? basename(resolve(args.folder))
    const org = orgOf(flags.org)
    const files = await initApp(args.folder, {app, org, incentive: flags.incentive, template: flags.template})
    for (const file of files) this.log(`Wrote ${file}`)
    const before = TEMPLATES[flags.template].before?.(join(args.folder, 'web'))
    this.log(`Next: ${before === undefined ? '' : `${before} && `}creo deploy ${args.folder}`)
    return {app, org, files}
  }
}
