import {Args} from '@oclif/core'
import {neededWord, splitApp} from '../../cli/app-args.ts'
import {CreoCommand} from '../../cli/base-command.ts'
import {tellingTrouble} from '../../cli/deploy-text.ts'
import {appArg, variablesFlags} from '../../cli/flags.ts'
import {waitOf} from '../../cli/format.ts'
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
  static override usage = '<%= command.id %> [APP] NAME=VALUE... [--function NAME] [--wait DURATION] [-n CONTEXT] [--as ACCOUNT] [--json]'
  static override args = {
    ...appArg,
    variable: Args.string({description: 'NAME=VALUE, as many as you like.'})
  }
  static override flags = variablesFlags

  async run(): Promise<{readonly app: string; readonly functions: readonly ChangedFunction[]}> {
    const {flags, argv} = await this.parse(EnvSet)
    const {changeVariables, readVariables} = await import('../../developer/variables.ts')
    const {app: named, rest} = splitApp(argv.map(String))
    neededWord(rest[0], 'NAME=VALUE', 'env set')
    const given = readVariables(rest)
    const wanted = {app: named, flags, ...waitOf(flags.wait), steps: this.progress, signal: this.abort}
    const work = changeVariables({...wanted, change: (env) => ({...env, ...given})})
    const {app, functions} = await tellingTrouble(work, this.progress)
    this.log(changedText(functions, `${Object.keys(given).join(', ')} set`))
    this.log('Everybody can read these values; what nobody may read is a secret: creo secrets set NAME')
    return {app, functions}
  }
}
