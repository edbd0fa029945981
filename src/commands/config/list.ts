import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {EffectiveSetting} from '../../config/effective-settings.ts'

export default class ConfigList extends CreoCommand {
  static override summary = 'Show the settings that hold here.'
  static override description =
    'A flag goes before CREO_… of the environment, that before creo.yaml in this folder, that before what creo config set stored, and that before the default.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --show-origin',
    '<%= config.bin %> <%= command.id %> --as colibris --show-origin'
  ]
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    'show-origin': Flags.boolean({default: false, description: 'Say where each value comes from.'})
  }

  async run(): Promise<{readonly settings: readonly EffectiveSetting[]}> {
    const {flags} = await this.parse(ConfigList)
    const {settingsHere} = await import('../../developer/settings.ts')
    const settings = await settingsHere(flags, '.')
    const origin = {header: 'FROM', value: (row: EffectiveSetting) => (row.value === null ? '' : row.from)}
    this.log(
      renderTable(settings, [
        {header: 'SETTING', value: (row) => row.setting},
        {header: 'VALUE', value: (row) => row.value ?? '(none)'},
        ...(flags['show-origin'] ? [origin] : [])
      ])
    )
    return {settings}
  }
}
