import {Args} from '@oclif/core'
import {neededWord, splitApp} from '../../cli/app-args.ts'
import {CreoCommand} from '../../cli/base-command.ts'
import {tellingTrouble} from '../../cli/deploy-text.ts'
import {appArg, variablesFlags} from '../../cli/flags.ts'
import {waitOf} from '../../cli/format.ts'
import {changedText} from '../../cli/settings-text.ts'
import type {ChangedFunction} from '../../developer/app-settings.ts'

export default class EnvUnset extends CreoCommand {
  static override summary = "Take variables out of an app's environment."
  static override description = 'Makes a new revision of each function that has them. What they were stays readable in the ledger.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop GREETING']
  static override strict = false
  static override usage = '<%= command.id %> [APP] NAME... [--function NAME] [--wait DURATION] [-n CONTEXT] [--as ACCOUNT] [--json]'
  static override args = {
    ...appArg,
    variable: Args.string({description: 'NAME, as many as you like.'})
  }
  static override flags = variablesFlags

  async run(): Promise<{readonly app: string; readonly functions: readonly ChangedFunction[]}> {
    const {flags, argv} = await this.parse(EnvUnset)
    const [{changeVariables}, {meantOr}] = await Promise.all([import('../../developer/variables.ts'), import('../../core/nearest.ts')])
    const {app: named, rest} = splitApp(argv.map(String))
    neededWord(rest[0], 'NAME', 'env unset')
    const names = new Set(rest)
    const wanted = {app: named, flags, ...waitOf(flags.wait), steps: this.progress, signal: this.abort}
    const known = new Set<string>()
    const change = (env: Readonly<Record<string, string>>) => {
      for (const name of Object.keys(env)) known.add(name)
      return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)))
    }
    const {app, functions} = await tellingTrouble(changeVariables({...wanted, change}), this.progress)
    this.log(changedText(functions, `without ${[...names].join(', ')}`))
    for (const name of names) if (!known.has(name)) this.logToStderr(`No function has ${name}. ${meantOr(name, [...known], '')}`.trimEnd())
    return {app, functions}
  }
}
