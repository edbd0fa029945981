import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {appArg, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'

interface Variable {
  readonly function: string
  readonly name: string
  readonly value: string
}

export default class EnvList extends CreoCommand {
  static override summary = "List the variables of an app's environment."
  static override description = 'As what serves now has them. Everybody can read them; secrets are not among them, see creo secrets list.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop']
  static override args = appArg
  static override flags = {...networkFlags, function: Flags.string({helpValue: 'NAME', description: 'Of this function alone.'})}

  async run(): Promise<{readonly app: string; readonly variables: readonly Variable[]}> {
    const {args, flags} = await this.parse(EnvList)
    const [{openContext}, {readEnvironment}, {appNameOf}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/app-settings.ts'),
      import('../../developer/app-name.ts')
    ])
    const name = await appNameOf(args.app, '.')
    const variables = await readEnvironment(await openContext(flags, this.abort), name, flags.function, this.abort)
    const app = `${name.org}/${name.app}`
    if (variables.length === 0) this.logToStderr(`${app} has no variables yet. Set one: creo env set ${app} NAME=VALUE`)
    else
      this.log(
        renderTable(variables, [
          {header: 'FUNCTION', value: (row) => row.function},
          {header: 'NAME', value: (row) => row.name},
          {header: 'VALUE', value: (row) => row.value}
        ])
      )
    return {app, variables}
  }
}
