import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

export default class ConfigUnset extends CreoCommand {
  static override summary = 'Take a stored setting back.'
  static override examples = ['<%= config.bin %> <%= command.id %> account']
  static override args = {setting: Args.string({required: true, description: 'network or account.'})}

  async run(): Promise<{readonly setting: string; readonly status: 'unset' | 'already_unset'}> {
    const {args} = await this.parse(ConfigUnset)
    const [{storeSetting}, {storedSetting}] = await Promise.all([
      import('../../developer/settings.ts'),
      import('../../config/effective-settings.ts')
    ])
    const setting = storedSetting(args.setting)
    const status = storeSetting(setting, undefined) === 'changed' ? 'unset' : 'already_unset'
    this.log(status === 'unset' ? `${setting} is not stored any more.` : `${setting} was not stored.`)
    return {setting, status}
  }
}
