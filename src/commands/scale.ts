import {Args, Flags} from '@oclif/core'
import {neededWord, splitApp} from '../cli/app-args.ts'
import {CreoCommand} from '../cli/base-command.ts'
import {tellingTrouble} from '../cli/deploy-text.ts'
import {accountFlags, appArg, networkFlags, waitFlags} from '../cli/flags.ts'
import {waitOf} from '../cli/format.ts'
import {changedText} from '../cli/settings-text.ts'
import type {ChangedFunction} from '../developer/app-settings.ts'

export default class Scale extends CreoCommand {
  static override summary = 'Change how many instances of a function may run, and how many always do.'
  static override description = 'Makes a new revision with the same image and sends all requests there; the one before stays to go back to.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop web --min 1 --max 10',
    '<%= config.bin %> <%= command.id %> colibris/shop web --min 0'
  ]
  static override usage = '<%= command.id %> [APP] FUNCTION [--min N] [--max N] [--wait DURATION] [-n CONTEXT] [--as ACCOUNT] [--json]'
  static override args = {
    ...appArg,
    function: Args.string({description: 'Name of the function.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...waitFlags,
    min: Flags.integer({helpValue: 'N', min: 0, max: 100, description: 'Instances that run even without requests.'}),
    max: Flags.integer({helpValue: 'N', min: 1, max: 1000, description: 'Instances at most.'})
  }

  async run(): Promise<{readonly app: string; readonly function: ChangedFunction | null; readonly min: number; readonly max: number}> {
    const {args, flags} = await this.parse(Scale)
    const [{openOrg}, {changeSettings}, {appNameOf}, {CreoError}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/app-settings.ts'),
      import('../developer/app-name.ts'),
      import('../core/errors.ts')
    ])
    const wait = waitOf(flags.wait)
    if (flags.min === undefined && flags.max === undefined)
      throw new CreoError('usage', 'Nothing is to be changed.', {hint: 'Give --min, --max, or both.'})
    const {app, rest} = splitApp([args.app, args.function], 1)
    const only = neededWord(rest[0], 'FUNCTION', 'scale')
    const name = await appNameOf(app, '.')
    const context = await openOrg(flags, name.org, this.abort)
    let [min, max] = [flags.min ?? 0, flags.max ?? 0]
    const work = changeSettings({
      ...{context, name, only, ...wait, steps: this.progress, signal: this.abort},
      change: (spec) => {
        min = flags.min ?? spec.scaleMin
        max = flags.max ?? spec.scaleMax
        if (max < min)
          throw new CreoError('invalid_input', `At most ${max} and always ${min} instances can't be.`, {
            hint: 'Give --min and --max that fit.'
          })
        return {...spec, scaleMin: min, scaleMax: max}
      }
    })
    const {functions} = await tellingTrouble(work, this.progress)
    this.log(changedText(functions, `${min} to ${max} instances`))
    return {app: `${name.org}/${name.app}`, function: functions[0] ?? null, min, max}
  }
}
