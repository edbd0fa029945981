import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import type {EffectiveSetting} from '../../config/effective-settings.ts'
import {CreoError} from '../../core/errors.ts'

export default class ConfigGet extends CreoCommand {
  static override summary = 'Show one setting as it holds here.'
  static override examples = ['<%= config.bin %> <%= command.id %> account', '<%= config.bin %> <%= command.id %> network --show-origin']
  static override args = {setting: Args.string({required: true, description: 'Its name, as config list shows it.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    'show-origin': Flags.boolean({default: false, description: 'Say where the value comes from.'})
  }

  async run(): Promise<EffectiveSetting> {
    const {args, flags} = await this.parse(ConfigGet)
    const [{settingsHere}, {settingName}] = await Promise.all([
      import('../../developer/settings.ts'),
      import('../../config/effective-settings.ts')
    ])
    const name = settingName(args.setting)
    const found = (await settingsHere(flags, '.')).find(({setting}) => setting === name)
    if (found === undefined || found.value === null)
      throw new CreoError('not_found', `Nothing says ${name}.`, {hint: `creo config set ${name} VALUE`})
    this.log(flags['show-origin'] ? `${found.value}  (${found.from})` : found.value)
    return found
  }
}
