import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {tellingTrouble} from '../../cli/deploy-text.ts'
import {accountFlags, networkFlags, waitFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'
import {changedText} from '../../cli/settings-text.ts'
import type {ChangedFunction} from '../../developer/app-settings.ts'

export default class EnvUnset extends CreoCommand {
  static override summary = "Take variables out of an app's environment."
  static override description = 'Makes a new revision of each function that has them. What they were stays readable in the ledger.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop GREETING']
  static override strict = false
  static override args = {
    app: Args.string({required: true, description: 'ORG/APP.'}),
    variable: Args.string({required: true, description: 'NAME, as many as you like.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...waitFlags,
    function: Flags.string({helpValue: 'NAME', description: 'Of this function alone.'})
  }

  async run(): Promise<{readonly app: string; readonly functions: readonly ChangedFunction[]}> {
    const {args, flags, argv} = await this.parse(EnvUnset)
    const [{openOrg}, {changeSettings}, {appNameOf}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/app-settings.ts'),
      import('../../developer/app-name.ts')
    ])
    const names = new Set(argv.slice(1).map(String))
    const waitMs = parseDurationMs(flags.wait)
    const name = await appNameOf(args.app, '.')
    const context = await openOrg(flags, name.org, this.abort)
    const change = {context, name, only: flags.function, waitMs, steps: this.progress, signal: this.abort}
    const work = changeSettings({
      ...change,
      change: (spec) => ({...spec, env: Object.fromEntries(Object.entries(spec.env).filter(([variable]) => !names.has(variable)))})
    })
    const {functions} = await tellingTrouble(work, this.progress)
    this.log(changedText(functions, `without ${[...names].join(', ')}`))
    return {app: `${name.org}/${name.app}`, functions}
  }
}
