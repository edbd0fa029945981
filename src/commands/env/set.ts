import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {tellingTrouble} from '../../cli/deploy-text.ts'
import {accountFlags, networkFlags, waitFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'
import {changedText} from '../../cli/settings-text.ts'
import type {ChangedFunction} from '../../developer/app-settings.ts'

export default class EnvSet extends CreoCommand {
  static override summary = "Set variables of an app's environment."
  static override description =
    `Makes a new revision of each function with the same image and sends all requests there. Everybody can read these values in the \
ledger, now and later: what nobody may read is a secret, see creo secrets set.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop GREETING=hello',
    '<%= config.bin %> <%= command.id %> colibris/shop GREETING=hello LANG=fr --function web'
  ]
  static override strict = false
  static override args = {
    app: Args.string({required: true, description: 'ORG/APP.'}),
    variable: Args.string({required: true, description: 'NAME=VALUE, as many as you like.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...waitFlags,
    function: Flags.string({helpValue: 'NAME', description: 'Of this function alone.'})
  }

  async run(): Promise<{readonly app: string; readonly functions: readonly ChangedFunction[]}> {
    const {args, flags, argv} = await this.parse(EnvSet)
    const [{openOrg}, {changeSettings}, {appNameOf}, {readVariables}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/app-settings.ts'),
      import('../../developer/app-name.ts'),
      import('../../developer/variables.ts')
    ])
    const given = readVariables(argv.slice(1).map(String))
    const waitMs = parseDurationMs(flags.wait)
    const name = await appNameOf(args.app, '.')
    const context = await openOrg(flags, name.org, this.abort)
    const change = {context, name, only: flags.function, waitMs, steps: this.progress, signal: this.abort}
    const work = changeSettings({...change, change: (spec) => ({...spec, env: {...spec.env, ...given}})})
    const {functions} = await tellingTrouble(work, this.progress)
    this.log(changedText(functions, `${Object.keys(given).join(', ')} set`))
    this.log('Everybody can read these values; what nobody may read is a secret: creo secrets set NAME')
    return {app: `${name.org}/${name.app}`, functions}
  }
}
