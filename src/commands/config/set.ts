import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class ConfigSet extends CreoCommand {
  static override summary = 'Store a setting for all commands of this user.'
  static override description = 'network is the stored network that commands talk to, account the one that they act as without --as.'
  static override examples = ['<%= config.bin %> <%= command.id %> account colibris', '<%= config.bin %> <%= command.id %> network home']
  static override args = {
    setting: Args.string({required: true, description: 'network or account.'}),
    value: Args.string({required: true, description: 'Its value.'})
  }

  async run(): Promise<{readonly setting: string; readonly value: string; readonly status: 'changed' | 'unchanged'}> {
    const {args} = await this.parse(ConfigSet)
    const [{storeSetting}, {storedSetting}] = await Promise.all([
      import('../../developer/settings.ts'),
      import('../../config/effective-settings.ts')
    ])
    const setting = storedSetting(args.setting)
    const status = storeSetting(setting, args.value)
    this.log(
      status === 'changed'
        ? `${setting} is ${args.value} now. Undo it: creo config unset ${setting}`
        : `${setting} was ${args.value} already.`
    )
    return {setting, value: args.value, status}
  }
}
